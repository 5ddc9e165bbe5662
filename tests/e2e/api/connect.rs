//! Connecting a firm to Clio: ticket, cookie, state, account.

use std::collections::HashMap;

use harness::app::PUBLIC_URL;
use harness::{AppSettings, eventually};
use reqwest::Method;
use reqwest::header::{LOCATION, SET_COOKIE};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::asking::{CONNECT, STATUS, assert_refused, nobody, start_without_workers};
use crate::support::{SOON, TestApp, start, start_with};

const CONNECTED: &str =
    "https://app.casehug.test/settings/integrations?platform=clio&result=connected";
const PLAIN_URL: &str = "http://127.0.0.1:1";

/// Where a connect lands that ended with this code.
fn failed(code: &str) -> String {
    format!("https://app.casehug.test/settings/integrations?platform=clio&result=error&code={code}")
}

fn query(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}

/// Another account that a user of the simulator may be logged in to.
fn other_login() -> Value {
    json!({ "login": {
        "account_id": 99_001, "account_name": "Other Account", "user_id": 99_002,
        "first_name": "Olga", "last_name": "Other", "email": "olga@example.com",
    } })
}

impl TestApp {
    /// At Clio's door, and back with a code: the address to come back to, and the cookie.
    async fn consented(&self, firm: Uuid) -> (Url, String) {
        let ticket = self.begin_connect(firm).await.unwrap();
        let (consent, cookie) = self.follow_ticket(&ticket).await.unwrap();
        (self.consent(&consent).await.unwrap(), cookie.unwrap())
    }

    async fn is_connected(&self, firm: Uuid) -> bool {
        let token = self.tokens.firm_admin(firm).unwrap();
        self.get(STATUS, &token).await.unwrap().body["connected"] == json!(true)
    }

    async fn connections(&self) -> i64 {
        self.count("select count(*) from firm_integrations")
            .await
            .unwrap()
    }

    /// Where the browser is sent by an address of ours, and the cookie it is given.
    async fn redirected(&self, url: &str) -> (Url, Option<String>) {
        let answer = self.http.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 302);
        let text = |name| Some(answer.headers().get(name)?.to_str().unwrap().to_owned());
        (
            Url::parse(&text(LOCATION).unwrap()).unwrap(),
            text(SET_COOKIE),
        )
    }
}

#[tokio::test]
async fn a_firm_is_connected_by_a_person_who_consents_at_clio() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();

    let landed = app.connect(firm).await.unwrap();

    assert_eq!(landed.as_str(), CONNECTED);
    assert!(app.is_connected(firm).await);
}

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
async fn a_state_is_good_once() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();
    let (back, cookie) = app.consented(firm).await;

    let first = app.come_back(&back, Some(&cookie)).await.unwrap();
    let second = app.come_back(&back, Some(&cookie)).await.unwrap();

    assert_eq!(first.as_str(), CONNECTED);
    assert_eq!(second.as_str(), failed("invalid_state"));
    assert!(app.is_connected(firm).await);
}

#[tokio::test]
async fn of_two_browsers_with_one_state_exactly_one_connects() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();
    let (back, cookie) = app.consented(firm).await;

    let (one, other) = tokio::join!(
        app.come_back(&back, Some(&cookie)),
        app.come_back(&back, Some(&cookie))
    );

    let mut landed = [one.unwrap().to_string(), other.unwrap().to_string()];
    landed.sort();
    assert_eq!(landed, [CONNECTED.to_owned(), failed("invalid_state")]);
}

#[tokio::test]
async fn a_state_is_good_for_ten_minutes() {
    let app = start_without_workers().await;
    let (first, second) = (app.firm().await.unwrap(), app.firm().await.unwrap());
    let (in_time, first_cookie) = app.consented(first).await;
    let (too_late, second_cookie) = app.consented(second).await;

    app.shift_clock(590).await;
    let in_time = app.come_back(&in_time, Some(&first_cookie)).await.unwrap();
    app.shift_clock(601).await;
    let too_late = app
        .come_back(&too_late, Some(&second_cookie))
        .await
        .unwrap();

    assert_eq!(in_time.as_str(), CONNECTED);
    assert_eq!(too_late.as_str(), failed("invalid_state"));
}

