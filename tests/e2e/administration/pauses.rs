//! Pauses: by whom, why, and until when.

use serde_json::json;

use crate::support::{SOON, start};

#[tokio::test]
async fn a_pause_ends_by_itself_and_nothing_runs_before() {
    let app = start().await;
    let connected = app.connected().await;
    let scope = format!("connection:{}", connected.id);
    let pause = [
        "pauses",
        "add",
        &scope,
        "--reason",
        "migration",
        "--for",
        "3s",
    ];
    app.cli(&pause).await.unwrap();

    let jobs = app.probes(connected, 1, 1).await;
    let waiting = app.job(jobs[0]).await;
    app.settled(SOON).await.unwrap();

    assert_eq!(waiting["waiting"]["why"], "operator", "{waiting}");
    assert!(waiting["waiting"]["until"].is_string(), "{waiting}");
    assert_eq!(app.job(jobs[0]).await["state"], "done");
    let early = "select count(*) from attempts t, activity a where a.kind = 'add_pause'
        and t.started_at < (a.details->>'until')::timestamptz";
    assert_eq!(app.count(early).await.unwrap(), 0);
    app.finish().await;
}

#[tokio::test]
async fn each_pause_holds_what_it_names_until_it_is_lifted_and_says_who_set_it() {
    let app = start().await;
    let connected = app.connected().await;
    let connection = format!("connection:{}", connected.id);

    for scope in ["all", "platform:clio", &connection] {
        app.cli(&["pauses", "add", scope, "--reason", "test"])
            .await
            .unwrap();
        let jobs = app.probes(connected, 1, 1).await;
        let held = app.job(jobs[0]).await;
        let pauses = app.cli(&["pauses", "list"]).await.unwrap();
        app.cli(&["pauses", "remove", scope]).await.unwrap();
        app.settled(SOON).await.unwrap();

        assert_eq!(
            held["waiting"],
            json!({ "why": "operator", "until": null }),
            "{held}"
        );
        let pause = &pauses["pauses"][0];
        assert_eq!(
            (&pause["scope"], &pause["author"], &pause["reason"]),
            (&json!(scope), &json!("olga"), &json!("test"))
        );
    }

    let acts = "select count(*) from activity where author = 'olga' and kind in ('add_pause', 'remove_pause')";
    assert_eq!(app.count(acts).await.unwrap(), 6);
    app.finish().await;
}
