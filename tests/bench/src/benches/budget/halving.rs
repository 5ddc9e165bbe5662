//! One connection, so that every call is its bucket's: its limit is halved under way, and later one call gets a 429.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use harness::AppSettings;
use serde_json::{Value, json};

use crate::clock;
use crate::options;
use crate::system::{self, BenchSystem, TestServer};
use crate::uploads;

use super::calls::{self, Call};

const BUDGET: &str = "10/1s";
const CALLS: u64 = 10;
const DOCUMENTS: u64 = 4;
const RETRY_AFTER_S: i64 = 3;
/// What had begun before the refusal was read.
const READING: chrono::TimeDelta = chrono::TimeDelta::milliseconds(50);

#[derive(Debug)]
pub(super) struct Halved {
    calls: usize,
    refused: usize,
    /// Calls that began after a refusal was read and before its time was over.
    too_soon: usize,
    /// Refusals beyond the scripted one and whatever was in flight.
    refused_again: usize,
}

impl Halved {
    pub(super) fn is_good(&self) -> bool {
        self.too_soon == 0 && self.refused_again == 0 && self.refused >= 1
    }

    pub(super) fn shown(&self) -> Value {
        json!({ "what": "halving", "calls": self.calls, "answers_of_429": self.refused, "calls_too_soon": self.too_soon,
            "refused_again": self.refused_again, "ok": self.is_good() })
    }
}

pub(super) async fn run(server: &Arc<TestServer>, length: Duration) -> Result<Halved> {
    let settings = AppSettings {
        budget: BUDGET.to_owned(),
        ..system::settings(0, 64)
    };
    let mut system = BenchSystem::start_on(Arc::clone(server), "halving", settings).await?;
    let app = &system.app;
    let firm = uploads::connected_firm(app, 50_000).await?;
    let matters = (length.as_secs() * CALLS * 3 / 4)
        .div_ceil(1 + 2 * DOCUMENTS)
        .max(1);
    let mut documents = Vec::new();
    for matter in 0..matters {
        documents.extend(firm.matter_with(app, matter, DOCUMENTS).await?);
    }
    app.limits(&json!({ "limit": CALLS, "window_ms": 1_000, "mode": "sliding" }))
        .await?;
    system.add_workers(options::number("WORKERS", 4)?).await?;
    let from = clock::wall_now();
    let app = &system.app;
    app.approve(&documents).await?;
    tokio::time::sleep(length / 3).await;
    app.limits(&json!({ "limit": CALLS / 2, "window_ms": 1_000, "mode": "sliding" }))
        .await?;
    tokio::time::sleep(length / 3).await;
    let message = format!("Rate limit exceeded. Try again in {RETRY_AFTER_S} seconds.");
    let refusal = json!({ "status": 429, "headers": { "Retry-After": RETRY_AFTER_S.to_string() },
        "body": { "error": { "type": "RateLimited", "message": message } } });
    app.fault("*", "/api/v4/*", 1, &refusal).await?;
    app.settled(length * 3 + Duration::from_secs(60)).await?;
    uploads::ensure_sent(app, documents.len()).await?;
    let calls = calls::since(&app.record(), from)?;
    system.end().await;
    Ok(judge(&calls))
}

fn judge(calls: &[Call]) -> Halved {
    let mut halved = Halved {
        calls: calls.len(),
        refused: 0,
        too_soon: 0,
        refused_again: 0,
    };
    let mut away = None;
    for call in calls {
        let in_flight = away.is_some_and(|(read, _)| call.at <= read);
        if away.is_some_and(|(read, until)| call.at > read && call.at < until) {
            halved.too_soon += 1;
        }
        let Some(seconds) = call.refused_for else {
            continue;
        };
        halved.refused += 1;
        if !in_flight {
            // One is scripted; a second that nothing was in flight for is one too many.
            halved.refused_again += usize::from(away.is_some());
            away = Some((
                call.at + READING,
                call.at + chrono::TimeDelta::seconds(seconds),
            ));
        }
    }
    halved
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    fn call(ms: i64, refused_for: Option<i64>) -> Call {
        let at = DateTime::UNIX_EPOCH + TimeDelta::milliseconds(ms);
        Call { at, refused_for }
    }

    #[test]
    fn a_call_before_the_time_is_over_is_too_soon() {
        let kept = judge(&[
            call(0, None),
            call(100, Some(3)),
            call(120, Some(3)),
            call(3_200, None),
        ]);
        let broken = judge(&[call(100, Some(3)), call(1_000, None), call(3_500, Some(3))]);

        assert!(kept.is_good());
        assert_eq!((broken.too_soon, broken.refused_again), (1, 1));
    }
}
