//! `POST /api/v1/events` and `GET /api/v1/events/{id}`.

use harness::app::Answer;
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::asking::{
    EVENTS, assert_error_body, assert_refused, members, nobody, start_without_workers,
};
use crate::support::{SOON, TestApp, start};

const MEBIBYTE: usize = 1024 * 1024;

/// An event that no connection cares for.
fn event(firm: Uuid, id: &str) -> Value {
    json!({ "id": id, "type": "client.renamed", "created_at": "2026-11-20T10:00:00Z", "firm_id": firm, "data": {} })
}

/// The same with one member changed; null takes it away.
fn event_with(name: &str, value: Value) -> Value {
    let mut event = event(nobody(1), "changed");
    match value {
        Value::Null => event.as_object_mut().unwrap().remove(name),
        value => event
            .as_object_mut()
            .unwrap()
            .insert(name.to_owned(), value),
    };
    event
}

fn event_of(firm: Uuid, id: &str, event_type: &str, data: Value) -> Value {
    json!({ "id": id, "type": event_type, "firm_id": firm, "data": data })
}

fn batch(firm: Uuid, count: usize) -> Vec<Value> {
    (0..count)
        .map(|number| event(firm, &format!("event-{number}")))
        .collect()
}

impl TestApp {
    async fn stored_events(&self) -> i64 {
        self.count("select count(*) from events").await.unwrap()
    }

