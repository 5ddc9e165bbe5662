//! The cookie that ties a connect to the browser that began it.

use harness::AppSettings;
use harness::app::PUBLIC_URL;
use url::Url;

use super::{CONNECTED, failed};
use crate::asking::start_without_workers;
use crate::support::start_with;

const PLAIN_URL: &str = "http://127.0.0.1:1";

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
