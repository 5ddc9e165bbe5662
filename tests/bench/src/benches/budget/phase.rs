//! One limit in one kind of window: every connection has so much to do that it needs the whole length at its full budget.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use harness::app::Upload;
use harness::{App, AppSettings};
use serde_json::{Value, json};

use crate::clock;
use crate::figures::rounded;
use crate::options;
use crate::report::say;
use crate::system::{self, BenchSystem, TestServer};
use crate::uploads;

use super::calls;

const CONNECTIONS: u64 = 20;
const WORKERS: usize = 4;
/// A matter's documents; each costs two calls, and the matter one. (A firm's first matter costs three more: search, contact, areas.)
const DOCUMENTS: u64 = 4;
const EACH_MATTER: u64 = 1 + 2 * DOCUMENTS;
/// Matters of each firm that are synced before anything is counted: fresh programs open their sessions and plan every statement, and at 500
/// calls a second that second is missed. With the firm's first one they are fewer calls than fifty.
const WARMING: u64 = 5;
const EVENTS_AT_ONCE: usize = 100;
const WINDOWS_AHEAD: u64 = 2;
const LEAST_AHEAD: Duration = Duration::from_secs(5);
const WARM_WITHIN: Duration = Duration::from_mins(5);
const RELAYED_WITHIN: Duration = Duration::from_mins(1);
const LEAST_USED: f64 = 0.97;
const MOST_CALLS: f64 = 1.05;

#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) name: &'static str,
    pub(super) calls: u64,
    pub(super) window_ms: u64,
    /// How long a phase lasts at its full budget.
    pub(super) seconds: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Mode {
    Fixed,
    Sliding,
}

impl Mode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Sliding => "sliding",
        }
    }
}

/// What a phase brought.
#[derive(Debug)]
pub(super) struct Used {
    limit: Limit,
    mode: Mode,
    connections: u64,
    calls: u64,
    fewest: u64,
    refused: u64,
    /// From the first call to the last one.
    took: Duration,
    /// The same, if no allowed call were left unused.
    shortest: Duration,
}

impl Used {
    fn share(&self) -> f64 {
        self.shortest.as_secs_f64() / self.took.as_secs_f64()
    }

    fn of_fewest(&self) -> f64 {
        self.calls as f64 / self.fewest as f64
    }

    pub(super) fn is_good(&self) -> bool {
        self.share() >= LEAST_USED && self.of_fewest() <= MOST_CALLS && self.refused == 0
    }

    pub(super) fn short(&self) -> Value {
        json!({ "limit": self.limit.name, "windows": self.mode.as_str(), "used": rounded(self.share() * 100.0),
            "calls_of_fewest": rounded(self.of_fewest()), "answers_of_429": self.refused })
    }

    pub(super) fn shown(&self) -> Value {
        json!({ "what": "phase", "limit": self.limit.name, "windows": self.mode.as_str(), "connections": self.connections,
            "calls": self.calls, "fewest": self.fewest, "answers_of_429": self.refused, "took_s": rounded(self.took.as_secs_f64()),
            "shortest_s": rounded(self.shortest.as_secs_f64()), "used_percent": rounded(self.share() * 100.0), "ok": self.is_good() })
    }
}

pub(super) async fn run(
    server: &Arc<TestServer>,
    limit: &Limit,
    mode: Mode,
    length: Duration,
) -> Result<Used> {
    let connections = options::number("CONNECTIONS", CONNECTIONS)?;
    let windows = (length.as_millis() as u64 / limit.window_ms).max(1);
    // The last window is begun and not filled: how long its calls take one after the other is not what is measured.
    let wanted = windows * limit.calls + 1;
    let matters = wanted.div_ceil(EACH_MATTER);
    let each = matters * EACH_MATTER;
    say(&format!(
        "{} in {} windows: {each} calls on each of {connections} connections",
        limit.name,
        mode.as_str()
    ));

    let name = format!("{}-{}", limit.name.replace('/', "-"), mode.as_str());
    let mut system =
        BenchSystem::start_on(Arc::clone(server), &name, settings(limit.name)?).await?;
    let mut uploads = prepare(&system.app, connections, WARMING + matters).await?;
    let warming: Vec<_> = uploads
        .drain(..(connections * WARMING * DOCUMENTS) as usize)
        .collect();
    system
        .add_workers(options::number("WORKERS", WORKERS)?)
        .await?;
    warm(&system.app, &warming).await?;
    system.hold().await?;
    let (first, later) = uploads.split_at(ahead(uploads.len(), length, limit));
    approve(&system.app, first).await?;
    let body = json!({ "limit": limit.calls, "window_ms": limit.window_ms, "mode": mode.as_str() });
    system.app.limits(&body).await?;
    rest_a_window(limit, mode).await;
    let from = clock::wall_now();
    system.let_go().await?;
    approve_steadily(&system.app, later, length / uploads.len() as u32).await?;
    system
        .app
        .settled(length * 3 + Duration::from_secs(120))
        .await?;
    uploads::ensure_sent(&system.app, warming.len() + uploads.len()).await?;
    let used = judge(&system.app, limit, mode, connections, each, from)?;
    system.end().await;
    Ok(used)
}

