use serde_json::json;

use crate::play::{Play, send};

#[tokio::test]
async fn a_consent_leads_to_tokens_and_the_account() {
    let play = Play::start().await;

    let landed = play.authorize("").await;
    let tokens = play.exchange(&play.code().await).await;
    let grant = play.connect().await;
    let me = play
        .get(
            &grant,
            "users/who_am_i.json?fields=id,name,email,account{id,name}",
        )
        .await;

    assert_eq!(landed.status, 302);
    assert!(
        landed.header("location").ends_with("&state=s%26t"),
        "{}",
        landed.header("location")
    );
    assert_eq!(tokens.status, 200);
    assert_eq!(tokens.body["token_type"], "bearer");
    assert_eq!(tokens.body["expires_in"], 2_592_000);
    assert_eq!(
        me.body["data"]["account"],
        json!({"id": 1001, "name": "Lee & Partners"})
    );
    assert_eq!(me.body["data"]["id"], 501);
}

#[tokio::test]
async fn a_code_is_good_once_and_only_at_its_redirect() {
    let play = Play::start().await;
    let code = play.code().await;
    let other = play.code().await;

    let first = play.exchange(&code).await;
    let again = play.exchange(&code).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &other),
        ("redirect_uri", "https://x.test"),
    ];
    let elsewhere = play.token(&form).await;

    assert_eq!(first.status, 200);
    assert_eq!(
        (again.status, &again.body["error"]),
        (400, &json!("invalid_grant"))
    );
    assert_eq!(
        (elsewhere.status, &elsewhere.body["error"]),
        (400, &json!("invalid_grant"))
    );
}

#[tokio::test]
async fn a_refresh_gives_no_new_refresh_token_and_leaves_the_old_access_token_good() {
    let play = Play::start().await;
    let grant = play.connect().await;

    let refreshed = play.refresh(&grant.refresh).await;
    let with_old = play.get(&grant, "users/who_am_i").await;

    assert_eq!(refreshed.status, 200);
    assert!(refreshed.body.get("refresh_token").is_none());
    assert_eq!(with_old.status, 200);
}

#[tokio::test]
async fn the_token_endpoint_takes_forms_only_and_known_clients_only() {
    let play = Play::start().await;

    let as_json = send(play.http.post(play.url("/oauth/token")).json(&json!({})))
        .await
        .unwrap();
    let form = [("client_id", "app"), ("grant_type", "refresh_token")];
    let secretless = send(play.http.post(play.url("/oauth/token")).form(&form))
        .await
        .unwrap();

    assert_eq!(as_json.status, 400);
    assert_eq!(
        (secretless.status, &secretless.body["error"]),
        (401, &json!("invalid_client"))
    );
}

#[tokio::test]
async fn a_declined_consent_comes_back_as_access_denied_once() {
    let play = Play::start().await;
    play.control("change", json!({"decline_next": true})).await;

    let declined = play.authorize("").await;
    let granted = play.authorize("").await;

    assert!(declined.header("location").contains("error=access_denied"));
    assert!(granted.header("location").contains("code="));
}

#[tokio::test]
async fn expired_tokens_can_be_refreshed_and_revoked_ones_cannot() {
    let play = Play::start().await;
    let grant = play.connect().await;

    play.control("change", json!({"expire_tokens": true})).await;
    let expired = play.get(&grant, "users/who_am_i").await;
    let refreshed = play.refresh(&grant.refresh).await;
    play.control("change", json!({"revoke": true})).await;
    let revoked = play.refresh(&grant.refresh).await;

    assert_eq!(
        (expired.status, &expired.body["error"]),
        (401, &json!("invalid_token"))
    );
    assert!(expired.header("www-authenticate").contains("invalid_token"));
    assert_eq!(refreshed.status, 200);
    assert_eq!(
        (revoked.status, &revoked.body["error"]),
        (400, &json!("invalid_grant"))
    );
}

#[tokio::test]
async fn deauthorize_ends_the_grant() {
    let play = Play::start().await;
    let grant = play.connect().await;

    let request = play
        .http
        .post(play.url("/oauth/deauthorize"))
        .bearer_auth(&grant.access);
    let reply = send(request.form(&[("token", &grant.access)]))
        .await
        .unwrap();

    assert_eq!((reply.status, reply.text.as_str()), (200, ""));
    assert_eq!(play.get(&grant, "users/who_am_i").await.status, 401);
    assert_eq!(play.refresh(&grant.refresh).await.status, 400);
}

#[tokio::test]
async fn two_accounts_do_not_see_each_other() {
    let play = Play::start().await;
    let lee = play.connect().await;
    let contact = play.contact(&lee, "Ann", "ann@example.com").await;

    let login = json!({"account_id": 2002, "account_name": "Other LLP", "user_id": 601});
    play.control("change", json!({"login": login})).await;
    let other = play.connect().await;

    assert_eq!(
        play.get(&other, &format!("contacts/{contact}"))
            .await
            .status,
        404
    );
    assert_eq!(play.get(&other, "contacts").await.ids(), Vec::<u64>::new());
    assert_eq!(play.get(&lee, "contacts").await.ids(), [contact]);
}
