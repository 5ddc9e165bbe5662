//! What a platform's sign-in says: only its final word ends an authorisation, and everything else passes.

use harness::app::{Matter, Person};
use harness::{AppSettings, eventually};
use serde_json::{Value, json};

use crate::support::{SOON, TestApp, start, start_with};
use crate::trouble::LOOK;

const TOKEN: &str = "/oauth/token";
const PARKED: &str =
    "select count(*) from firm_integrations where needs_reconnect_reason is not null";

async fn firm_with_matter(app: &TestApp, number: usize) -> Matter {
    let person = Person::new("Ann", "Lee", Some(&format!("ann{number}@example.com")));
    app.firm_with_matter(9000 + number, &person).await
}

async fn approve(app: &TestApp, matter: Matter) {
    let bytes = shared::clock::new_id().to_string();
    let upload = app
        .upload(matter, "a.pdf", None, bytes.as_bytes())
        .await
        .unwrap();
    app.approve(&[upload]).await.unwrap();
}

/// Answers of a token endpoint that say nothing for good about a grant.
fn troubles() -> Vec<(&'static str, Value)> {
    let html = "<html><body>Attention Required!</body></html>";
    let refused =
        |status: u16, error: &str| json!({ "status": status, "body": { "error": error } });
    vec![
        ("503 page", json!({ "status": 503, "body": html })),
        ("429", refused(429, "rate_limited")),
        ("our own secret", refused(401, "invalid_client")),
        ("our own request", refused(400, "invalid_request")),
        (
            "another shape",
            json!({ "status": 400, "body": { "error": { "type": "invalid_grant" } } }),
        ),
        // Of the same kind.
        ("our own application", refused(400, "unauthorized_client")),
        ("unsupported grant", refused(400, "unsupported_grant_type")),
        ("temporary", refused(400, "temporarily_unavailable")),
        ("server error in JSON", refused(400, "server_error")),
        (
            "final word of a broken server",
            refused(500, "invalid_grant"),
        ),
        ("final word of a limit", refused(429, "invalid_grant")),
        ("final word of an edge", refused(403, "invalid_grant")),
        (
            "another member",
            json!({ "status": 400, "body": { "message": "invalid_grant" } }),
        ),
        (
            "final word as a page",
            json!({ "status": 400, "body": "invalid_grant" }),
        ),
        (
            "final word in a list",
            json!({ "status": 400, "body": [{ "error": "invalid_grant" }] }),
        ),
        ("firewall", json!({ "status": 403, "body": html })),
        ("not found", json!({ "status": 404, "body": html })),
        ("time-out", json!({ "status": 408 })),
        ("gateway", json!({ "status": 502 })),
        (
            "long Retry-After",
            json!({ "status": 503, "headers": { "retry-after": 600 } }),
        ),
        (
            "elsewhere",
            json!({ "status": 302, "headers": { "location": "https://example.com/" } }),
        ),
        ("page as success", json!({ "status": 200, "body": html })),
        ("nothing as success", json!({ "status": 200 })),
        ("no token", json!({ "status": 200, "body": {} })),
        (
            "null token",
            json!({ "status": 200, "body": { "access_token": null } }),
        ),
        (
            "number as token",
            json!({ "status": 200, "body": { "access_token": 5 } }),
        ),
        ("list as success", json!({ "status": 200, "body": [] })),
        ("lost answer", json!({ "lose_answer": true })),
    ]
}

