//! Asking for a connect, and the ticket that takes a browser to Clio.

use harness::app::PUBLIC_URL;
use reqwest::Method;
use serde_json::json;

use super::query;
use crate::asking::{CONNECT, assert_refused, nobody, start_without_workers};

#[tokio::test]
async fn the_browser_is_sent_to_clio_with_what_clio_asks_for() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();

    let ticket = app.begin_connect(firm).await.unwrap();
    let (consent, _) = app.follow_ticket(&ticket).await.unwrap();

    assert!(
        ticket
            .as_str()
            .starts_with(&format!("{PUBLIC_URL}{CONNECT}?")),
        "{ticket}"
    );
    assert!(consent.path().ends_with("/oauth/authorize"), "{consent}");
    let asked = query(&consent);
    assert_eq!(asked["response_type"], "code");
    assert_eq!(asked["client_id"], "casehug-app");
    assert_eq!(
        asked["redirect_uri"],
        format!("{PUBLIC_URL}/api/v1/integrations/clio/callback")
    );
    assert!(asked["state"].len() >= 32);
    assert!(
        !asked.contains_key("scope"),
        "Clio takes permissions from the developer application"
    );
}

#[tokio::test]
async fn a_ticket_is_good_once() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();
    let ticket = app.begin_connect(firm).await.unwrap();

    let (first, _) = app.follow_ticket(&ticket).await.unwrap();
    let (second, cookie) = app.follow_ticket(&ticket).await.unwrap();

    assert!(first.path().ends_with("/oauth/authorize"));
    assert_eq!(query(&second)["result"], "error", "{second}");
    assert_eq!(cookie, None);
}

#[tokio::test]
async fn a_ticket_is_good_for_a_minute() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();
    let in_time = app.begin_connect(firm).await.unwrap();
    let too_late = app.begin_connect(firm).await.unwrap();

    app.shift_clock(50).await;
    let (in_time, _) = app.follow_ticket(&in_time).await.unwrap();
    app.shift_clock(61).await;
    let (too_late, _) = app.follow_ticket(&too_late).await.unwrap();

    assert!(in_time.path().ends_with("/oauth/authorize"), "{in_time}");
    assert_eq!(query(&too_late)["result"], "error", "{too_late}");
}

#[tokio::test]
async fn a_ticket_that_nobody_gave_lands_with_an_error() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap().simple();

    for ticket in [
        "",
        "nonsense",
        &format!("{firm}.guess"),
        &format!("{firm}."),
        "%00.%FF",
    ] {
        let url = format!("{}{CONNECT}?ticket={ticket}", app.ingress_url());
        let (landed, cookie) = app.redirected(&url).await;
        assert_eq!(query(&landed)["result"], "error", "{landed}");
        assert_eq!(cookie, None);
    }
}

#[tokio::test]
async fn a_platform_or_region_without_credentials_is_not_configured() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();
    let token = app.tokens.firm_admin(firm).unwrap();
    let connect = |platform: &str| format!("/api/v1/integrations/{platform}/connect");

    for platform in ["lawmatics", "smokeball", "mycase"] {
        let answer = app
            .post(&connect(platform), &token, &json!({}))
            .await
            .unwrap();
        assert_refused(&answer, 409, "not_configured");
    }
    let europe = app
        .post(CONNECT, &token, &json!({ "region": "eu" }))
        .await
        .unwrap();
    let moon = app
        .post(CONNECT, &token, &json!({ "region": "moon" }))
        .await
        .unwrap();
    let unknown = app
        .post(&connect("hubspot"), &token, &json!({}))
        .await
        .unwrap();

    assert_refused(&europe, 409, "not_configured");
    assert_eq!(assert_refused(&moon, 422, "invalid_request"), ["region"]);
    assert_refused(&unknown, 404, "not_found");
}

#[tokio::test]
async fn a_firm_that_is_not_there_cannot_be_connected() {
    let app = start_without_workers().await;
    let path = format!("{CONNECT}?firm_id={}", nobody(1));

    let answer = app
        .post(&path, &app.tokens.operator().unwrap(), &json!({}))
        .await
        .unwrap();

    assert_refused(&answer, 404, "not_found");
}

#[tokio::test]
async fn a_connect_in_the_callers_name_needs_no_body() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();

    let token = app.tokens.firm_admin(firm).unwrap();
    let answer = app
        .send(app.ask(Method::POST, CONNECT).bearer_auth(token))
        .await
        .unwrap();

    assert_eq!(answer.status, 200, "{answer:?}");
}
