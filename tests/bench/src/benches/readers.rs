//! `readers`: how long `POST /events` takes at a steady pace, alone and beside readers of the longest list and callers who wait for a sync.
//! Options: SECONDS (of each measurement), ROUNDS.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::app::Matter;
use serde_json::json;
use tokio::task::JoinSet;

use super::ingress::client::{Caller, Sent};
use crate::clock;
use crate::figures::{median, percentile, rounded};
use crate::options;
use crate::report::Report;
use crate::system::{self, BenchSystem};

const READERS: usize = 16;
const WAITING: usize = 50;
const CALLERS: usize = 8;
/// Each caller posts an event so often.
const PACE: Duration = Duration::from_millis(25);
const MOST_RATIO: f64 = 1.25;
const AIM: &str = "p99 of POST /events beside 16 readers of the longest list and 50 callers who wait is at most 1.25 x alone; none is refused";
/// Failed jobs of one firm, each with a long message: the list of failures reads them all.
const FAILED: &str = "insert into jobs (id, firm_id, connection_id, lane, seq, kind, state, run_id, run_at, created_at, code, error_message, cause, failed_at)
    select gen_random_uuid(), $1, c.id, 'lane', n, 'sync_matter', 'failed', gen_random_uuid(), now(), now(), 'provider_invalid',
      said.words, queue_cause(said.words), now()
    from generate_series(1, 60000) n
    cross join lateral (select repeat('\"a' || n || '\" ''b'' ', 20) as words) said
    cross join (select id from firm_integrations where firm_id = $1) c";

pub(crate) async fn run() -> Result<bool> {
    let length = options::seconds(15)?;
    let rounds: u32 = options::number("ROUNDS", 3)?;
    let report = Report::new("readers");
    let system = Arc::new(BenchSystem::start(system::settings(0, 32)).await?);
    report.ran_on(&system.app.admin).await?;
    let matter = system.app.connected_matter().await?;
    let failed = sqlx::query(FAILED).bind(matter.firm);
    failed.execute(&system.app.admin).await?;
    sqlx::query("analyze jobs")
        .execute(&system.app.admin)
        .await?;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let quiet = post(&system, length).await?;
        let others = Others::start(&system, matter)?;
        let busy = post(&system, length).await?;
        let answers = others.end().await?;
        let at = |sent: &Sent, share| rounded(percentile(&sent.waited_ms, share));
        report.line(json!({ "what": "round", "events": quiet.accepted + busy.accepted, "other_answers": answers,
            "alone_p50_ms": at(&quiet, 0.5), "alone_p99_ms": at(&quiet, 0.99),
            "beside_p50_ms": at(&busy, 0.5), "beside_p99_ms": at(&busy, 0.99) }));
        alone.push(percentile(&quiet.waited_ms, 0.99));
        beside.push(percentile(&busy.waited_ms, 0.99));
    }
    let (alone, beside) = (median(&alone), median(&beside));
    let ratio = beside / alone;
    let figures = json!({ "alone_p99_ms": rounded(alone), "beside_p99_ms": rounded(beside), "ratio": rounded(ratio),
        "readers": READERS, "waiting": WAITING, "events_per_s": rounded(CALLERS as f64 / PACE.as_secs_f64()) });
    if let Some(system) = Arc::into_inner(system) {
        system.end().await;
    }
    Ok(report.verdict(ratio <= MOST_RATIO, AIM, figures))
}

/// All callers at their pace; an event that is not taken ends the bench.
async fn post(system: &BenchSystem, length: Duration) -> Result<Sent> {
    let address = system.app.ingress_url().replacen("http://", "", 1);
    let token: Arc<str> = system.app.tokens.service()?.into();
    let from = clock::now() + Duration::from_secs(1);
    let until = from + length;
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let mut caller = Caller::connect(&address, token.clone()).await?;
        callers.spawn(async move { caller.call_at_pace(PACE, from, until).await });
    }
    let mut all = Sent::default();
    while let Some(sent) = callers.join_next().await {
        all.add(sent??);
    }
    ensure!(!all.waited_ms.is_empty(), "no event was posted");
    Ok(all)
}

/// Those who read and wait, until they are told to end.
struct Others {
    end: Arc<AtomicBool>,
    tasks: JoinSet<Result<usize>>,
}

impl Others {
    fn start(system: &Arc<BenchSystem>, matter: Matter) -> Result<Self> {
        let end = Arc::new(AtomicBool::new(false));
        let (admin, operator) = (
            system.app.tokens.firm_admin(matter.firm)?,
            system.app.tokens.operator()?,
        );
        let mut tasks = JoinSet::new();
        for number in 0..READERS {
            let token = if number % 2 == 0 { &admin } else { &operator }.clone();
            let (system, end) = (system.clone(), end.clone());
            tasks.spawn(async move { read(&system, &token, &end).await });
        }
        for _ in 0..WAITING {
            let (system, end, token) = (system.clone(), end.clone(), admin.clone());
            tasks.spawn(async move { wait(&system, &token, matter, &end).await });
        }
        Ok(Self { end, tasks })
    }

    /// How many answers they got.
    async fn end(mut self) -> Result<usize> {
        self.end.store(true, Ordering::SeqCst);
        let mut answers = 0;
        while let Some(got) = self.tasks.join_next().await {
            answers += got??;
        }
        Ok(answers)
    }
}

/// Asks again after a rest that a page would make; a list that is refused is a list that is asked for too often.
async fn read(system: &BenchSystem, token: &str, end: &AtomicBool) -> Result<usize> {
    let mut answers = 0;
    while !end.load(Ordering::SeqCst) {
        system.app.get("/api/v1/jobs/failures", token).await?;
        answers += 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(answers)
}

async fn wait(
    system: &BenchSystem,
    token: &str,
    matter: Matter,
    end: &AtomicBool,
) -> Result<usize> {
    let mut answers = 0;
    while !end.load(Ordering::SeqCst) {
        let url = format!("{}/api/v1/integrations/clio/sync", system.app.ingress_url());
        let asked = system.app.http.post(url).bearer_auth(token);
        let asked = asked
            .header("prefer", "wait=5")
            .json(&json!({ "matter_id": matter.id }));
        asked.send().await?;
        answers += 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(answers)
}
