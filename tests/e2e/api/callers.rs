//! Who calls: tokens, roles, firms.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use harness::app::Answer;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::asking::{CONNECT, EVENTS, STATUS, SYNC, assert_refused, start_without_workers};
use crate::support::TestApp;

const ROLES: [&str; 4] = ["firm_admin", "firm_member", "operator", "service"];

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

impl TestApp {
    fn admin_claims(&self, firm: Uuid) -> Map<String, Value> {
        self.tokens.claims("firm_admin", Some(firm))
    }

    /// A firm admin's token with one claim changed; null takes it away.
    fn token_with(&self, firm: Uuid, name: &str, value: Value) -> String {
        let mut claims = self.admin_claims(firm);
        match value {
            Value::Null => claims.remove(name),
            value => claims.insert(name.to_owned(), value),
        };
        self.tokens.signed(&claims).unwrap()
    }

    fn token_by(&self, firm: Uuid, algorithm: Algorithm, secret: &str) -> String {
        let key = EncodingKey::from_secret(secret.as_bytes());
        encode(&Header::new(algorithm), &self.admin_claims(firm), &key).unwrap()
    }

    fn token_of(&self, role: &str, firm: Uuid) -> String {
        match role {
            "firm_admin" => self.tokens.firm_admin(firm),
            "firm_member" => self.tokens.firm_member(firm),
            "operator" => self.tokens.operator(),
            _ => self.tokens.service(),
        }
        .unwrap()
    }

    async fn status_of(&self, firm: Uuid, token: &str) -> Answer {
        self.get(&format!("{STATUS}?firm_id={firm}"), token)
            .await
            .unwrap()
    }
}

/// A token that says it needs no signature.
fn unsigned(signed: &str) -> String {
    // {"alg":"none","typ":"JWT"}
    let header = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    format!("{header}.{}.", signed.split('.').nth(1).unwrap())
}

/// The payload of one token under the signature of another.
fn spliced(payload: &str, signature: &str) -> String {
    let part = |token: &str, n: usize| token.split('.').nth(n).unwrap().to_owned();
    format!(
        "{}.{}.{}",
        part(signature, 0),
        part(payload, 1),
        part(signature, 2)
    )
}

#[track_caller]
fn assert_unauthorized(answer: &Answer) {
    assert_refused(answer, 401, "unauthorized");
    let scheme = answer.headers["www-authenticate"].to_str().unwrap();
    assert!(scheme.starts_with("Bearer"), "{scheme}");
}

#[tokio::test]
async fn a_token_that_is_wrong_in_any_part_is_refused() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();
    let secret = app.tokens.secret.clone();
    let right = app.token_of("firm_admin", firm);
    let operator_of_a_firm = app
        .tokens
        .signed(&app.tokens.claims("operator", Some(firm)))
        .unwrap();
    let admin_of_nothing = app
        .tokens
        .signed(&app.tokens.claims("firm_admin", None))
        .unwrap();
    let member_of_nothing = app
        .tokens
        .signed(&app.tokens.claims("firm_member", None))
        .unwrap();
    let wrong = [
        ("empty", String::new()),
        ("no token", "nonsense".into()),
        (
            "wrong secret",
            app.token_by(
                firm,
                Algorithm::HS256,
                "another-secret-that-has-32-bytes-too",
            ),
        ),
        ("alg none", unsigned(&right)),
        ("alg HS384", app.token_by(firm, Algorithm::HS384, &secret)),
        ("alg HS512", app.token_by(firm, Algorithm::HS512, &secret)),
        (
            "other payload",
            spliced(&app.token_of("operator", firm), &right),
        ),
        ("expired", app.token_with(firm, "exp", json!(now() - 60))),
        (
            "more than an hour",
            app.token_with(firm, "exp", json!(now() + 3_700)),
        ),
        ("for ever", app.token_with(firm, "exp", json!(u64::MAX))),
        ("no exp", app.token_with(firm, "exp", Value::Null)),
        (
            "wrong iss",
            app.token_with(firm, "iss", json!("https://example.com")),
        ),
        ("no iss", app.token_with(firm, "iss", Value::Null)),
        ("wrong aud", app.token_with(firm, "aud", json!("other"))),
        ("no aud", app.token_with(firm, "aud", Value::Null)),
        ("no sub", app.token_with(firm, "sub", Value::Null)),
        ("empty sub", app.token_with(firm, "sub", json!(""))),
        ("unknown role", app.token_with(firm, "role", json!("root"))),
        ("no role", app.token_with(firm, "role", Value::Null)),
        (
            "firm that is no id",
            app.token_with(firm, "firm_id", json!("lee")),
        ),
        ("admin without firm", admin_of_nothing),
        ("member without firm", member_of_nothing),
        ("operator with firm", operator_of_a_firm),
    ];

    for (what, token) in wrong {
        let answer = app.status_of(firm, &token).await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        assert_unauthorized(&answer);
    }

    assert_eq!(app.status_of(firm, &right).await.status, 200);
}

