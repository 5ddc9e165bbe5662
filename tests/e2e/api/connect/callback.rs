//! Coming back from Clio: consent or none, a state that is good once, and a Clio that fails midway.

use harness::app::PUBLIC_URL;
use serde_json::json;
use url::Url;

use super::{CONNECTED, failed, query};
use crate::asking::start_without_workers;

#[tokio::test]
async fn a_firm_is_connected_by_a_person_who_consents_at_clio() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();

    let landed = app.connect(firm).await.unwrap();

    assert_eq!(landed.as_str(), CONNECTED);
    assert!(app.is_connected(firm).await);
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
