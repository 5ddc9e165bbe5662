//! `GET …/sync`: the log that people read.

use std::collections::HashSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use harness::app::Matter;
use harness::eventually;
use serde_json::{Value, json};

use crate::asking::{SYNC, assert_refused, members, nobody, start_without_workers};
use crate::support::{SOON, TestApp, start};

impl TestApp {
    async fn page(&self, matter: Matter, query: &str) -> Value {
        let token = self.tokens.firm_member(matter.firm).unwrap();
        let answer = self.get(&format!("{SYNC}?{query}"), &token).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(members(&answer.body), ["logs", "next_cursor"].into());
        answer.body
    }

    async fn logs(&self, matter: Matter, query: &str) -> Vec<Value> {
        self.page(matter, query).await["logs"]
            .as_array()
            .unwrap()
            .clone()
    }

    /// Writes `count` finished rows of one matter.
    async fn write_logs(&self, matter: Matter, count: usize) {
        for _ in 0..count {
            let answer = self.sync(matter).await.unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
}

fn ids(logs: &[Value]) -> Vec<String> {
    logs.iter()
        .map(|log| log["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn the_log_outlives_its_connection() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    app.write_logs(matter, 2).await;
    let before = ids(&app.logs(matter, "").await);
    let end = "update firm_integrations set is_active = false, disconnected_at = now()";
    sqlx::query(end).execute(&app.admin).await.unwrap();

    assert_eq!(ids(&app.logs(matter, "").await), before);
    let login = json!({ "login": { "account_id": 77, "account_name": "Another" } });
    app.change(&login).await.unwrap();
    app.connect(matter.firm).await.unwrap();
    app.write_logs(matter, 1).await;

    let after = ids(&app.logs(matter, "").await);
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after[1..], before);
    let token = app.tokens.firm_member(matter.firm).unwrap();
    let mycase = "/api/v1/integrations/mycase/sync";
    let other = app.get(mycase, &token).await.unwrap();
    assert_eq!(other.body["logs"], json!([]), "{other:?}");
    app.finish().await;
}

#[tokio::test]
async fn the_log_is_read_page_by_page_newest_first() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    app.write_logs(matter, 5).await;

    let all = app.logs(matter, "").await;
    let mut read = Vec::new();
    let mut cursor = None;
    for _ in 0..10 {
        let query = cursor.map_or_else(
            || "limit=2".to_owned(),
            |cursor| format!("limit=2&cursor={cursor}"),
        );
        let page = app.page(matter, &query).await;
        read.extend(page["logs"].as_array().unwrap().clone());
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }

    let times: Vec<&str> = all
        .iter()
        .map(|log| log["created_at"].as_str().unwrap())
        .collect();
    assert!(
        times.is_sorted_by(|newer, older| newer >= older),
        "{times:?}"
    );
    assert_eq!(cursor, None);
    assert_eq!((all.len(), ids(&all)), (5, ids(&read)));
    app.finish().await;
}

#[tokio::test]
async fn a_page_has_fifty_rows_when_nothing_is_said() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let token = app.tokens.firm_admin(matter.firm).unwrap();
    for _ in 0..53 {
        let wished = app
            .post(SYNC, &token, &json!({ "matter_id": matter.id }))
            .await
            .unwrap();
        assert_eq!(wished.status, 202, "{wished:?}");
    }
    app.settled(SOON).await.unwrap();

    let page = app.page(matter, "").await;
    let rest = app
        .logs(
            matter,
            &format!("cursor={}", page["next_cursor"].as_str().unwrap()),
        )
        .await;
    let most = app.logs(matter, "limit=200").await;

    assert_eq!(
        (
            page["logs"].as_array().unwrap().len(),
            rest.len(),
            most.len()
        ),
        (50, 3, 53)
    );
    app.finish().await;
}

#[tokio::test]
async fn the_log_is_filtered_by_matter_and_by_run() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let second = app.matter_of(matter.firm).await;
    let other = app.unconnected_matter().await;
    app.write_logs(matter, 2).await;
    app.write_logs(second, 1).await;

    let of_second = app.logs(matter, &format!("matter_id={}", second.id)).await;
    let run = of_second[0]["run_id"].as_str().unwrap().to_owned();

