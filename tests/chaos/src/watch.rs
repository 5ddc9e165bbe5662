//! Samples: how much work waits, whether Postgres answers, and what the workers' own auditors count. It also plays the
//! operator who lifts the breaker.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::clock;
use crate::drain::STREAM;
use crate::node::Node;
use crate::system::ChaosSystem;

const PAUSE: Duration = Duration::from_millis(250);
const ANSWER: Duration = Duration::from_secs(1);
/// The auditors' counters are read once in this number of samples.
const BREACHES_EVERY: u32 = 8;
const BREACHES: &str = "casehug_auditor_breaches_total";

/// Work that a healthy system would be at: events, due lanes of connections that are neither paused nor busy, lanes of the dead.
const WAITING: &str = "
    select (select count(*) from events where status = 'waiting')
      + (select count(*) from lanes l where l.ready_at <= app_now()
          and not exists (select 1 from pauses p where p.scope in ('all', 'connection:' || l.connection_id) and p.until > app_now())
          and not exists (select 1 from lanes h join workers w on w.id = h.worker
            where h.connection_id = l.connection_id and w.alive_until > app_now()))
      + (select count(*) from lanes l left join workers w on w.id = l.worker
          where l.worker is not null and (w.id is null or w.alive_until < app_now()))";

/// The run's faults trouble most connections, as an outage of the provider would; the breaker would spare the run its work.
const LIFT_BREAKER: &str = "
    with gone as (delete from pauses where reason = 'breaker' returning 1) select pg_notify('casehug_jobs', '*') from gone";

#[derive(Debug)]
pub(crate) struct Watch {
    stop: oneshot::Sender<()>,
    watching: JoinHandle<()>,
}

impl Watch {
    pub(crate) async fn stop(self) {
        self.stop.send(()).ok();
        self.watching.await.ok();
    }
}

pub(crate) fn start(system: Arc<ChaosSystem>) -> Watch {
    let (stop, mut stopped) = oneshot::channel();
    let watching = tokio::spawn(async move {
        for number in 0_u32.. {
            sample(&system).await.ok();
            let lifted = sqlx::query(LIFT_BREAKER).execute(&system.app.admin);
            tokio::time::timeout(ANSWER, lifted).await.ok();
            if number % BREACHES_EVERY == 0 {
                read_breaches(&system).await.ok();
            }
            tokio::select! {
                _ = &mut stopped => break,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        read_breaches(&system).await.ok();
    });
    Watch { stop, watching }
}

async fn sample(system: &ChaosSystem) -> Result<()> {
    let asked = sqlx::query_scalar::<_, i64>(WAITING).fetch_one(&system.app.admin);
    let waiting = tokio::time::timeout(ANSWER, asked).await;
    let mut waiting = waiting.ok().and_then(Result::ok);
    // A Redis that is just dead has no work to show.
    if let (Some(waiting), Ok(entries)) = (&mut waiting, system.redis.length(STREAM).await) {
        *waiting += i64::try_from(entries)?;
    }
    let line = json!({ "at": clock::now(), "up": waiting.is_some(), "waiting": waiting });
    system.ledger.note("samples", &line)
}

async fn read_breaches(system: &ChaosSystem) -> Result<()> {
    for node in system.workers() {
        let Some(breaches) = breaches(system, node).await else {
            continue;
        };
        let pid = node
            .program
            .try_lock()
            .map(|program| program.process().pid());
        let line = json!({ "process": node.name, "pid": pid.ok(), "breaches": breaches });
        system.ledger.note("breaches", &line)?;
    }
    Ok(())
}

/// None while the process has none to show.
async fn breaches(system: &ChaosSystem, node: &Node) -> Option<f64> {
    let url = format!("{}/metrics", node.ops_url);
    let answer = system.app.http.get(url).timeout(ANSWER).send().await.ok()?;
    let text = answer.text().await.ok()?;
    let counted: f64 = text
        .lines()
        .filter(|line| line.starts_with(BREACHES))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    (counted > 0.0).then_some(counted)
}