#[tokio::test]
async fn a_browser_without_its_cookie_connects_nothing() {
    let app = start_without_workers().await;
    let (victim, attacker) = (app.firm().await.unwrap(), app.firm().await.unwrap());
    let (back, cookie) = app.consented(attacker).await;
    let (_, foreign) = app.consented(victim).await;
    let name = cookie.split('=').next().unwrap();

    for sent in [
        None,
        Some(foreign),
        Some(format!("{name}=")),
        Some(format!("other{cookie}")),
    ] {
        let landed = app.come_back(&back, sent.as_deref()).await.unwrap();
        assert_eq!(landed.as_str(), failed("invalid_state"), "with {sent:?}");
    }

    assert_eq!(app.connections().await, 0);
}

#[tokio::test]
async fn a_state_that_nobody_gave_connects_nothing() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();
    let (back, cookie) = app.consented(firm).await;
    let code = query(&back)["code"].clone();
    let callback = format!("{PUBLIC_URL}/api/v1/integrations/clio/callback");
    let forged = format!("{}.guess", firm.simple());

    for query in [
        String::new(),
        format!("?code={code}"),
        format!("?code={code}&state="),
        format!("?code={code}&state={forged}"),
        "?error=access_denied".to_owned(),
    ] {
        let back = Url::parse(&format!("{callback}{query}")).unwrap();
        let landed = app.come_back(&back, Some(&cookie)).await.unwrap();
        assert_eq!(landed.as_str(), failed("invalid_state"), "{query}");
    }

    assert_eq!(app.connections().await, 0);
}

#[tokio::test]
async fn a_person_who_declines_lands_with_access_denied() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();
    app.change(&json!({ "decline_next": true })).await.unwrap();

    let declined = app.try_connect(firm).await.unwrap();
    let consented = app.try_connect(firm).await.unwrap();

    assert_eq!(declined.as_str(), failed("access_denied"));
    assert_eq!(consented.as_str(), CONNECTED);
}

#[tokio::test]
async fn a_clio_that_fails_midway_leaves_nothing_half_written() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();

    for (method, path, status) in [
        ("POST", "/oauth/token", 400),
        ("POST", "/oauth/token", 503),
        ("GET", "/api/v4/users", 500),
    ] {
        app.fault(method, path, 1, &json!({ "status": status }))
            .await
            .unwrap();
        let landed = app.try_connect(firm).await.unwrap();
        assert_eq!(
            query(&landed)["result"],
            "error",
            "{path} {status}: {landed}"
        );
        assert_eq!(app.connections().await, 0);
    }

    assert_eq!(app.connect(firm).await.unwrap().as_str(), CONNECTED);
}

#[tokio::test]
async fn the_cookie_belongs_to_this_host_and_this_browser_alone() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();
    let ticket = app.begin_connect(firm).await.unwrap();

    let own = ticket.as_str().replacen(PUBLIC_URL, &app.ingress_url(), 1);
    let cookie = app.redirected(&own).await.1.unwrap();

    let parts: Vec<String> = cookie
        .split(';')
        .map(|part| part.trim().to_lowercase())
        .collect();
    assert!(cookie.starts_with("__Host-"), "{cookie}");
    for attribute in ["path=/", "httponly", "secure", "samesite=lax"] {
        assert!(
            parts.iter().any(|part| part == attribute),
            "{attribute} in {cookie}"
        );
    }
    assert!(
        !parts.iter().any(|part| part.starts_with("domain")),
        "{cookie}"
    );
}

#[tokio::test]
async fn on_loopback_the_cookie_is_plain() {
    let app = start_with(AppSettings {
        workers: 0,
        more: vec![("PUBLIC_URL".into(), PLAIN_URL.into())],
        ..AppSettings::default()
    })
    .await;
    let firm = app.firm().await.unwrap();
    let ticket = app.begin_connect(firm).await.unwrap();

    let own = ticket.as_str().replacen(PLAIN_URL, &app.ingress_url(), 1);
    let (consent, cookie) = app.redirected(&own).await;
    let cookie = cookie.unwrap();
    let back = app.consent(&consent).await.unwrap();
    let back = back.as_str().replacen(PLAIN_URL, &app.ingress_url(), 1);
    let pair = cookie.split(';').next().unwrap();
    let landed = app
        .come_back(&Url::parse(&back).unwrap(), Some(pair))
        .await
        .unwrap();

    let lower = cookie.to_lowercase();
    assert!(
        !lower.starts_with("__host-") && !lower.contains("secure"),
        "{cookie}"
    );
    assert!(
        lower.contains("httponly") && lower.contains("samesite=lax"),
        "{cookie}"
    );
    assert_eq!(landed.as_str(), CONNECTED);
}

