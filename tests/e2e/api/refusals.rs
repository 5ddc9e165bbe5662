//! Every refusal has one shape, and every answer an id.

use std::collections::HashSet;
use std::time::Duration;

use harness::app::Answer;
use reqwest::Method;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::asking::{
    CONNECT, EVENTS, STATUS, SYNC, assert_error_body, assert_refused, nobody, start_without_workers,
};
use crate::support::{SOON, TestApp};

/// Far longer than any refusal takes.
const ANSWER: Duration = Duration::from_secs(30);

impl TestApp {
    /// Takes the database away from ingress, or gives it back.
    async fn let_in(&self, allowed: bool) {
        let name = self.database.name();
        let url = self
            .database
            .admin_url()
            .replacen(&format!("/{name}"), "/postgres", 1);
        let mut server = PgConnection::connect(&url).await.unwrap();
        let statement = format!(
            r#"alter database "{name}" with allow_connections {allowed};
               select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}' and pid <> pg_backend_pid()"#
        );
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut server)
            .await
            .unwrap();
    }
}

#[track_caller]
fn assert_refusal(answer: &Answer, status: u16, seen: &mut HashSet<String>) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_error_body(answer);
    let id = answer.body["error"]["request_id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(seen.insert(id), "a request id came twice: {answer:?}");
}

#[tokio::test]
async fn every_refusal_has_the_one_shape_and_its_own_request_id() {
    let app = start_without_workers().await;
    let matter = app.unconnected_matter().await;
    let admin = app.tokens.firm_admin(matter.firm).unwrap();
    let service = app.tokens.service().unwrap();
    let post = |path: &str, token: &str| app.ask(Method::POST, path).bearer_auth(token);
    let json_text = |path: &str, token: &str, body: String| {
        post(path, token)
            .header("content-type", "application/json")
            .body(body)
    };
    let requests = [
        (400, json_text(EVENTS, &service, "{".into())),
        (401, app.ask(Method::GET, STATUS)),
        (403, post(EVENTS, &admin).json(&json!([]))),
        (404, app.ask(Method::GET, "/api/v1/nothing")),
        (404, app.ask(Method::GET, "/")),
        (404, app.ask(Method::GET, "/metrics")),
        (
            404,
            app.ask(Method::GET, "/api/v1/integrations/hubspot/callback"),
        ),
        (
            404,
            post(SYNC, &admin).json(&json!({ "matter_id": nobody(1) })),
        ),
        (
            409,
            post(SYNC, &admin).json(&json!({ "matter_id": matter.id })),
        ),
        (
            413,
            json_text(EVENTS, &service, " ".repeat(1024 * 1024 + 1)),
        ),
        (415, post(EVENTS, &service).body("{}")),
        (422, post(EVENTS, &service).json(&json!([]))),
        (
            422,
            app.ask(Method::GET, &format!("{SYNC}?limit=0"))
                .bearer_auth(&admin),
        ),
    ];
    let mut seen = HashSet::new();

    for (status, request) in requests {
        assert_refusal(&app.send(request).await.unwrap(), status, &mut seen);
    }
}

#[tokio::test]
async fn a_method_that_a_route_does_not_have_is_refused_in_the_same_shape() {
    let app = start_without_workers().await;

    for (method, path) in [
        (Method::DELETE, EVENTS),
        (Method::GET, EVENTS),
        (Method::PUT, CONNECT),
        (Method::POST, STATUS),
        (Method::POST, "/openapi.json"),
    ] {
        let answer = app.send(app.ask(method, path)).await.unwrap();
        assert!([404, 405].contains(&answer.status), "{answer:?}");
        assert_error_body(&answer);
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_refused_in_the_same_shape() {
    let app = start_without_workers().await;
    let firm = nobody(1);
    let service = app.tokens.service().unwrap();

    let paths = [
        format!("{EVENTS}/%FF?firm_id={firm}"),
        format!("{EVENTS}/a?firm_id=%FF"),
    ];
    for path in paths {
        let answer = app.get(&path, &service).await.unwrap();
        assert!(
            [400, 404, 422].contains(&answer.status),
            "{path}: {answer:?}"
        );
        assert_error_body(&answer);
    }
}

#[tokio::test]
async fn every_answer_carries_a_request_id() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();
    let admin = app.tokens.firm_admin(firm).unwrap();
    let service = app.tokens.service().unwrap();
    let requests = [
        (200, app.ask(Method::GET, "/openapi.json")),
        (200, app.ask(Method::GET, STATUS).bearer_auth(&admin)),
        (200, app.ask(Method::POST, CONNECT).bearer_auth(&admin)),
        (302, app.ask(Method::GET, CONNECT)),
        (
            202,
            app.ask(Method::POST, EVENTS)
                .bearer_auth(service)
                .json(&json!({ "id": "a", "type": "a", "firm_id": firm, "data": {} })),
        ),
    ];

    for (status, request) in requests {
        let answer = app.send(request).await.unwrap();
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(!answer.headers["x-request-id"].is_empty(), "{answer:?}");
    }
}

#[tokio::test]
async fn while_the_database_is_away_nothing_is_accepted_and_callers_are_told_to_come_back() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();
    let event = json!({ "id": "a", "type": "a", "firm_id": firm, "data": {} });
    let admin = app.tokens.firm_admin(firm).unwrap();

    app.let_in(false).await;
    let refused = [
        app.post_events(&event).await.unwrap(),
        app.get(STATUS, &admin).await.unwrap(),
    ];
    let ready = app
        .http
        .get(format!("{}/readyz", app.ingress_ops_url()))
        .send()
        .await
        .unwrap();
    let alive = app
        .http
        .get(format!("{}/healthz", app.ingress_ops_url()))
        .send()
        .await
        .unwrap();
    app.let_in(true).await;
    let taken = app.post_events(&event).await.unwrap();

    for answer in refused {
        assert_refused(&answer, 503, "unavailable");
        let seconds: u64 = answer.headers["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!(seconds >= 1);
    }
    assert_eq!(
        (ready.status().as_u16(), alive.status().as_u16()),
        (503, 200)
    );
    assert_eq!(
        (taken.status, taken.body),
        (202, json!({ "accepted": 1, "duplicates": 0 }))
    );
}

/// A program that is started while the database is away opens its port before it can answer; a caller would hang there.
#[tokio::test]
async fn an_ingress_that_says_it_is_ready_answers_also_when_the_database_goes_away_that_moment() {
    let app = start_without_workers().await;
    app.let_in(false).await;
    let late = app.launch_ingress("late", &app.settings).unwrap();
    late.process()
        .wait_for_line(|line| line.contains("waiting for the database"), SOON)
        .await
        .unwrap();

    app.let_in(true).await;
    app.program_ready(&late).await.unwrap();
    app.let_in(false).await;

    let url = format!("{}{STATUS}", late.url().unwrap());
    let firm = app.tokens.firm_admin(uuid::Uuid::nil()).unwrap();
    let asked = app.http.get(url).bearer_auth(firm);
    let answer = asked.timeout(ANSWER).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 503);
}