async fn warm(app: &App, uploads: &[Upload]) -> Result<()> {
    approve(app, uploads).await?;
    app.settled(WARM_WITHIN).await
}

/// How many of the events lie some windows ahead of what the budget lets through, so that every connection has more to do at any time.
fn ahead(events: usize, length: Duration, limit: &Limit) -> usize {
    let ahead = LEAST_AHEAD.max(Duration::from_millis(WINDOWS_AHEAD * limit.window_ms));
    let share = ahead.div_duration_f64(length).min(1.0);
    (events as f64 * share) as usize
}

async fn approve(app: &App, uploads: &[Upload]) -> Result<()> {
    for part in uploads.chunks(EVENTS_AT_ONCE) {
        app.approve(part).await?;
    }
    app.relayed(RELAYED_WITHIN).await
}

/// Approves one document each `pace`: as fast as the budget lets them through. What it costs to take in thousands of events at one moment is
/// another bench's question.
async fn approve_steadily(app: &App, uploads: &[Upload], pace: Duration) -> Result<()> {
    let begun = tokio::time::Instant::now();
    for (number, part) in uploads.chunks(EVENTS_AT_ONCE).enumerate() {
        tokio::time::sleep_until(begun + pace * (number * EVENTS_AT_ONCE) as u32).await;
        app.approve(part).await?;
    }
    Ok(())
}

fn settings(budget: &str) -> Result<AppSettings> {
    Ok(AppSettings {
        budget: budget.to_owned(),
        ..system::settings(0, options::number("CONCURRENCY", 64)?)
    })
}

async fn prepare(app: &App, connections: u64, matters: u64) -> Result<Vec<Upload>> {
    app.limits(&json!({ "mode": "off" })).await?;
    let mut firms = Vec::new();
    for number in 0..connections {
        firms.push(uploads::connected_firm(app, 40_000 + number).await?);
    }
    // Matter by matter over all firms, so that all have the same to do at any time.
    let mut all = Vec::new();
    for matter in 0..matters {
        for firm in &firms {
            all.extend(firm.matter_with(app, matter, DOCUMENTS).await?);
        }
    }
    Ok(all)
}

/// What was called before leaves every window; and a fixed window is begun at its beginning.
async fn rest_a_window(limit: &Limit, mode: Mode) {
    let window = Duration::from_millis(limit.window_ms);
    tokio::time::sleep(window + window / 50).await;
    if matches!(mode, Mode::Fixed) {
        let into = clock::wall_now()
            .timestamp_millis()
            .rem_euclid(limit.window_ms as i64) as u64;
        tokio::time::sleep(Duration::from_millis(limit.window_ms - into)).await;
    }
}

fn judge(
    app: &App,
    limit: &Limit,
    mode: Mode,
    connections: u64,
    each: u64,
    from: DateTime<Utc>,
) -> Result<Used> {
    let calls = calls::since(&app.record(), from)?;
    let refused = calls
        .iter()
        .filter(|call| call.refused_for.is_some())
        .count() as u64;
    let (Some(first), Some(last)) = (calls.first(), calls.last()) else {
        anyhow::bail!("the provider was not asked");
    };

    Ok(Used {
        limit: *limit,
        mode,
        connections,
        calls: calls.len() as u64,
        fewest: each * connections,
        refused,
        took: (last.at - first.at).to_std()?,
        shortest: Duration::from_millis((each.div_ceil(limit.calls) - 1) * limit.window_ms),
    })
}