#[tokio::test]
async fn a_token_may_live_an_hour() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();

    let token = app.token_with(firm, "exp", json!(now() + 3_595));

    assert_eq!(app.status_of(firm, &token).await.status, 200);
}

#[tokio::test]
async fn a_token_anywhere_but_in_the_header_is_no_token() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();
    let token = app.token_of("firm_admin", firm);

    for name in ["token", "access_token", "bearer", "authorization", "jwt"] {
        let request = app.ask(
            Method::GET,
            &format!("{STATUS}?firm_id={firm}&{name}={token}"),
        );
        assert_unauthorized(&app.send(request).await.unwrap());
    }
    let in_cookie = app
        .ask(Method::GET, STATUS)
        .header("cookie", format!("token={token}"));
    assert_unauthorized(&app.send(in_cookie).await.unwrap());
    let basic = app
        .ask(Method::GET, STATUS)
        .basic_auth("firm", Some(&token));
    assert_unauthorized(&app.send(basic).await.unwrap());
}

#[tokio::test]
async fn every_route_takes_the_roles_of_its_description_and_no_other() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();

    for operation in app.operations().await {
        let path = format!("{}?firm_id={firm}", operation.path());
        let Some(allowed) = &operation.roles else {
            let answer = app
                .send(app.ask(operation.method.clone(), &path))
                .await
                .unwrap();
            assert!(
                ![401, 403].contains(&answer.status),
                "{operation:?}: {answer:?}"
            );
            continue;
        };
        assert_unauthorized(
            &app.send(app.ask(operation.method.clone(), &path))
                .await
                .unwrap(),
        );
        for role in ROLES {
            let mut request = app
                .ask(operation.method.clone(), &path)
                .bearer_auth(app.token_of(role, firm));
            if operation.method != Method::GET {
                request = request.json(&json!({}));
            }
            let answer = app.send(request).await.unwrap();
            if allowed.iter().any(|allowed| allowed == role) {
                assert!(
                    ![401, 403].contains(&answer.status),
                    "{role}: {operation:?}: {answer:?}"
                );
            } else {
                assert_eq!(answer.status, 403, "{role}: {operation:?}: {answer:?}");
                assert_refused(&answer, 403, "forbidden");
            }
        }
    }
}

