//! Heavy reads and waits beside the intake of events.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Executor;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::events::event;
use crate::asking::{SYNC, nobody, start_without_workers};
use crate::support::TestApp;

const FAILURES: &str = "/api/v1/jobs/failures";

impl TestApp {
    /// Failed jobs of a firm, each with a long message of its own, as an older release left them.
    async fn failed_jobs(&self, firm: Uuid, count: i32) {
        sqlx::query(
            "insert into jobs (id, firm_id, connection_id, lane, seq, kind, state, run_id, run_at, created_at, code, error_message, failed_at)
             select gen_random_uuid(), $1, c.id, 'lane', n, 'sync_matter', 'failed', gen_random_uuid(), now(), now(), 'provider_invalid',
               repeat('\"a' || n || '\" ''b'' ', 20), now()
             from generate_series(1, $2) n cross join (select id from firm_integrations where firm_id = $1) c",
        )
        .bind(firm)
        .bind(count)
        .execute(&self.admin)
        .await
        .unwrap();
        self.admin.execute("analyze jobs").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worst_lists_and_many_waits_refuse_no_event() {
    let app = Arc::new(start_without_workers().await);
    let matter = app.connected_matter().await.unwrap();
    app.failed_jobs(matter.firm, 60_000).await;
    let (admin, operator) = (
        app.tokens.firm_admin(matter.firm).unwrap(),
        app.tokens.operator().unwrap(),
    );
    let (mut readers, mut waiting) = (JoinSet::new(), JoinSet::new());
    for number in 0..16 {
        let token = if number % 2 == 0 { &admin } else { &operator };
        let request = app.ask(Method::GET, FAILURES).bearer_auth(token);
        readers.spawn(async move { request.send().await.unwrap().status().as_u16() });
    }
    for number in 0..50 {
        let request = app
            .ask(Method::POST, SYNC)
            .bearer_auth(&admin)
            .header("prefer", "wait=5")
            .header("idempotency-key", number.to_string())
            .json(&json!({ "matter_id": matter.id }));
        waiting.spawn(async move { request.send().await.unwrap().status().as_u16() });
    }

    for number in 0..300 {
        let answer = app
            .post_events(&event(nobody(1), &number.to_string()))
            .await
            .unwrap();
        assert_eq!(answer.status, 202, "{answer:?}");
    }

    while let Some(status) = waiting.join_next().await {
        let status = status.unwrap();
        assert!([200, 202, 429].contains(&status), "{status}");
    }
    // A list that takes longer than a read may is refused: on a busy machine some of these are.
    while let Some(status) = readers.join_next().await {
        let status = status.unwrap();
        assert!([200, 429, 503].contains(&status), "{status}");
    }
}

#[tokio::test]
async fn callers_who_wait_share_one_poll() {
    let app = Arc::new(start_without_workers().await);
    let matter = app.connected_matter().await.unwrap();
    let admin = app.tokens.firm_admin(matter.firm).unwrap();
    let mut waiting = JoinSet::new();
    for number in 0..50 {
        let request = app
            .ask(Method::POST, SYNC)
            .bearer_auth(&admin)
            .header("prefer", "wait=3")
            .header("idempotency-key", number.to_string())
            .json(&json!({ "matter_id": matter.id }));
        waiting.spawn(async move { request.send().await.unwrap().status().as_u16() });
    }
    app.counted(
        "select count(*) from events where type = 'sync.requested'",
        50,
    )
    .await;
    let committed = "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()";
    let before = app.count(committed).await.unwrap();
    while let Some(status) = waiting.join_next().await {
        assert_eq!(status.unwrap(), 202);
    }

    // One of them alone would ask 40 times in 3 s, and all by themselves 2,000 times.
    let transactions = app.count(committed).await.unwrap() - before;
    assert!(transactions < 500, "{transactions} transactions");
}

#[tokio::test]
async fn an_answer_about_all_firms_is_kept_for_a_moment_and_a_firms_own_is_not() {
    let app = start_without_workers().await;
    let matter = app.connected_matter().await.unwrap();
    let (admin, operator) = (
        app.tokens.firm_admin(matter.firm).unwrap(),
        app.tokens.operator().unwrap(),
    );
    let jobs = async |token: &str, path: &str| -> Value {
        let answer = app.get(path, token).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["causes"].clone()
    };
    assert_eq!(jobs(&operator, FAILURES).await, json!([]));
    assert_eq!(jobs(&admin, FAILURES).await, json!([]));
    app.failed_jobs(matter.firm, 1).await;

    assert_eq!(jobs(&admin, FAILURES).await.as_array().unwrap().len(), 1);
    // Another question is another answer.
    let narrowed = format!("{FAILURES}?code=provider_invalid");
    assert_eq!(
        jobs(&operator, &narrowed).await.as_array().unwrap().len(),
        1
    );
    harness::eventually(crate::support::SOON, || async {
        (jobs(&operator, FAILURES).await != json!([])).then_some(())
    })
    .await
    .unwrap();
}