    assert_eq!(
        app.logs(matter, &format!("matter_id={}", matter.id))
            .await
            .len(),
        2
    );
    assert_eq!(of_second.len(), 1);
    assert_eq!(
        ids(&app.logs(matter, &format!("run_id={run}")).await),
        ids(&of_second)
    );
    assert!(
        app.logs(matter, &format!("run_id={run}&matter_id={}", matter.id))
            .await
            .is_empty()
    );
    assert!(
        app.logs(matter, &format!("matter_id={}", nobody(1)))
            .await
            .is_empty()
    );
    assert!(
        app.logs(other, &format!("matter_id={}", second.id))
            .await
            .is_empty()
    );
    assert!(app.logs(other, &format!("run_id={run}")).await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn a_query_that_cannot_be_is_refused_by_its_name() {
    let app = start_without_workers().await;
    let matter = app.connected_matter().await.unwrap();
    let token = app.tokens.firm_admin(matter.firm).unwrap();
    let forged = |text: String| format!("cursor={}", URL_SAFE_NO_PAD.encode(text));
    let queries = [
        ("limit=0".to_owned(), "limit"),
        ("limit=201".to_owned(), "limit"),
        ("limit=-1".to_owned(), "limit"),
        ("limit=many".to_owned(), "limit"),
        ("matter_id=m".to_owned(), "matter_id"),
        ("run_id=r".to_owned(), "run_id"),
        ("cursor=nonsense".to_owned(), "cursor"),
        (
            forged(format!("-250000000000000000 {}", nobody(1))),
            "cursor",
        ),
    ];

    let mut wrong = Vec::new();
    for (query, path) in queries {
        let answer = app.get(&format!("{SYNC}?{query}"), &token).await.unwrap();
        let named = answer.body["error"]["fields"][0]["path"].as_str();
        if (answer.status, named) != (422, Some(path)) {
            wrong.push(format!("{query}: {} {named:?}", answer.status));
        } else {
            assert_refused(&answer, 422, "invalid_request");
        }
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
    for limit in ["limit=1", "limit=200"] {
        assert!(app.logs(matter, limit).await.is_empty());
    }
}

#[tokio::test]
async fn a_firm_without_a_connection_has_an_empty_log() {
    let app = start_without_workers().await;
    let matter = app.unconnected_matter().await;

    assert_eq!(
        app.page(matter, "").await,
        json!({ "logs": [], "next_cursor": null })
    );
}

#[tokio::test]
async fn a_row_has_the_published_columns_and_ours() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    app.settled(SOON).await.unwrap();

    let logs = app.logs(matter, "").await;

    let promised: HashSet<&str> = [
        "id",
        "firm_id",
        "integration_id",
        "matter_id",
        "upload_id",
        "action",
        "status",
        "external_id",
        "error_message",
        "details",
        "created_at",
        "finished_at",
        "attempts",
        "code",
        "waiting",
    ]
    .into();
    for log in &logs {
        assert!(members(log).is_superset(&promised), "{log}");
        assert_eq!(log["firm_id"], json!(matter.firm));
        assert_eq!(log["matter_id"], json!(matter.id));
        assert_eq!(log["waiting"], Value::Null);
        assert!(
            log["external_id"].is_string() && log["finished_at"].is_string(),
            "{log}"
        );
    }
    let document = logs
        .iter()
        .find(|log| log["action"] == "sync_document")
        .unwrap();
    assert_eq!(document["upload_id"], json!(upload.id));
    app.finish().await;
}

#[tokio::test]
async fn a_pending_row_says_why_it_waits_and_until_when() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.fault("GET", "/api/v4/contacts", 100, &json!({ "status": 500 }))
        .await
        .unwrap();

    app.approve(&[upload]).await.unwrap();
    let logs = eventually(SOON, || async {
        let logs = app.logs(matter, "").await;
        logs.iter()
            .any(|log| log["waiting"]["until"].is_string())
            .then_some(logs)
    })
    .await
    .unwrap();

    let of = |action: &str| logs.iter().find(|log| log["action"] == action).unwrap();
    let (head, behind) = (of("sync_matter"), of("sync_document"));
    assert_eq!(
        (&head["status"], &behind["status"]),
        (&json!("pending"), &json!("pending"))
    );
    for waiting in [&head["waiting"], &behind["waiting"]] {
        assert_eq!(members(waiting), ["why", "until"].into(), "{waiting}");
    }
    assert_eq!(head["waiting"]["why"], json!("retry"));
    let why = behind["waiting"]["why"].as_str().unwrap();
    assert!(
        why.contains(head["id"].as_str().unwrap()),
        "it waits behind the matter's job: {why}"
    );
}
