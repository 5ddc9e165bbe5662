//! Events that are faster than the commit of their records.

use harness::app::{Matter, Upload};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{SOON, TestApp, start};

fn approval(matter: Matter, upload: Uuid, id: &str) -> Value {
    let data = json!({ "matter_id": matter.id, "upload_id": upload });
    json!({ "firm_id": matter.firm, "id": id, "type": "document.approved", "data": data })
}

/// The upload's row goes into a transaction that has not committed.
async fn uncommitted<'a>(app: &TestApp, upload: Upload) -> sqlx::Transaction<'a, sqlx::Postgres> {
    let mut open = app.admin.begin().await.unwrap();
    // Taken out for everybody, and put back for this transaction alone.
    let row: Value = sqlx::query_scalar("select to_jsonb(u) from uploads u where id = $1")
        .bind(upload.id)
        .fetch_one(&app.admin)
        .await
        .unwrap();
    sqlx::query("delete from uploads where id = $1")
        .bind(upload.id)
        .execute(&app.admin)
        .await
        .unwrap();
    sqlx::query("insert into uploads select * from jsonb_populate_record(null::uploads, $1)")
        .bind(row)
        .execute(&mut *open)
        .await
        .unwrap();
    open
}

async fn event(app: &TestApp, matter: Matter, id: &str) -> Value {
    let token = app.tokens.service().unwrap();
    let path = format!("/api/v1/events/{id}?firm_id={}", matter.firm);
    app.get(&path, &token).await.unwrap().body
}

#[tokio::test]
async fn an_approval_that_is_faster_than_its_commit_arrives_and_holds_nobody_up() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let early = app.upload(matter, "a.pdf", None, b"early").await.unwrap();
    let later = app.upload(matter, "b.pdf", None, b"later").await.unwrap();
    let open = uncommitted(&app, early).await;

    let events = json!([
        approval(matter, early.id, "early"),
        approval(matter, later.id, "later")
    ]);
    app.post_events(&events).await.unwrap();
    app.counted("select count(*) from integration_sync_logs where action = 'sync_document' and status = 'success'", 1)
        .await;
    let waiting = event(&app, matter, "early").await;
    assert_eq!(waiting["status"], "waiting", "{waiting}");
    assert_eq!(waiting["reason"], "unknown_upload");
    assert!(waiting["look_at"].is_string(), "{waiting}");
    open.commit().await.unwrap();
    app.settled(SOON).await.unwrap();

    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 2));
    let done = event(&app, matter, "early").await;
    assert_eq!(
        (&done["status"], &done["reason"], &done["look_at"]),
        (&json!("done"), &Value::Null, &Value::Null)
    );
    app.finish().await;
}

#[tokio::test]
async fn an_approval_may_come_after_its_event() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let pending = app
        .upload(matter, "pending.pdf", None, b"pending")
        .await
        .unwrap();
    for status in ["pending", "rejected"] {
        sqlx::query("update uploads set status = $1 where id = $2")
            .bind(status)
            .bind(pending.id)
            .execute(&app.admin)
            .await
            .unwrap();
        let id = format!("approved after {status}");
        app.post_events(&approval(matter, pending.id, &id))
            .await
            .unwrap();
        app.counted(
            "select count(*) from events where reason = 'not_approved'",
            1,
        )
        .await;
        sqlx::query("update uploads set status = 'approved' where id = $1")
            .bind(pending.id)
            .execute(&app.admin)
            .await
            .unwrap();
        app.settled(SOON).await.unwrap();
        assert_eq!(event(&app, matter, &id).await["status"], "done", "{status}");
    }
    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    app.finish().await;
}

#[tokio::test]
async fn an_event_of_a_firm_and_a_matter_that_come_later_is_not_lost() {
    let app = start().await;
    let known = app.connected_matter().await.unwrap();
    let (firm, matter) = (shared::clock::new_id(), shared::clock::new_id());
    let created = json!({ "firm_id": firm, "id": "created", "type": "matter.created", "data": { "matter_id": matter } });
    app.post_events(&created).await.unwrap();
    app.counted(
        "select count(*) from events where reason = 'unknown_firm'",
        1,
    )
    .await;
    sqlx::query("insert into firms (id, name) values ($1, 'later')")
        .bind(firm)
        .execute(&app.admin)
        .await
        .unwrap();
    app.counted(
        "select count(*) from events where reason = 'unknown_matter'",
        1,
    )
    .await;
    sqlx::query(
        "with c as (insert into clients (id, firm_id) values ($1, $2))
         insert into matters (id, firm_id, client_id, title) values ($3, $2, $1, 'matter')",
    )
    .bind(shared::clock::new_id())
    .bind(firm)
    .bind(matter)
    .execute(&app.admin)
    .await
    .unwrap();
    app.settled(SOON).await.unwrap();

    let of_firm = Matter {
        id: matter,
        firm,
        client: known.client,
    };
    assert_eq!(event(&app, of_firm, "created").await["status"], "done");
    app.finish().await;
}

