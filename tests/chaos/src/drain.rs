//! The end: no load, no faults, everything up; the queue must become empty by itself, within a bound.
//!
//! Retries wait up to a quarter of an hour by design. So that a run ends, lanes that wait for a time are made due by the
//! operators' means, a statement; a lane that the service has lost sight of is not touched by it.
//! Innocent jobs that were lost while they ran alone are asked for once more, as a firm's admin would.

use std::time::Duration;

use anyhow::{Context, Result};
use harness::app::{Matter, Platform};
use harness::eventually;
use serde_json::{Map, Value};
use sqlx::Row;
use uuid::Uuid;

use crate::history;
use crate::ledger::say;
use crate::system::ChaosSystem;

pub(crate) const PATIENCE: Duration = Duration::from_secs(240);
const ASK: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(1_500);
/// After this number of looks in a row that find jobs, but none due, held or waiting, no worker will ever take those jobs.
const STUCK: u32 = 6;

const HURRY: &str = "
    with due as (
      update lanes l set ready_at = app_now() from (
        select key from lanes where ready_at > app_now() order by key for update skip locked) x
      where l.key = x.key returning l.key),
    jobs_due as (
      update jobs j set run_at = app_now() from due where j.lane = due.key and j.state = 'queued' and j.run_at > app_now())
    select pg_notify('casehug_jobs', '*')";
/// What is not in Postgres yet.
pub(crate) const STREAM: &str = "casehug:inbox";
const LEFT: &str = "
    select (select count(*) from jobs where state = 'queued') + (select count(*) from events where status = 'waiting') as left,
      (select count(*) from lanes where ready_at is not null or worker is not null)
        + (select count(*) from events where status = 'waiting') as moving";
const INNOCENT: &str = "
    select distinct m.id, m.firm_id, m.client_id from jobs j join matters m on m.id = j.matter_id
    where j.state = 'failed' and j.code = 'worker_lost' and m.id <> $1";

pub(crate) async fn drain(system: &ChaosSystem) -> Result<()> {
    wait_until_empty(system).await?;
    let innocent = innocent(system).await?;
    if innocent.is_empty() {
        return Ok(());
    }
    say(&format!(
        "{} matters were lost while they ran alone and are asked for once more",
        innocent.len()
    ));
    for matter in innocent {
        ask_again(system, matter).await?;
    }
    wait_until_empty(system).await
}

/// The checker judges the jobs that remain when the patience ends.
async fn wait_until_empty(system: &ChaosSystem) -> Result<()> {
    let mut stuck = 0;
    let waiting = async {
        loop {
            let row = sqlx::query(LEFT).fetch_one(&system.app.admin).await?;
            let redis = i64::try_from(system.redis.length(STREAM).await?)?;
            let (left, moving): (i64, i64) = (row.get("left"), row.get("moving"));
            let (left, moving) = (left + redis, moving + redis);
            stuck = if moving == 0 { stuck + 1 } else { 0 };
            if left == 0 || stuck == STUCK {
                return anyhow::Ok(left);
            }
            sqlx::query(HURRY).execute(&system.app.admin).await?;
            tokio::time::sleep(PAUSE).await;
        }
    };
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(left) => match left? {
            0 => say("the queue is empty"),
            left => say(&format!("{left} jobs are left that no worker will take")),
        },
        Err(_) => say("the queue did not become empty"),
    }
    Ok(())
}

async fn innocent(system: &ChaosSystem) -> Result<Vec<Matter>> {
    let rows = sqlx::query(INNOCENT).bind(system.poisoned.id);
    let rows = rows.fetch_all(&system.app.admin).await?;
    Ok(rows
        .iter()
        .map(|row| Matter {
            id: row.get::<Uuid, _>("id"),
            firm: row.get("firm_id"),
            client: row.get("client_id"),
        })
        .collect())
}

/// A firm admin's "Sync": whatever of the matter is not there yet is brought there.
async fn ask_again(system: &ChaosSystem, matter: Matter) -> Result<()> {
    let url = system
        .ingresses()
        .find_map(|node| node.url.clone())
        .context("there is an ingress")?;
    let token = system.app.tokens.firm_admin(matter.firm)?;
    let platform: String =
        sqlx::query_scalar("select platform from firm_integrations where firm_id = $1")
            .bind(matter.firm)
            .fetch_one(&system.app.admin)
            .await?;
    // An ingress may still hold connections of a server that was restarted: it says 503, and an admin asks again.
    let asked = eventually(ASK, || async {
        let request = system
            .app
            .http
            .post(format!("{url}/api/v1/integrations/{platform}/sync"))
            .bearer_auth(&token)
            .json(&serde_json::json!({ "matter_id": matter.id }));
        let answer = system.app.send(request).await.ok()?;
        (answer.status == 202).then_some(())
    });
    asked.await.context("ask again")
}

/// What there is now, at the providers and in the database.
pub(crate) async fn write_state(system: &ChaosSystem) -> Result<()> {
    let mut states = Map::new();
    for platform in [Platform::Clio, Platform::Test] {
        let held = system.app.held_by(platform).await?;
        states.insert(platform.word().to_owned(), held);
    }
    system.ledger.write("states", &Value::Object(states))?;
    let audit = harness::app::audit(system.app.database.url(), &[]).await?;
    history::write(&system.app.admin, &audit, &system.ledger).await?;
    let calls = system.ledger.folder().join("calls.jsonl");
    std::fs::copy(system.app.record(), calls).context("copy the provider's record")?;
    Ok(())
}
