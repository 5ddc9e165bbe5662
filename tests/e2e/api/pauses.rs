//! Pauses as callers see them: who may set which.

use reqwest::Method;
use serde_json::json;

use crate::asking::{assert_refused, nobody, start_without_workers};

const PAUSES: &str = "/api/v1/pauses";

#[tokio::test]
async fn a_firms_admin_pauses_his_own_connection_and_nothing_else() {
    let app = start_without_workers().await;
    let (own, other) = (app.connected().await, app.connected().await);
    let token = app.tokens.firm_admin(own.firm).unwrap();
    let pause = async |scope: String| {
        let body =
            json!({ "scope": scope, "reason": "month end", "until": "2999-01-01T00:00:00Z" });
        app.post(PAUSES, &token, &body).await.unwrap()
    };

    assert_refused(&pause("all".into()).await, 403, "forbidden");
    assert_refused(&pause("platform:clio".into()).await, 403, "forbidden");
    for id in [other.id, nobody(1)] {
        assert_refused(&pause(format!("connection:{id}")).await, 404, "not_found");
    }
    let own_scope = format!("connection:{}", own.id);
    assert_eq!(pause(own_scope.clone()).await.status, 204);

    let listed = app.get(PAUSES, &token).await.unwrap().body;
    let shown = &listed["pauses"][0];
    assert_eq!(
        (
            &shown["scope"],
            &shown["kind"],
            &shown["reason"],
            &shown["author"],
            &shown["until"]
        ),
        (
            &json!(own_scope),
            &json!("paused"),
            &json!("month end"),
            &json!("test-firm_admin"),
            &json!("2999-01-01T00:00:00Z")
        )
    );
    let others = app.tokens.firm_admin(other.firm).unwrap();
    assert_eq!(
        app.get(PAUSES, &others).await.unwrap().body["pauses"],
        json!([])
    );
    let remove = async |token: &str| {
        let request = app.ask(Method::DELETE, &format!("{PAUSES}?scope={own_scope}"));
        app.send(request.bearer_auth(token)).await.unwrap()
    };
    assert_refused(&remove(&others).await, 404, "not_found");
    assert_eq!(remove(&token).await.status, 204);
    assert_refused(&remove(&token).await, 404, "not_found");
}

#[tokio::test]
async fn an_operator_pauses_platforms_and_everything_and_firms_are_not_told_who() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();
    let operator = app.tokens.operator().unwrap();

    for scope in ["all", "platform:clio"] {
        let body = json!({ "scope": scope, "reason": "maintenance" });
        assert_eq!(
            app.post(PAUSES, &operator, &body).await.unwrap().status,
            204
        );
    }

    let token = app.tokens.firm_admin(firm).unwrap();
    let listed = app.get(PAUSES, &token).await.unwrap().body;
    let authors: Vec<_> = listed["pauses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["author"].clone())
        .collect();
    assert_eq!(authors, [json!("operator"), json!("operator")]);
}

#[tokio::test]
async fn a_firm_neither_lifts_nor_replaces_nor_reads_an_operators_pause() {
    let app = start_without_workers().await;
    let own = app.connected().await;
    let (admin, operator) = (
        app.tokens.firm_admin(own.firm).unwrap(),
        app.tokens.operator().unwrap(),
    );
    let scope = format!("connection:{}", own.id);
    let pause = async |token: &str, reason: &str| {
        let body = json!({ "scope": scope, "reason": reason });
        app.post(PAUSES, token, &body).await.unwrap().status
    };
    let remove = async |token: &str| {
        let request = app.ask(Method::DELETE, &format!("{PAUSES}?scope={scope}"));
        app.send(request.bearer_auth(token)).await.unwrap()
    };
    assert_eq!(pause(&operator, "abuse investigation").await, 204);
    assert_refused(&remove(&admin).await, 404, "not_found");
    assert_eq!(pause(&admin, "month end").await, 204);
    assert_eq!(remove(&admin).await.status, 204);

    let listed = app.get(PAUSES, &admin).await.unwrap().body;
    let shown = &listed["pauses"];
    assert_eq!(shown.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(
        (&shown[0]["kind"], &shown[0]["author"], &shown[0]["reason"]),
        (&json!("operator"), &json!("operator"), &json!(null))
    );
    let told = app.get(PAUSES, &operator).await.unwrap().body;
    assert_eq!(told["pauses"][0]["reason"], json!("abuse investigation"));
    // An operator lifts what anybody has set.
    assert_eq!(pause(&admin, "month end").await, 204);
    assert_eq!(remove(&operator).await.status, 204);
    let left = app.get(PAUSES, &operator).await.unwrap().body;
    assert_eq!(left["pauses"], json!([]));
}

#[tokio::test]
async fn a_pause_without_sense_is_refused() {
    let app = start_without_workers().await;
    let operator = app.tokens.operator().unwrap();

    for (body, field) in [
        (json!({ "scope": "all" }), ""),
        (json!([["all"]]), ""),
        (json!("all"), ""),
        (json!({ "scope": "everything", "reason": "x" }), "scope"),
        (json!({ "scope": "platform:word", "reason": "x" }), "scope"),
        (json!({ "scope": "all", "reason": "  " }), "reason"),
        (
            json!({ "scope": "all", "reason": "x", "until": "soon" }),
            "until",
        ),
        (
            json!({ "scope": "all", "reason": "x", "until": "2020-01-01T00:00:00Z" }),
            "until",
        ),
    ] {
        let answer = app.post(PAUSES, &operator, &body).await.unwrap();
        assert_eq!(
            assert_refused(&answer, 422, "invalid_request"),
            [field],
            "{body}"
        );
    }
}