#[tokio::test]
async fn a_rejected_event_may_be_sent_again_under_its_id_and_no_other() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    let nothing = Uuid::from_u128(7);
    app.post_events(&approval(matter, nothing, "mine"))
        .await
        .unwrap();
    app.end_patience().await;
    assert_eq!(event(&app, matter, "mine").await["status"], "rejected");

    // Twice in one batch: the first wins.
    let again = json!([
        approval(matter, upload.id, "mine"),
        approval(matter, nothing, "mine")
    ]);
    let answer = app.post_events(&again).await.unwrap();
    assert_eq!(answer.body, json!({ "accepted": 1, "duplicates": 1 }));
    app.settled(SOON).await.unwrap();
    assert_eq!(event(&app, matter, "mine").await["status"], "done");
    let answer = app.post_events(&again).await.unwrap();
    assert_eq!(
        answer.body,
        json!({ "accepted": 0, "duplicates": 2 }),
        "one that is done stays"
    );

    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    app.finish().await;
}

#[tokio::test]
async fn early_events_by_the_thousand_hold_up_none_that_is_complete() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    for part in 0..3_u128 {
        let early: Vec<Value> = (0..1_000)
            .map(|n| approval(matter, Uuid::from_u128(1 + n), &format!("early {part} {n}")))
            .collect();
        app.post_events(&Value::from(early)).await.unwrap();
    }
    app.approve(&[upload]).await.unwrap();
    app.counted("select count(*) from integration_sync_logs where action = 'sync_document' and status = 'success'", 1)
        .await;

    assert!(
        app.count("select count(*) from events where status = 'waiting'")
            .await
            .unwrap()
            >= 3_000
    );
    app.end_patience().await;
    app.finish().await;
}

/// What was answered first is relayed first: an event whose position is older than its commit, behind a relay that has gone on.
#[tokio::test]
async fn an_event_that_commits_late_goes_before_the_one_that_follows_it() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let first = app.upload(matter, "a.pdf", None, b"first").await.unwrap();
    let second = app.upload(matter, "b.pdf", None, b"second").await.unwrap();
    let mut late = app.admin.begin().await.unwrap();
    sqlx::query(
        "insert into events (firm_id, id, type, data) values ($1, 'late', 'document.approved', $2)",
    )
    .bind(matter.firm)
    .bind(json!({ "matter_id": matter.id, "upload_id": first.id }))
    .execute(&mut *late)
    .await
    .unwrap();
    // The relay goes on behind it, for longer than it leaves to a commit by time alone.
    let mut number = 0;
    let began = shared::clock::Moment::now();
    while began.elapsed() < std::time::Duration::from_secs(2) {
        number += 1;
        let other = json!({ "firm_id": matter.firm, "id": number.to_string(), "type": "client.renamed", "data": {} });
        app.post_events(&other).await.unwrap();
    }
    late.commit().await.unwrap();
    app.post_events(&approval(matter, second.id, "second"))
        .await
        .unwrap();
    app.settled(SOON).await.unwrap();

    let order: Vec<Uuid> = sqlx::query_scalar(
        "select upload_id from integration_sync_logs where action = 'sync_document' order by created_at, id",
    )
    .fetch_all(&app.admin)
    .await
    .unwrap();
    assert_eq!(order, [first.id, second.id]);
    app.finish().await;
}

#[tokio::test]
async fn events_of_a_mebibyte_that_lie_in_the_inbox_take_no_memory() {
    const MIB: u64 = 1024 * 1024;
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    let idle = app.workers[0].rss().unwrap();
    // Nothing but names and nulls: a tree of values would take a hundred times as much.
    for (id, event_type) in [("known", "matter.created"), ("unknown", "client.renamed")] {
        sqlx::query(
            "insert into events (firm_id, id, type, data)
             select $1, $2 || n, $3, huge.data from generate_series(1, 200) n
             cross join (select ('{\"x\":[' || repeat('{\"\":0},', 149000) || '0]}')::jsonb as data) huge",
        )
        .bind(matter.firm)
        .bind(id)
        .bind(event_type)
        .execute(&app.admin)
        .await
        .unwrap();
    }
    app.approve(&[upload]).await.unwrap();
    app.settled(SOON).await.unwrap();

    let peak = app.workers[0].peak_rss().unwrap();
    assert!(
        peak < idle + 128 * MIB,
        "{} MiB more than idle",
        (peak - idle) / MIB
    );
    assert_eq!(
        app.count("select count(*) from events where status = 'rejected'")
            .await
            .unwrap(),
        200
    );
    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    app.finish().await;
}