#[tokio::test]
async fn no_trouble_of_a_sign_in_asks_a_person_to_reconnect() {
    let app = start().await;
    for (number, (name, trouble)) in troubles().into_iter().enumerate() {
        harness::say(name);
        let matter = firm_with_matter(&app, number).await;
        app.change(&json!({ "expire_tokens": true })).await.unwrap();
        // A lost answer is asked for again at once.
        app.fault("POST", TOKEN, 2, &trouble).await.unwrap();
        approve(&app, matter).await;
        app.done().await;
        app.clear_faults().await.unwrap();

        assert_eq!(app.count(PARKED).await.unwrap(), 0, "{name}");
        let lines = app.log_lines(matter.firm).await.unwrap();
        assert!(
            lines.len() == 2 && lines.iter().all(|line| line.contains("success")),
            "{name}: {lines:?}"
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn a_grant_is_kept_whatever_its_lifetime_says() {
    let app = start().await;
    let (matter, mut version) = (firm_with_matter(&app, 0).await, 1);
    for said in [
        json!("3600"),
        json!(3600.0),
        json!(null),
        json!(-5),
        json!("soon"),
        json!({ "seconds": 3600 }),
    ] {
        app.change(&json!({ "expire_tokens": true })).await.unwrap();
        let answer = json!({ "members": { "expires_in": said } });
        app.fault("POST", TOKEN, 1, &answer).await.unwrap();
        approve(&app, matter).await;
        app.done().await;

        let now = "select max(token_version) from firm_integrations";
        version += 1;
        assert_eq!(app.count(now).await.unwrap(), version, "{said}");
        assert_eq!(app.count(PARKED).await.unwrap(), 0, "{said}");
        app.clear_faults().await.unwrap();
    }
    app.finish().await;
}

#[tokio::test]
async fn a_refused_token_is_never_used_again() {
    let app = start().await;
    let matter = firm_with_matter(&app, 0).await;
    // The platform ends it early; by our clock it is good for two hours.
    app.change(&json!({ "expire_tokens": true })).await.unwrap();
    app.fault("POST", TOKEN, 5, &json!({ "status": 503 }))
        .await
        .unwrap();
    approve(&app, matter).await;
    approve(&app, matter).await;
    app.done().await;

    let refused = "select count(*) from attempts, jsonb_array_elements(calls) call where call->>'status' = '401'";
    assert_eq!(app.count(refused).await.unwrap(), 1);
    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 2));
    app.finish().await;
}

#[tokio::test]
async fn a_refresh_that_hangs_keeps_nobody_who_has_a_good_token() {
    let app = start().await;
    app.change(&json!({ "token_ttl_secs": 240 })).await.unwrap();
    let matter = firm_with_matter(&app, 0).await;
    app.fault("POST", TOKEN, 1000, &json!({ "hang": true }))
        .await
        .unwrap();

    let answer = app.sync(matter).await.unwrap();

    // The wait of a request ends long before a hanging refresh does.
    assert_eq!(answer.body["success"], json!(true), "{answer:?}");
    app.clear_faults().await.unwrap();
    app.finish().await;
}

#[tokio::test]
async fn a_refusal_of_an_old_grant_does_not_park_the_one_that_came_meanwhile() {
    let app = start().await;
    let matter = firm_with_matter(&app, 0).await;
    app.change(&json!({ "expire_tokens": true, "revoke": true }))
        .await
        .unwrap();
    app.fault("POST", TOKEN, 1, &json!({ "delay_ms": 3000 }))
        .await
        .unwrap();
    approve(&app, matter).await;
    let refreshing = "select count(*) from firm_integrations where refreshing_until > now()";
    app.counted(refreshing, 1).await;

    app.connect(matter.firm).await.unwrap();
    app.done().await;

    assert_eq!(app.count(PARKED).await.unwrap(), 0);
    assert_eq!(
        app.count("select count(*) from pauses where reason = 'needs_reconnect'")
            .await
            .unwrap(),
        0
    );
    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    app.finish().await;
}

const REFUSED: &str = "select max(refusals)::bigint from firm_integrations";

async fn refuse_calls(app: &TestApp, times: u32) {
    let refused = json!({ "status": 401, "body": { "error": "invalid_token", "error_description": "revoked" } });
    for method in ["GET", "POST", "PATCH"] {
        app.fault(method, "/api/v4/", times, &refused)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn refusals_of_fresh_tokens_that_pass_ask_nobody() {
    let app = start().await;
    let matter = firm_with_matter(&app, 0).await;
    // The call, the call with a fresh token, and the question whose it is.
    refuse_calls(&app, 3).await;
    approve(&app, matter).await;
    app.counted(REFUSED, 1).await;
    app.counted(
        "select count(*) from pauses where reason = 'retry_after'",
        1,
    )
    .await;
    app.clear_faults().await.unwrap();
    app.done().await;

    assert_eq!(app.count(REFUSED).await.unwrap(), 0);
    assert_eq!(app.count(PARKED).await.unwrap(), 0);
    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    app.finish().await;
}

#[tokio::test]
async fn refusals_that_stay_park_and_an_answer_to_the_hourly_try_heals() {
    let app = start().await;
    let matter = firm_with_matter(&app, 0).await;
    refuse_calls(&app, 1_000_000).await;
    approve(&app, matter).await;
    eventually(SOON, || async {
        app.end_waits().await;
        (app.count(PARKED).await.ok()? == 1).then_some(())
    })
    .await
    .unwrap();
    let hour = "select count(*) from pauses where reason = 'needs_reconnect'
      and until between now() + interval '50 minutes' and now() + interval '1 hour'";
    assert_eq!(app.count(hour).await.unwrap(), 1);
    // At least four refresh tokens were used: each question had a fresh token.
    assert!(
        app.count("select max(token_version) from firm_integrations")
            .await
            .unwrap()
            >= 5
    );

    // The hour is over, in vain.
    let over = "update pauses set until = now() where reason = 'needs_reconnect'";
    let tries = app.clio_calls().await.unwrap().len();
    for statement in [over, LOOK] {
        sqlx::query(statement).execute(&app.admin).await.unwrap();
    }
    app.counted(hour, 1).await;
    assert!(app.clio_calls().await.unwrap().len() > tries);

    // And once more, with all waiting work taken away: the try needs none.
    app.clear_faults().await.unwrap();
    for statement in [
        over,
        "update jobs set run_at = now() + interval '1 hour'",
        "update lanes set ready_at = now() + interval '1 hour' where ready_at is not null",
        "delete from schedules where name = 'refresh_tokens'",
        LOOK,
    ] {
        sqlx::query(statement).execute(&app.admin).await.unwrap();
    }
    app.counted(PARKED, 0).await;
    app.done().await;

    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    app.finish().await;
}

#[tokio::test]
async fn credentials_that_a_platform_refuses_alarm_operators_and_ask_no_firm() {
    let app = start().await;
    let matter = firm_with_matter(&app, 0).await;
    app.change(&json!({ "expire_tokens": true })).await.unwrap();
    let refused = json!({ "status": 401, "body": { "error": "invalid_client" } });
    app.fault("POST", TOKEN, 1_000_000, &refused).await.unwrap();
    approve(&app, matter).await;
    app.counted(
        "select count(*) from pauses where reason = 'misconfigured'",
        1,
    )
    .await;
    let waits = "select count(*) from jobs where waiting_for = 'misconfigured' and attempts = 0";
    app.counted(waits, 1).await;
    app.misconfigured_once().await;

    app.clear_faults().await.unwrap();
    app.done().await;

    assert_eq!(app.count(PARKED).await.unwrap(), 0);
    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    app.finish().await;
}

const FIRMS: usize = 300;

/// An hour without a sign-in: the API refuses all tokens, the token endpoint is away. The breaker's tries are brought forward.
#[tokio::test]
async fn an_outage_of_the_login_parks_no_firm_and_is_made_up_for() {
    let app = start_with(AppSettings {
        workers: 2,
        ..AppSettings::default()
    })
    .await;
    let mut matters = Vec::new();
    for number in 0..FIRMS {
        matters.push(firm_with_matter(&app, number).await);
    }
    let refused = json!({ "status": 401, "body": { "error": "invalid_token", "error_description": "expired" } });
    for (method, path, answer) in [
        (
            "POST",
            TOKEN,
            &json!({ "status": 503, "body": "<html>away</html>" }),
        ),
        ("GET", "/api/v4/", &refused),
        ("POST", "/api/v4/", &refused),
    ] {
        app.fault(method, path, 1_000_000, answer).await.unwrap();
    }
    for matter in &matters {
        approve(&app, *matter).await;
    }
    let breaker = "select count(*) from pauses where reason = 'breaker' and tries >= 20";
    eventually(4 * SOON, || async {
        app.end_waits().await;
        (app.count(breaker).await.ok()? == 1).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(app.count(PARKED).await.unwrap(), 0);
    assert_eq!(
        app.count("select count(*) from jobs where state = 'failed'")
            .await
            .unwrap(),
        0
    );

    app.clear_faults().await.unwrap();
    app.settled(5 * SOON).await.unwrap();

    assert_eq!(app.clio_counts().await.unwrap(), (FIRMS, FIRMS, FIRMS));
    app.finish().await;
}

/// A sequence counts though its transaction is rolled back.
const REFUSE: &str = "create sequence refused;
    create function refuse() returns trigger language plpgsql security definer as
      $$ begin raise exception 'refused %', nextval('public.refused'); end $$;
    create trigger refuse before update of token_version on firm_integrations
      for each row execute function refuse()";

#[tokio::test]
async fn granted_tokens_are_stored_though_the_database_refuses_them_at_first() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    sqlx::raw_sql(REFUSE).execute(&app.admin).await.unwrap();
    app.change(&json!({ "expire_tokens": true })).await.unwrap();
    approve(&app, matter).await;
    app.counted("select last_value / 3 from refused", 1).await;
    sqlx::raw_sql("drop trigger refuse on firm_integrations")
        .execute(&app.admin)
        .await
        .unwrap();
    app.done().await;

    let clio = app.clio().await.unwrap();
    assert_eq!(
        clio["stats"]["oauth_requests"],
        json!(3),
        "authorize, exchange, one refresh: its answer was not thrown away"
    );
    let version = "select max(token_version) from firm_integrations";
    assert_eq!(app.count(version).await.unwrap(), 2);
    app.finish().await;
}
