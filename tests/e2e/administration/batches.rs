//! Batches: many failed jobs retried in their order, no faster than the budget, once each, and not after a cancel.

use std::time::Duration;

use harness::{AppSettings, eventually};
use serde_json::{Value, json};

use crate::support::{SOON, TestApp, start_with};

const JOBS: u32 = 1_200;
const LANES: u32 = 12;
/// As the budget of the tests below allows in a minute.
const PACE: u64 = 60;

fn settings() -> AppSettings {
    AppSettings {
        budget: format!("{PACE}/60s"),
        lease: Duration::from_secs(2),
        ..AppSettings::default()
    }
}

impl TestApp {
    async fn batch(&self, id: &Value) -> Value {
        let id = id.as_str().unwrap();
        self.cli(&["batches", "show", id]).await.unwrap()
    }
}

async fn begin(app: &TestApp) -> Value {
    let body = json!({ "filter": { "code": "broken" } });
    let token = app.tokens.operator().unwrap();
    let answer = app.post("/api/v1/jobs/retry", &token, &body).await.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.body["counted"], json!(JOBS));
    answer.body["id"].clone()
}

async fn wait_for(app: &TestApp, id: &Value, reached: impl Fn(&Value) -> bool) -> Value {
    eventually(2 * SOON, || async {
        let batch = app.batch(id).await;
        reached(&batch).then_some(batch)
    })
    .await
    .unwrap()
}

fn number(batch: &Value, name: &str) -> u64 {
    batch[name].as_u64().unwrap()
}

#[tokio::test]
async fn a_batch_keeps_the_order_and_makes_no_more_ready_than_a_minutes_budget() {
    let app = start_with(settings()).await;
    let connected = app.connected().await;
    app.failed_probes(connected, JOBS, LANES).await;
    sqlx::query("create table before as select id, lane, seq from jobs")
        .execute(&app.admin)
        .await
        .unwrap();
    let counted = app
        .cli(&["jobs", "retry-all", "--code", "broken", "--dry-run"])
        .await
        .unwrap();
    app.cli(&["pauses", "add", "all", "--reason", "test"])
        .await
        .unwrap();

    let id = begin(&app).await;
    let held = wait_for(&app, &id, |batch| number(batch, "running") >= PACE).await;
    let out_of_order = "select count(*) from jobs a join before x on x.id = a.id join jobs b on b.lane = a.lane join before y on y.id = b.id
        where a.state = 'queued' and (b.state = 'queued' and x.seq < y.seq and a.seq > b.seq or b.state = 'failed' and y.seq < x.seq)";
    let disorder = app.count(out_of_order).await.unwrap();
    app.cli(&["pauses", "remove", "all"]).await.unwrap();
    let done = wait_for(&app, &id, |batch| batch["state"] == "done").await;

    assert_eq!(counted, json!({ "counted": JOBS }));
    assert_eq!(
        (number(&held, "running"), number(&held, "waiting")),
        (PACE, u64::from(JOBS) - PACE)
    );
    assert_eq!(disorder, 0, "jobs out of their order");
    assert_eq!(number(&done, "succeeded"), u64::from(JOBS));
    let overtaken = "select count(*) from before x join attempts a on a.job_id = x.id join before y on y.lane = x.lane and y.seq = x.seq + 1
        join attempts b on b.job_id = y.id where b.started_at < a.started_at";
    assert_eq!(app.count(overtaken).await.unwrap(), 0);
    app.finish().await;
}

#[tokio::test]
async fn a_batch_that_is_cancelled_in_the_middle_leaves_the_rest_failed() {
    let app = start_with(settings()).await;
    let connected = app.connected().await;
    app.failed_probes(connected, JOBS, LANES).await;

    let id = begin(&app).await;
    wait_for(&app, &id, |batch| number(batch, "succeeded") > 100).await;
    let token = app.tokens.operator().unwrap();
    let path = format!("/api/v1/batches/{}/cancel", id.as_str().unwrap());
    let cancelled = app.post(&path, &token, &json!({})).await.unwrap();
    let again = app.post(&path, &token, &json!({})).await.unwrap();
    let finished = wait_for(&app, &id, |batch| batch["finished_at"].is_string()).await;
    app.settled(SOON).await.unwrap();

    assert_eq!(cancelled.body["state"], "cancelled", "{cancelled:?}");
    assert_eq!(
        (again.status, &again.body["error"]["code"]),
        (409, &json!("wrong_state"))
    );
    let left = app
        .count("select count(*) from jobs where state = 'failed'")
        .await
        .unwrap();
    assert!(left > 0, "{finished}");
    assert_eq!(
        number(&finished, "succeeded") + left.unsigned_abs(),
        u64::from(JOBS),
        "{finished}"
    );
    assert_eq!(
        (number(&finished, "running"), number(&finished, "waiting")),
        (0, 0)
    );
    app.finish().await;
}

#[tokio::test]
async fn a_batch_whose_worker_dies_in_the_middle_is_finished_once_by_another() {
    let mut app = start_with(AppSettings {
        workers: 2,
        ..settings()
    })
    .await;
    let connected = app.connected().await;
    app.failed_probes(connected, JOBS, LANES).await;

    let id = begin(&app).await;
    wait_for(&app, &id, |batch| number(batch, "succeeded") > 100).await;
    app.workers.remove(0).kill9().unwrap();
    let early = app.batch(&id).await;
    let done = wait_for(&app, &id, |batch| batch["state"] == "done").await;
    app.settled(SOON).await.unwrap();

    assert_eq!(early["state"], "running", "it died too late: {early}");
    assert_eq!(number(&done, "succeeded"), u64::from(JOBS), "{done}");
    let twice = "select count(*) from (select job_id from attempts where outcome = 'done' group by job_id having count(*) <> 1) x";
    assert_eq!(app.count(twice).await.unwrap(), 0);
    let once = "select count(*) from attempts where outcome = 'done'";
    assert_eq!(app.count(once).await.unwrap(), i64::from(JOBS));
    app.finish().await;
}
