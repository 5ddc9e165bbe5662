//! Two releases side by side, or one after its successor: a worker meets what only a newer one knows.

use harness::eventually;
use serde_json::json;

use crate::support::{SOON, start};

#[tokio::test]
async fn a_job_of_a_newer_release_waits_for_its_worker_and_holds_up_no_other_lane() {
    let app = start().await;
    let connected = app.connected().await;
    // As the newer release's migration and the newer release leave it.
    sqlx::raw_sql("alter table jobs drop constraint jobs_kind_check")
        .execute(&app.admin)
        .await
        .unwrap();
    let scope = format!("connection:{}", connected.id);
    app.cli(&["pauses", "add", &scope, "--reason", "set-up"])
        .await
        .unwrap();
    let jobs = app.probes(connected, 2, 2).await;
    sqlx::query("update jobs set kind = 'sync_invoice' where id = $1")
        .bind(jobs[0])
        .execute(&app.admin)
        .await
        .unwrap();

    app.cli(&["pauses", "remove", &scope]).await.unwrap();
    let waiting = eventually(SOON, || async {
        let job = app.job(jobs[0]).await;
        (job["waiting"]["why"] == "newer_worker").then_some(job)
    })
    .await
    .unwrap();
    app.counted("select count(*) from jobs", 1).await;

    assert_eq!(
        (&waiting["state"], &waiting["attempts"]),
        (&json!("queued"), &json!(0)),
        "{waiting}"
    );
    assert_eq!(app.job(jobs[1]).await["state"], "done");
    app.cli(&["jobs", "cancel", &jobs[0].to_string()])
        .await
        .unwrap();
    app.finish().await;
}
