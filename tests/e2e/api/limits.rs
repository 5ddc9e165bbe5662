//! How often one caller may ask.

use std::time::Duration;

use harness::AppSettings;
use harness::app::Answer;
use reqwest::Method;
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use crate::asking::{STATUS, assert_error_body};
use crate::support::{TestApp, start_with};

async fn start_limited(per_minute: u32) -> TestApp {
    let settings = AppSettings {
        workers: 0,
        caller_limit: per_minute,
        ..AppSettings::default()
    };
    start_with(settings).await
}

/// The seconds that the answer tells a caller over the limit to wait.
#[track_caller]
fn assert_limited(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 429, "{answer:?}");
    assert_error_body(answer);
    let seconds = answer.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    seconds
}

impl TestApp {
    async fn ask_status(&self, token: &str) -> Answer {
        self.get(STATUS, token).await.unwrap()
    }

    fn token_named(&self, subject: &str, firm: Uuid) -> String {
        let mut claims = self.tokens.claims("firm_member", Some(firm));
        claims.insert("sub".into(), json!(subject));
        self.tokens.signed(&claims).unwrap()
    }
}

#[tokio::test]
async fn a_caller_over_his_limit_is_told_when_to_come_back() {
    let app = start_limited(3).await;
    let firm = app.firm().await.unwrap();
    let token = app.token_named("ann", firm);

    for _ in 0..3 {
        assert_eq!(app.ask_status(&token).await.status, 200);
    }

    assert_limited(&app.ask_status(&token).await);
}

#[tokio::test]
async fn a_caller_who_comes_back_when_he_was_told_is_let_in() {
    let app = start_limited(1).await;
    let firm = app.firm().await.unwrap();
    let token = app.token_named("ann", firm);
    let began = Instant::now();
    app.ask_status(&token).await;

    let told = assert_limited(&app.ask_status(&token).await);

    let comes_back = began.elapsed() + Duration::from_secs(told);
    assert!(
        comes_back >= Duration::from_mins(1),
        "one a minute, but told to be back after {comes_back:?}"
    );
}

#[tokio::test]
async fn one_callers_limit_keeps_no_other_out() {
    let app = start_limited(1).await;
    let (firm, other) = (app.firm().await.unwrap(), app.firm().await.unwrap());
    let token = app.token_named("ann", firm);
    app.ask_status(&token).await;

    assert_limited(&app.ask_status(&token).await);

    assert_eq!(
        app.ask_status(&app.token_named("bo", firm)).await.status,
        200
    );
    assert_eq!(
        app.ask_status(&app.token_named("ann", other)).await.status,
        200
    );
    assert_eq!(
        app.send(app.ask(Method::GET, "/openapi.json"))
            .await
            .unwrap()
            .status,
        200
    );
}

#[tokio::test]
async fn a_new_token_gives_a_caller_no_new_limit() {
    let app = start_limited(1).await;
    let firm = app.firm().await.unwrap();
    let mut claims = app.tokens.claims("firm_member", Some(firm));
    let first = app.tokens.signed(&claims).unwrap();
    claims.insert("jti".into(), json!("another"));
    let second = app.tokens.signed(&claims).unwrap();

    assert_eq!(app.ask_status(&first).await.status, 200);

    assert_limited(&app.ask_status(&second).await);
}

#[tokio::test]
async fn every_public_route_is_limited() {
    let app = start_limited(1).await;
    let firm = app.firm().await.unwrap();
    let tokens = &app.tokens;
    let of_role = |role: &str| match role {
        "firm_admin" => tokens.firm_admin(firm).unwrap(),
        "operator" => tokens.operator().unwrap(),
        _ => tokens.service().unwrap(),
    };
    let operations = app.operations().await;
    for role in ["firm_admin", "operator", "service"] {
        let spent = format!("{STATUS}?firm_id={firm}");
        assert_ne!(app.get(&spent, &of_role(role)).await.unwrap().status, 429);
    }
    // A caller without a token has spent his as well; the API's description is counted apart.
    assert_eq!(
        app.send(app.ask(Method::GET, STATUS)).await.unwrap().status,
        401
    );

    for operation in operations {
        let mut request = app.ask(operation.method.clone(), &operation.path());
        if let Some(roles) = &operation.roles {
            request = request.bearer_auth(of_role(&roles[0]));
        }
        assert_limited(&app.send(request).await.unwrap());
    }
    assert_limited(
        &app.send(app.ask(Method::GET, "/openapi.json"))
            .await
            .unwrap(),
    );
    assert_limited(&app.send(app.ask(Method::GET, STATUS)).await.unwrap());
}

#[tokio::test]
async fn a_firms_callers_together_keep_no_other_firm_out() {
    let app = start_limited(2).await;
    let (firm, other) = (app.firm().await.unwrap(), app.firm().await.unwrap());
    let mut refused = 0;
    for number in 0..20 {
        refused += usize::from(
            app.ask_status(&app.token_named(&format!("person {number}"), firm))
                .await
                .status
                == 429,
        );
    }

    // As often as five of them alone.
    assert!((8..=10).contains(&refused), "{refused}");
    assert_eq!(
        app.ask_status(&app.token_named("other", other))
            .await
            .status,
        200
    );
}
