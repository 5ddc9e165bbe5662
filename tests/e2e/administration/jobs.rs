//! One job: retried with its history, cancelled in the middle, hurried.

use harness::app::Matter;
use harness::eventually;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{SOON, TestApp, start};

fn id_of(answer: &Value, index: usize) -> Uuid {
    answer["jobs"][index]["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

async fn refuse_next_matter(app: &TestApp) {
    let refusal =
        json!({ "status": 422, "body": { "error": { "type": "ArgumentError", "message": "no" } } });
    app.fault("POST", "/api/v4/matters.json", 1, &refusal)
        .await
        .unwrap();
}

/// As the firm's admin does, whose token is returned with the answer. Does not wait for the job.
async fn ask_for_sync(app: &TestApp, matter: Matter) -> (String, Value) {
    let token = app.tokens.firm_admin(matter.firm).unwrap();
    let request = json!({ "matter_id": matter.id });
    let answer = app
        .post("/api/v1/integrations/clio/sync", &token, &request)
        .await
        .unwrap();
    (token, answer.body)
}

/// The one job that runs, as soon as it does.
async fn running_job(app: &TestApp, token: &str) -> Uuid {
    eventually(SOON, || async {
        let list = app.get("/api/v1/jobs?state=running", token).await.ok()?;
        (list.body["jobs"].as_array()?.len() == 1).then(|| id_of(&list.body, 0))
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_retry_continues_the_history() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    refuse_next_matter(&app).await;
    app.sync(matter).await.unwrap();
    let firm = matter.firm.to_string();
    let failed = app
        .cli(&["jobs", "list", "--state", "failed", "--firm", &firm])
        .await
        .unwrap();
    let id = id_of(&failed, 0);

    let answer = app.act(matter.firm, id, "retry").await;
    app.settled(SOON).await.unwrap();

    assert_eq!(answer.body, json!({ "outcome": "queued" }), "{answer:?}");
    let job = app.job(id).await;
    assert_eq!(job["state"], "done", "{job}");
    let executions = job["executions"].as_array().unwrap();
    let told: Vec<_> = executions
        .iter()
        .map(|e| (e["number"].clone(), e["outcome"].clone(), e["code"].clone()))
        .collect();
    assert_eq!(
        told,
        [
            (json!(1), json!("fail"), json!("provider_invalid")),
            (json!(2), json!("done"), json!(null))
        ]
    );
    let call = &executions[0]["calls"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&call["method"], &call["status"]),
        (&json!("POST"), &json!(422))
    );
    assert_eq!(job["acts"][0]["act"], "retry_job");
    assert_eq!(job["acts"][0]["author"], "test-firm_admin");
    assert_eq!(
        app.log_lines(matter.firm).await.unwrap(),
        ["sync_matter success"]
    );
    app.finish().await;
}

#[tokio::test]
async fn a_running_job_that_is_cancelled_stops_at_its_next_call() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    app.fault("GET", "/api/v4/contacts", 1, &json!({ "delay_ms": 4_000 }))
        .await
        .unwrap();
    let (token, _) = ask_for_sync(&app, matter).await;
    let id = running_job(&app, &token).await;

    let answer = app.act(matter.firm, id, "cancel").await;
    app.settled(SOON).await.unwrap();

    assert_eq!(
        answer.body,
        json!({ "outcome": "cancelling" }),
        "{answer:?}"
    );
    let job = app.job(id).await;
    assert_eq!(
        (&job["state"], &job["code"]),
        (&json!("skipped"), &json!("cancelled")),
        "{job}"
    );
    assert_eq!(app.clio_counts().await.unwrap(), (0, 0, 0));
    app.finish().await;
}

#[tokio::test]
async fn a_cancelled_job_that_comes_back_to_wait_ends_at_once() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    // Its only call is slow, and then asks to come back in an hour: the next permit is never asked for.
    let slow = json!({ "delay_ms": 3_000, "status": 503, "headers": { "retry-after": "3600" } });
    app.fault("GET", "/api/v4/contacts", 1, &slow)
        .await
        .unwrap();
    let (token, _) = ask_for_sync(&app, matter).await;
    let id = running_job(&app, &token).await;

    app.act(matter.firm, id, "cancel").await;
    app.settled(SOON).await.unwrap();

    assert_eq!(
        app.log_lines(matter.firm).await.unwrap(),
        ["sync_matter skipped cancelled"]
    );
    app.finish().await;
}

#[tokio::test]
async fn a_job_that_waits_for_its_retry_runs_now_when_a_person_says_so() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    app.fault("GET", "/api/v4/contacts", 1, &json!({ "status": 500 }))
        .await
        .unwrap();
    let (token, _) = ask_for_sync(&app, matter).await;
    let waiting = eventually(SOON, || async {
        let list = app.get("/api/v1/jobs?state=queued", &token).await.ok()?;
        (list.body["jobs"][0]["waiting"]["why"] == "retry").then_some(list.body)
    })
    .await
    .unwrap();
    let id = id_of(&waiting, 0);
    sqlx::query("update jobs set run_at = run_at + interval '1 day'")
        .execute(&app.admin)
        .await
        .unwrap();
    sqlx::query("update lanes set ready_at = ready_at + interval '1 day'")
        .execute(&app.admin)
        .await
        .unwrap();

    let answer = app.act(matter.firm, id, "run-now").await;
    app.settled(SOON).await.unwrap();

    assert_eq!(answer.body, json!({ "outcome": "hurried" }), "{answer:?}");
    let job = app.job(id).await;
    assert_eq!(job["state"], "done", "{job}");
    assert_eq!(job["executions"].as_array().unwrap().len(), 2);
    app.finish().await;
}

#[tokio::test]
async fn a_retried_job_joins_a_duplicate_that_waits() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    refuse_next_matter(&app).await;
    app.sync(matter).await.unwrap();
    let failed = app
        .cli(&["jobs", "list", "--state", "failed"])
        .await
        .unwrap();
    let id = id_of(&failed, 0);
    app.cli(&["pauses", "add", "all", "--reason", "test"])
        .await
        .unwrap();
    let (_, duplicate) = ask_for_sync(&app, matter).await;
    eventually(SOON, || async {
        let queued = app.cli(&["jobs", "list", "--state", "queued"]).await.ok()?;
        (queued["jobs"].as_array()?.len() == 1).then_some(())
    })
    .await
    .unwrap();

    let answer = app.act(matter.firm, id, "retry").await;
    app.cli(&["pauses", "remove", "all"]).await.unwrap();
    app.settled(SOON).await.unwrap();

    let joined = json!({ "outcome": "joined", "joined": duplicate["log_id"] });
    assert_eq!(answer.body, joined, "{answer:?}");
    assert_eq!(app.job(id).await["state"], "skipped");
    assert_eq!(
        app.log_lines(matter.firm).await.unwrap(),
        ["sync_matter skipped", "sync_matter success"]
    );
    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 0));
    app.finish().await;
}