#[tokio::test]
async fn the_description_gives_each_route_the_roles_that_were_agreed() {
    let app = start_without_workers().await;
    let everybody: Option<Vec<&str>> = None;
    let admins = Some(vec!["firm_admin", "operator"]);
    let agreed = BTreeMap::from([
        ("POST /api/v1/events", Some(vec!["service"])),
        (
            "GET /api/v1/events/{id}",
            Some(vec!["firm_admin", "operator", "service"]),
        ),
        (
            "POST /api/v1/integrations/{platform}/connect",
            Some(vec!["firm_admin", "operator"]),
        ),
        (
            "GET /api/v1/integrations/{platform}/connect",
            everybody.clone(),
        ),
        ("GET /api/v1/integrations/{platform}/callback", everybody),
        (
            "GET /api/v1/integrations/{platform}/status",
            Some(vec!["firm_admin", "firm_member", "operator"]),
        ),
        (
            "POST /api/v1/integrations/{platform}/sync",
            Some(vec!["firm_admin", "firm_member", "operator"]),
        ),
        (
            "GET /api/v1/integrations/{platform}/sync",
            Some(vec!["firm_admin", "firm_member", "operator"]),
        ),
        ("POST /api/v1/jobs/probe", Some(vec!["operator"])),
        ("GET /api/v1/jobs", admins.clone()),
        ("GET /api/v1/jobs/failures", admins.clone()),
        ("POST /api/v1/jobs/retry", admins.clone()),
        ("GET /api/v1/jobs/{id}", admins.clone()),
        (
            "GET /api/v1/jobs/{id}/provider-words",
            Some(vec!["firm_admin"]),
        ),
        ("POST /api/v1/jobs/{id}/retry", admins.clone()),
        ("POST /api/v1/jobs/{id}/skip", admins.clone()),
        ("POST /api/v1/jobs/{id}/cancel", admins.clone()),
        ("POST /api/v1/jobs/{id}/run-now", admins.clone()),
        ("POST /api/v1/jobs/{id}/adopt", admins.clone()),
        ("GET /api/v1/batches/{id}", admins.clone()),
        ("POST /api/v1/batches/{id}/cancel", admins.clone()),
        ("GET /api/v1/pauses", admins.clone()),
        ("POST /api/v1/pauses", admins.clone()),
        ("DELETE /api/v1/pauses", admins.clone()),
        ("GET /api/v1/limits", admins),
    ]);

    let operations = app.operations().await;

    let described: BTreeMap<String, Option<Vec<String>>> = operations
        .into_iter()
        .map(|operation| {
            let mut roles = operation.roles;
            roles.iter_mut().for_each(|roles| roles.sort());
            (
                format!("{} {}", operation.method, operation.template),
                roles,
            )
        })
        .collect();
    assert_eq!(json!(described), json!(agreed));
}

#[tokio::test]
async fn a_role_that_may_not_is_told_so_whatever_its_body() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();
    let member = app.token_of("firm_member", firm);

    for (path, body) in [
        (EVENTS, "{"),
        (EVENTS, "[]"),
        (CONNECT, "{"),
        (CONNECT, "7"),
    ] {
        let request = app
            .ask(Method::POST, path)
            .bearer_auth(&member)
            .header("content-type", "application/json")
            .body(body);
        assert_refused(&app.send(request).await.unwrap(), 403, "forbidden");
    }
}

#[tokio::test]
async fn a_firms_caller_never_reaches_another_firm() {
    let app = start_without_workers().await;
    let own = app.firm().await.unwrap();
    let other = app.unconnected_matter().await;
    let token = app.token_of("firm_admin", own);
    let request = json!({ "matter_id": other.id });

    for path in [STATUS, SYNC] {
        let named = format!("{path}?firm_id={}", other.firm);
        assert_refused(&app.get(&named, &token).await.unwrap(), 404, "not_found");
    }
    for (path, body) in [(CONNECT, &json!({})), (SYNC, &request)] {
        let named = format!("{path}?firm_id={}", other.firm);
        assert_refused(
            &app.post(&named, &token, body).await.unwrap(),
            404,
            "not_found",
        );
    }
    assert_refused(
        &app.post(SYNC, &token, &request).await.unwrap(),
        404,
        "not_found",
    );
}

#[tokio::test]
async fn an_operator_names_the_firm() {
    let app = start_without_workers().await;
    let matter = app.unconnected_matter().await;
    let token = app.token_of("operator", matter.firm);

    for path in [STATUS, SYNC] {
        let unnamed = app.get(path, &token).await.unwrap();
        let named = app
            .get(&format!("{path}?firm_id={}", matter.firm), &token)
            .await
            .unwrap();
        assert_eq!(
            assert_refused(&unnamed, 422, "invalid_request"),
            ["firm_id"]
        );
        assert_eq!(named.status, 200, "{named:?}");
    }
    let request = json!({ "matter_id": matter.id });
    for (path, body) in [(CONNECT, &json!({})), (SYNC, &request)] {
        let unnamed = app.post(path, &token, body).await.unwrap();
        assert_eq!(
            assert_refused(&unnamed, 422, "invalid_request"),
            ["firm_id"]
        );
    }
    let named = format!("{CONNECT}?firm_id={}", matter.firm);
    assert_eq!(
        app.post(&named, &token, &json!({})).await.unwrap().status,
        200
    );
}