    async fn post_text(&self, content_type: Option<&str>, body: Vec<u8>) -> Answer {
        let token = self.tokens.service().unwrap();
        let mut request = self.ask(Method::POST, EVENTS).bearer_auth(token).body(body);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        self.send(request).await.unwrap()
    }

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
async fn every_wrong_field_of_an_event_is_named_by_its_path() {
    let app = start_without_workers().await;
    let document = |data: Value| event_of(nobody(1), "a", "document.approved", data);
    let matter = json!(nobody(2));
    let cases = [
        (json!(7), vec![""]),
        (json!("event"), vec![""]),
        (json!([7]), vec!["[0]"]),
        (json!({}), vec!["id", "type", "firm_id"]),
        (event_with("id", Value::Null), vec!["id"]),
        (event_with("id", json!("")), vec!["id"]),
        (event_with("id", json!("i".repeat(129))), vec!["id"]),
        (event_with("id", json!(7)), vec!["id"]),
        (event_with("type", Value::Null), vec!["type"]),
        (event_with("type", json!(7)), vec!["type"]),
        (event_with("firm_id", Value::Null), vec!["firm_id"]),
        (event_with("firm_id", json!("lee")), vec!["firm_id"]),
        (
            event_with("created_at", json!("yesterday")),
            vec!["created_at"],
        ),
        (event_with("data", json!([])), vec!["data"]),
        (
            document(json!({})),
            vec!["data.matter_id", "data.upload_id"],
        ),
        (
            document(json!({ "matter_id": matter })),
            vec!["data.upload_id"],
        ),
        (
            document(json!({ "matter_id": "m", "upload_id": matter })),
            vec!["data.matter_id"],
        ),
        (
            event_of(nobody(1), "a", "matter.created", json!({})),
            vec!["data.matter_id"],
        ),
        (
            event_of(nobody(1), "a", "intake.completed", json!({})),
            vec!["data.matter_id"],
        ),
    ];

    for (body, expected) in cases {
        let answer = app.post_events(&body).await.unwrap();
        assert_eq!(
            assert_refused(&answer, 422, "invalid_request"),
            expected,
            "{body}"
        );
    }

    assert_eq!(app.stored_events().await, 0);
}

#[tokio::test]
async fn a_nul_character_is_refused_wherever_it_stands() {
    let app = start_without_workers().await;
    let cases = [
        (event_with("id", json!("a\0b")), "id"),
        (event_with("type", json!("a\0b")), "type"),
        (
            event_with("data", json!({ "words": ["a", { "b": "c\0" }] })),
            "data",
        ),
        (event_with("data", json!({ "na\0me": 1 })), "data"),
    ];

    for (body, expected) in cases {
        let answer = app.post_events(&json!([body])).await.unwrap();
        let paths = assert_refused(&answer, 422, "invalid_request");
        assert!(
            paths[0].starts_with(&format!("[0].{expected}")),
            "{paths:?}"
        );
    }

    assert_eq!(app.stored_events().await, 0);
}

#[tokio::test]
async fn a_batch_with_one_wrong_event_is_refused_whole() {
    let app = start_without_workers().await;
    let mut events = batch(nobody(1), 40);
    events[17].as_object_mut().unwrap().remove("firm_id");

    let answer = app.post_events(&json!(events)).await.unwrap();

    assert_eq!(
        assert_refused(&answer, 422, "invalid_request"),
        ["[17].firm_id"]
    );
    assert_eq!(app.stored_events().await, 0);
}

#[tokio::test]
async fn one_to_a_thousand_events_are_taken_at_once() {
    let app = start_without_workers().await;

    let none = app.post_events(&json!([])).await.unwrap();
    let too_many = app
        .post_events(&json!(batch(nobody(1), 1_001)))
        .await
        .unwrap();
    let most = app
        .post_events(&json!(batch(nobody(1), 1_000)))
        .await
        .unwrap();
    let one = app.post_events(&event(nobody(1), "one")).await.unwrap();

    assert_refused(&none, 422, "invalid_request");
    assert_refused(&too_many, 422, "invalid_request");
    assert_eq!(
        (most.status, most.body),
        (202, json!({ "accepted": 1_000, "duplicates": 0 }))
    );
    assert_eq!(
        (one.status, one.body),
        (202, json!({ "accepted": 1, "duplicates": 0 }))
    );
    assert_eq!(app.stored_events().await, 1_001);
}

#[tokio::test]
async fn the_same_id_twice_counts_once_and_the_first_wins() {
    let app = start_without_workers().await;
    let first = event_of(nobody(1), "same", "client.renamed", json!({ "number": 1 }));
    let second = event_of(nobody(1), "same", "client.moved", json!({ "number": 2 }));

    let in_one = app.post_events(&json!([first, second])).await.unwrap();
    let again = app.post_events(&second).await.unwrap();

    assert_eq!(
        (in_one.status, in_one.body),
        (202, json!({ "accepted": 1, "duplicates": 1 }))
    );
    assert_eq!(
        (again.status, again.body),
        (202, json!({ "accepted": 0, "duplicates": 1 }))
    );
    let firsts =
        "select count(*) from events where type = 'client.renamed' and data->>'number' = '1'";
    assert_eq!(
        (app.stored_events().await, app.count(firsts).await.unwrap()),
        (1, 1)
    );
}

#[tokio::test]
async fn of_many_posts_of_one_id_at_once_exactly_one_is_accepted() {
    let app = std::sync::Arc::new(start_without_workers().await);
    let mut posts = tokio::task::JoinSet::new();

    for _ in 0..40 {
        let app = app.clone();
        posts.spawn(async move { app.post_events(&event(nobody(1), "same")).await.unwrap() });
    }
    let answers = posts.join_all().await;

    assert!(
        answers.iter().all(|answer| answer.status == 202),
        "{answers:?}"
    );
    let sum = |name: &str| {
        answers
            .iter()
            .map(|a| a.body[name].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!((sum("accepted"), sum("duplicates")), (1, 39));
}

#[tokio::test]
async fn the_same_id_in_another_firm_is_another_event() {
    let app = start_without_workers().await;
    let events = json!([event(nobody(1), "same"), event(nobody(2), "same")]);

    let answer = app.post_events(&events).await.unwrap();

    assert_eq!(
        (answer.status, answer.body),
        (202, json!({ "accepted": 2, "duplicates": 0 }))
    );
}

#[tokio::test]
async fn a_body_of_one_mebibyte_is_taken_and_one_byte_more_is_not() {
    let app = start_without_workers().await;
    let mut longest = serde_json::to_vec(&event(nobody(1), "long")).unwrap();
    longest.resize(MEBIBYTE, b' ');
    let mut too_long = serde_json::to_vec(&event(nobody(1), "too-long")).unwrap();
    too_long.resize(MEBIBYTE + 1, b' ');

    let refused = app.post_text(Some("application/json"), too_long).await;
    let taken = app.post_text(Some("application/json"), longest).await;

    assert_eq!(refused.status, 413, "{refused:?}");
    assert_error_body(&refused);
    assert_eq!(taken.status, 202, "{taken:?}");
    assert_eq!(app.stored_events().await, 1);
}

#[tokio::test]
async fn a_caller_whose_body_is_far_too_long_is_told_so_and_not_cut_off() {
    let app = start_without_workers().await;

    for mebibytes in [2, 4, 8] {
        let token = app.tokens.service().unwrap();
        let request = app.ask(Method::POST, EVENTS).bearer_auth(token);
        let request = request
            .header("content-type", "application/json")
            .body(vec![b' '; mebibytes * MEBIBYTE]);
        let answer = app.send(request).await;
        let answer = answer.unwrap_or_else(|error| panic!("{mebibytes} MiB: {error:?}"));
        assert_eq!(answer.status, 413, "{answer:?}");
        assert_error_body(&answer);
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused() {
    let app = start_without_workers().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies: [&[u8]; 7] = [
        b"{",
        b"{}{}",
        b"\xff\xfe",
        b"nope",
        b"{\"id\":\"\\ud800\"}",
        b"[1e999]",
        deep.as_bytes(),
    ];

    for body in bodies {
        let answer = app.post_text(Some("application/json"), body.to_vec()).await;
        assert_refused(&answer, 400, "invalid_json");
    }

    assert_eq!(app.stored_events().await, 0);
}

#[tokio::test]
async fn a_body_of_another_type_is_refused() {
    let app = start_without_workers().await;
    let body = |id: &str| serde_json::to_vec(&event(nobody(1), id)).unwrap();

    for wrong in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("json"),
    ] {
        let answer = app.post_text(wrong, body("a")).await;
        assert_eq!(answer.status, 415, "{wrong:?} was answered with {answer:?}");
        assert_error_body(&answer);
    }
    for right in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
    ] {
        let answer = app.post_text(Some(right), body(right)).await;
        assert_eq!(answer.status, 202, "{right} was answered with {answer:?}");
    }

    assert_eq!(app.stored_events().await, 3);
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
        let expected = json!({ "id": id, "status": "waiting", "reason": null, "runs": [] });
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
    let wish = json!({
        "platform": "clio", "action": "sync_matter", "matter_id": matter.id, "actor": "me",
        "run_id": nobody(2), "log_id": nobody(3), "wish": true,
    });
    let events = [
        event(matter.firm, "unknown"),
        event_of(matter.firm, "posted-wish", "sync.requested", wish),
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
        let expected = json!({ "id": id, "status": "done", "reason": null, "runs": [] });
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
    app.settled(SOON).await.unwrap();

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
            ["id", "status", "reason", "runs"].into()
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
