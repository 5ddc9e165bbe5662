//! The auditor of a running worker.

use harness::app::audit;
use harness::eventually;

use crate::support::{SOON, start};

#[tokio::test]
async fn a_running_worker_sees_a_breach_mends_it_counts_it_and_goes_on() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    // Nothing is leased while the breach is being made.
    let pause = "insert into pauses (scope, reason, until, author, created_at) values ('all', 'paused', 'infinity', 'test', now())";
    sqlx::query(pause).execute(&app.admin).await.unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    eventually(SOON, || async {
        let waiting = app.count("select count(*) from jobs").await.ok()?;
        (waiting == 2).then_some(())
    })
    .await
    .unwrap();
    for statement in [
        "update lanes set ready_at = null",
        "delete from pauses",
        "update audits set began_at = null, running_until = null",
        "select pg_notify('casehug_jobs', '*')",
    ] {
        sqlx::query(statement).execute(&app.admin).await.unwrap();
    }

    app.settled(SOON).await.unwrap();

    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    let report = audit(app.database.url(), &[]).await.unwrap();
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(report["recorded"][0]["rule"], "idle_with_job");
    assert_eq!(report["recorded"][1], serde_json::Value::Null);
    assert_eq!(report["recorded"][0]["repaired"], true);
    let metrics = app
        .http
        .get(format!("{}/metrics", app.worker_ops_urls()[0]));
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    assert!(
        metrics.contains(r#"casehug_auditor_breaches_total{rule="idle_with_job"} 1"#),
        "{metrics}"
    );
    assert!(metrics.contains(r#"casehug_auditor_breaches_total{rule="held_twice"} 0"#));
}
