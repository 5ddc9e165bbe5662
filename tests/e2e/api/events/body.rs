//! The body as it comes: its length, its type, and whether it is JSON at all.

use harness::app::Answer;
use reqwest::Method;

use super::event;
use crate::asking::{EVENTS, assert_error_body, assert_refused, nobody, start_without_workers};
use crate::support::TestApp;

const MEBIBYTE: usize = 1024 * 1024;

impl TestApp {
    async fn post_text(&self, content_type: Option<&str>, body: Vec<u8>) -> Answer {
        let token = self.tokens.service().unwrap();
        let mut request = self.ask(Method::POST, EVENTS).bearer_auth(token).body(body);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        self.send(request).await.unwrap()
    }
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
        b"[{},",
        b"{}{}",
        b"[{}] []",
        b"\xff\xfe",
        b"nope",
        b"",
    ];

    for body in bodies {
        let answer = app.post_text(Some("application/json"), body.to_vec()).await;
        assert_refused(&answer, 400, "invalid_json");
    }

    // JSON, and no event.
    let others: [&[u8]; 10] = [
        b"7",
        b"null",
        b"\"text\"",
        b"[]",
        b"[[]]",
        b"[1e999]",
        b"[\"id\",\"type\",null,null,{}]",
        b"{\"id\":\"\\ud800\"}",
        b"{\"id\":\"a\",\"id\":\"b\"}",
        deep.as_bytes(),
    ];
    for body in others {
        let answer = app.post_text(Some("application/json"), body.to_vec()).await;
        assert_refused(&answer, 422, "invalid_request");
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