#[tokio::test]
async fn an_account_in_use_is_refused_without_naming_its_firm() {
    let app = start().await;
    let first = app.connected_matter().await.unwrap();
    let second = app.firm().await.unwrap();

    let landed = app.try_connect(second).await.unwrap();
    let token = app.tokens.firm_admin(second).unwrap();
    let status = app.get(STATUS, &token).await.unwrap();
    let synced = app.sync(first).await.unwrap();

    assert_eq!(landed.as_str(), failed("account_in_use"));
    assert_eq!(status.body["connected"], json!(false));
    assert_eq!(synced.body["success"], json!(true), "{synced:?}");
    app.finish().await;
}

#[tokio::test]
async fn of_two_firms_that_connect_one_account_at_once_one_is_refused() {
    let app = start_without_workers().await;
    let (first, second) = (app.firm().await.unwrap(), app.firm().await.unwrap());
    let (first_back, first_cookie) = app.consented(first).await;
    let (second_back, second_cookie) = app.consented(second).await;

    let (one, other) = tokio::join!(
        app.come_back(&first_back, Some(&first_cookie)),
        app.come_back(&second_back, Some(&second_cookie))
    );

    let mut landed = [one.unwrap().to_string(), other.unwrap().to_string()];
    landed.sort();
    assert_eq!(landed, [CONNECTED.to_owned(), failed("account_in_use")]);
    assert_eq!(app.connections().await, 1);
}

#[tokio::test]
async fn reconnecting_the_same_account_keeps_its_links() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    app.settled(SOON).await.unwrap();

    let landed = app.connect(matter.firm).await.unwrap();
    app.clear_clio_calls().await.unwrap();
    let synced = app.sync(matter).await.unwrap();
    let calls = app.clio_calls().await.unwrap();

    assert_eq!(landed.as_str(), CONNECTED);
    assert_eq!(synced.body["success"], json!(true), "{synced:?}");
    assert_eq!(synced.body["documentsUploaded"], json!(0));
    assert!(
        calls.iter().all(|call| call.starts_with("GET")),
        "{calls:#?}"
    );
    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    assert_eq!(app.connections().await, 1);
    app.finish().await;
}

#[tokio::test]
async fn another_account_never_inherits_links() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let first = app.sync(matter).await.unwrap();
    app.change(&other_login()).await.unwrap();

    let landed = app.connect(matter.firm).await.unwrap();
    let second = app.sync(matter).await.unwrap();

    assert_eq!(landed.as_str(), CONNECTED);
    assert_eq!(second.body["success"], json!(true), "{second:?}");
    assert_ne!(first.body["clioMatterId"], second.body["clioMatterId"]);
    assert_eq!(app.clio_counts().await.unwrap(), (2, 2, 0));
    app.finish().await;
}

#[tokio::test]
async fn tokens_are_stored_sealed() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();

    app.connect(firm).await.unwrap();

    let (access, refresh): (String, String) =
        sqlx::query_as("select access_token, refresh_token from firm_integrations")
            .fetch_one(&app.admin)
            .await
            .unwrap();
    for sealed in [&access, &refresh] {
        let parts: Vec<&str> = sealed.split('.').collect();
        assert_eq!(
            (parts.len(), parts[0], parts[1]),
            (3, "v1", "k1"),
            "{sealed}"
        );
        assert!(parts[2].len() > 40);
        assert!(
            parts[2]
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
    }
    assert_ne!(access, refresh);
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

#[tokio::test]
async fn a_reconnect_resumes_what_a_lost_authorisation_had_parked() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    app.change(&json!({ "revoke": true, "expire_tokens": true }))
        .await
        .unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    let parked = "select count(*) from firm_integrations where sync_status = 'error'";
    eventually(SOON, || async {
        (app.count(parked).await.ok()? == 1).then_some(())
    })
    .await
    .unwrap();

    app.connect(matter.firm).await.unwrap();
    app.settled(SOON).await.unwrap();

    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    assert!(app.is_connected(matter.firm).await);
    app.finish().await;
}
