//! The account behind a connection: one firm's alone, its tokens sealed, and what a reconnect keeps, resumes or leaves behind.

use serde_json::{Value, json};

use super::{CONNECTED, failed};
use crate::asking::{STATUS, start_without_workers};
use crate::support::{SOON, start};

/// Another account that a user of the simulator may be logged in to.
fn other_login() -> Value {
    json!({ "login": {
        "account_id": 99_001, "account_name": "Other Account", "user_id": 99_002,
        "first_name": "Olga", "last_name": "Other", "email": "olga@example.com",
    } })
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
async fn a_reconnect_resumes_what_a_lost_authorisation_had_parked() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    app.change(&json!({ "revoke": true, "expire_tokens": true }))
        .await
        .unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    let parked = "select count(*) from firm_integrations where sync_status = 'error'";
    app.counted(parked, 1).await;

    app.connect(matter.firm).await.unwrap();
    app.settled(SOON).await.unwrap();

    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    assert!(app.is_connected(matter.firm).await);
    app.finish().await;
}
