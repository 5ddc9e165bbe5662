//! What no record can hold is refused as an input, and is no trouble of ours.

use reqwest::Method;
use serde_json::{Value, json};

use crate::admin_support::Connected;
use crate::asking::{CONNECT, SYNC, assert_refused, nobody, start_without_workers};
use crate::support::TestApp;

/// Times that text can say and that ids or the database cannot hold.
const TIMES: [&str; 10] = [
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "1969-12-31T23:59:59Z",
    "-4713-01-01T00:00:00Z",
    "-262143-01-01T00:00:00Z",
    "%2B262142-12-31T23:59:59Z",
    "%2B10000-01-01T00:00:00Z",
    "-0001-01-01T00:00:00Z",
    "0622-07-16T00:00:00Z",
    "1582-10-04T00:00:00Z",
];

impl TestApp {
    async fn refuses(&self, method: Method, path: &str, token: &str, body: Option<Value>) {
        let mut request = self.ask(method, path).bearer_auth(token);
        if let Some(body) = &body {
            request = request.json(body);
        }
        let answer = self.send(request).await.unwrap();
        assert_eq!(answer.status, 422, "{path} {body:?}: {answer:?}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn a_null_character_is_refused_wherever_it_stands() {
    let app = start_without_workers().await;
    let Connected { firm, id } = app.connected().await;
    let (admin, operator) = (
        app.tokens.firm_admin(firm).unwrap(),
        app.tokens.operator().unwrap(),
    );
    for path in [
        "/api/v1/jobs?code=%00",
        "/api/v1/jobs?cursor=%00",
        "/api/v1/jobs?a%00=b",
        "/api/v1/jobs/failures?code=a%00b",
        "/api/v1/pauses?cursor=%00%7C",
        "/api/v1/pauses?cursor=a%7C%00",
        "/api/v1/limits?cursor=%00",
    ] {
        for token in [&admin, &operator] {
            app.refuses(Method::GET, path, token, None).await;
        }
    }
    let job = app.failed_probes(Connected { firm, id }, 1, 1).await[0];
    for (path, body) in [
        (
            "/api/v1/jobs/retry".to_owned(),
            json!({ "filter": { "code": "\0" } }),
        ),
        (
            "/api/v1/pauses".to_owned(),
            json!({ "scope": format!("connection:{id}"), "reason": "a\0" }),
        ),
        (
            "/api/v1/pauses".to_owned(),
            json!({ "scope": "\0", "reason": "a" }),
        ),
        (
            SYNC.to_owned(),
            json!({ "matter_id": nobody(1), "action": "\0" }),
        ),
        (CONNECT.to_owned(), json!({ "region": "\0" })),
        (
            format!("/api/v1/jobs/{job}/adopt"),
            json!({ "external_id": "\0" }),
        ),
    ] {
        app.refuses(Method::POST, &path, &admin, Some(body)).await;
    }
    // Two backslashes and six characters are no null character.
    let said = json!({ "scope": format!("connection:{id}"), "reason": "\\u0000" });
    let answer = app.post("/api/v1/pauses", &admin, &said).await.unwrap();
    assert!(answer.status < 300, "{answer:?}");
}

#[tokio::test]
async fn a_time_that_nothing_can_hold_is_refused() {
    let app = start_without_workers().await;
    let Connected { firm, id } = app.connected().await;
    let (admin, operator) = (
        app.tokens.firm_admin(firm).unwrap(),
        app.tokens.operator().unwrap(),
    );
    for time in TIMES {
        for name in ["created_after", "created_before"] {
            let path = format!("/api/v1/jobs?{name}={time}");
            for token in [&admin, &operator] {
                app.refuses(Method::GET, &path, token, None).await;
            }
            let time = time.replace("%2B", "+");
            let filter = json!({ "filter": { name: time }, "dry_run": true });
            app.refuses(Method::POST, "/api/v1/jobs/retry", &admin, Some(filter))
                .await;
        }
        let until = json!({ "scope": format!("connection:{id}"), "reason": "a", "until": time.replace("%2B", "+") });
        app.refuses(Method::POST, "/api/v1/pauses", &admin, Some(until))
            .await;
    }
    for good in [
        "1970-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2026-11-30T10:00:00%2B02:00",
    ] {
        let path = format!("/api/v1/jobs?created_after={good}");
        assert_eq!(app.get(&path, &admin).await.unwrap().status, 200, "{good}");
    }
}

#[tokio::test]
async fn a_retry_for_a_firm_that_is_not_there_is_not_found() {
    let app = start_without_workers().await;
    let operator = app.tokens.operator().unwrap();
    for dry_run in [true, false] {
        let path = format!("/api/v1/jobs/retry?firm_id={}", nobody(9));
        let answer = app
            .post(&path, &operator, &json!({ "dry_run": dry_run }))
            .await;
        assert_refused(&answer.unwrap(), 404, "not_found");
    }
}
