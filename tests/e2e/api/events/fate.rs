//! What became of an event: by which ids it is read back, how it ends, and who is told.

use harness::app::Answer;
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::{event, event_of};
use crate::asking::{EVENTS, assert_refused, members, nobody, start_without_workers};
use crate::support::{SOON, TestApp, start};

impl TestApp {
    /// What became of an event, as the service asks.
    async fn fate(&self, firm: Uuid, id: &str) -> Answer {
        let mut url = Url::parse(&format!("{}{EVENTS}", self.ingress_url())).unwrap();
        url.path_segments_mut().unwrap().push(id);
        url.query_pairs_mut()
            .append_pair("firm_id", &firm.to_string());
        let request = self
            .http
            .get(url)
            .bearer_auth(self.tokens.service().unwrap());
        self.send(request).await.unwrap()
    }
}

#[tokio::test]
async fn an_id_of_128_characters_of_any_script_is_taken_and_read_back() {
    let app = start_without_workers().await;
    let ids = [
        "字".repeat(128),
        "a/b?c#d%e f".to_owned(),
        ".".repeat(3),
        "'; --\"\\".to_owned(),
    ];

    for id in ids {
        let taken = app.post_events(&event(nobody(1), &id)).await.unwrap();
        let read = app.fate(nobody(1), &id).await;

        assert_eq!(taken.status, 202, "{taken:?}");
        assert_eq!(read.status, 200, "{id}: {read:?}");
        let expected =
            json!({ "id": id, "status": "waiting", "reason": null, "look_at": null, "runs": [] });
        assert_eq!(read.body, expected);
    }
}

#[tokio::test]
async fn an_id_that_no_event_can_have_is_not_found() {
    let app = start_without_workers().await;
    let token = app.tokens.service().unwrap();
    let firm = nobody(1);

    for id in ["no-such-event", "%00", "a%00b", &"i".repeat(500)] {
        let answer = app
            .get(&format!("{EVENTS}/{id}?firm_id={firm}"), &token)
            .await
            .unwrap();
        assert_refused(&answer, 404, "not_found");
    }
}

#[tokio::test]
async fn an_event_of_a_type_that_is_none_of_ours_is_stored_and_without_effect() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    app.clear_clio_calls().await.unwrap();
    let request = json!({
        "platform": "clio", "action": "sync_matter", "matter_id": matter.id, "actor": "me",
        "run_id": nobody(2), "log_id": nobody(3), "requested_by_person": true,
    });
    let events = [
        event(matter.firm, "unknown"),
        event_of(matter.firm, "posted-request", "sync.requested", request),
        event_of(
            matter.firm,
            "auto-sync-is-off",
            "matter.created",
            json!({ "matter_id": matter.id }),
        ),
    ];

    let answer = app.post_events(&json!(events)).await.unwrap();
    app.settled(SOON).await.unwrap();

    assert_eq!(answer.body, json!({ "accepted": 3, "duplicates": 0 }));
    for event in events {
        let id = event["id"].as_str().unwrap();
        let expected =
            json!({ "id": id, "status": "done", "reason": null, "look_at": null, "runs": [] });
        assert_eq!(app.fate(matter.firm, id).await.body, expected);
    }
    assert!(app.log_lines(matter.firm).await.unwrap().is_empty());
    assert!(app.clio_calls().await.unwrap().is_empty());
    app.finish().await;
}

#[tokio::test]
async fn an_event_about_a_record_that_is_not_the_firms_ends_as_rejected() {
    let app = start().await;
    let own = app.connected_matter().await.unwrap();
    let other = app.unconnected_matter().await;
    let second = app.matter_of(own.firm).await;
    let theirs = app
        .upload(other, "theirs.pdf", None, b"theirs")
        .await
        .unwrap();
    let of_second = app
        .upload(second, "second.pdf", None, b"second")
        .await
        .unwrap();
    let approved = |id: &str, firm: Uuid, matter: Uuid, upload: Uuid| {
        let data = json!({ "matter_id": matter, "upload_id": upload });
        event_of(firm, id, "document.approved", data)
    };
    let created = |id: &str, firm: Uuid, matter: Uuid| {
        event_of(firm, id, "matter.created", json!({ "matter_id": matter }))
    };
    let pairs = [
        [
            event(nobody(1), "no-firm"),
            created("no-firm-either", nobody(1), own.id),
        ],
        [
            created("no-matter", own.firm, nobody(2)),
            created("their-matter", own.firm, other.id),
        ],
        [
            approved("no-upload", own.firm, own.id, nobody(3)),
            approved("their-upload", own.firm, own.id, theirs.id),
        ],
        [
            approved("other-matters-upload", own.firm, own.id, of_second.id),
            approved("no-upload-again", own.firm, own.id, nobody(4)),
        ],
    ];

    app.post_events(&json!(pairs.concat())).await.unwrap();
    app.end_patience().await;

    for pair in &pairs {
        let mut reasons = Vec::new();
        for event in pair {
            let firm = event["firm_id"].as_str().unwrap().parse().unwrap();
            let fate = app.fate(firm, event["id"].as_str().unwrap()).await;
            assert_eq!(fate.body["status"], "rejected", "{event}: {fate:?}");
            assert_eq!(fate.body["runs"], json!([]));
            reasons.push(fate.body["reason"].as_str().unwrap().to_owned());
        }
        assert_eq!(
            reasons[0], reasons[1],
            "another firm's record looks as one that is not there"
        );
    }
    assert!(app.log_lines(own.firm).await.unwrap().is_empty());
    let rejected = app.worker_metric("casehug_events_rejected_total").await;
    assert!(rejected >= 8.0, "{rejected} rejected events are counted");
    app.finish().await;
}

#[tokio::test]
async fn what_became_of_an_event_is_told_to_its_own_firm_alone() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let stranger = app.firm().await.unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    let data = json!({ "matter_id": matter.id, "upload_id": upload.id });
    app.post_events(&event_of(matter.firm, "mine", "document.approved", data))
        .await
        .unwrap();
    app.settled(SOON).await.unwrap();
    let path = format!("{EVENTS}/mine");
    let named = format!("{path}?firm_id={}", matter.firm);
    let tokens = &app.tokens;

    for (path, token) in [
        (&named, tokens.service()),
        (&named, tokens.operator()),
        (&named, tokens.firm_admin(matter.firm)),
        (&path, tokens.firm_admin(matter.firm)),
    ] {
        let answer = app.get(path, &token.unwrap()).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(
            members(&answer.body),
            ["id", "status", "reason", "look_at", "runs"].into()
        );
        assert_eq!(answer.body["status"], "done");
        assert_eq!(answer.body["runs"].as_array().unwrap().len(), 1);
    }
    for (path, token) in [
        (&path, tokens.firm_admin(stranger)),
        (&named, tokens.firm_admin(stranger)),
    ] {
        let answer = app.get(path, &token.unwrap()).await.unwrap();
        assert_refused(&answer, 404, "not_found");
    }
    for token in [tokens.service(), tokens.operator()] {
        let answer = app.get(&path, &token.unwrap()).await.unwrap();
        assert_eq!(assert_refused(&answer, 422, "invalid_request"), ["firm_id"]);
    }
    app.finish().await;
}
