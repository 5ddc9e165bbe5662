//! What Clio answered is read to its end: words in any shape, odd members, waits for nothing, lists without an end.

use harness::app::{Matter, Person};
use harness::eventually;
use serde_json::{Value, json};

use crate::support::{SOON, TestApp, start};
use crate::trouble::LEFT;

const LAST_ROW: &str =
    "select count(*) from integration_sync_logs where action = 'sync_matter' and status = 'failed'";

/// The message, code, resolution and sealed words of the failed row.
async fn failed(app: &TestApp) -> (String, String, String, bool) {
    app.counted(LAST_ROW, 1).await;
    sqlx::query_as(
        "select error_message, code, coalesce(details->>'resolution', ''), details ? 'provider_words' from integration_sync_logs
         where action = 'sync_matter' and status = 'failed' order by created_at desc limit 1",
    )
    .fetch_one(&app.admin)
    .await
    .unwrap()
}

/// Approves a document and ends waits until its matter has failed.
async fn approve_in_vain(app: &TestApp, matter: Matter) {
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    eventually(SOON, || async {
        app.end_waits().await;
        (app.count(LAST_ROW).await.ok()? == 1).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_refusal_in_any_shape_keeps_its_words_sealed_and_shows_the_fields_that_it_names() {
    let app = start().await;
    let firm = app.firm().await.unwrap();
    app.connect(firm).await.unwrap();
    let own = |status: u16| json!({ "status": status, "body": { "error": { "type": "ForbiddenError", "message": "You cannot add documents to a closed matter" } } });
    let refused = |body: Value| json!({ "status": 422, "body": body });
    for (number, (answer, code, message, resolution)) in [
        (
            refused(json!({ "errors": { "description": ["is invalid"] } })),
            "provider_invalid",
            "(HTTP 422): description",
            "correct",
        ),
        (
            refused(json!({ "error": { "message": ["client", "b"] } })),
            "provider_invalid",
            "(HTTP 422): client",
            "correct",
        ),
        (
            refused(json!({ "message": "Marked Person, born 1985-01-02" })),
            "provider_invalid",
            "(HTTP 422)",
            "correct",
        ),
        (
            refused(json!([{ "detail": "no", "field": "client_reference" }])),
            "provider_invalid",
            "client_reference",
            "correct",
        ),
        (
            refused(json!("<html>Marked Person</html>")),
            "provider_invalid",
            "(HTTP 422)",
            "correct",
        ),
        (
            own(402),
            "provider_invalid",
            "(HTTP 402): ForbiddenError",
            "bills",
        ),
        (
            own(423),
            "provider_invalid",
            "(HTTP 423): ForbiddenError",
            "unlock",
        ),
        (
            own(403),
            "provider_forbidden",
            "ForbiddenError",
            "permissions",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let person = Person::new("Ann", "Lee", Some(&format!("ann{number}@example.com")));
        let client = app.client(firm, &person).await.unwrap();
        let matter = app.matter(firm, client, "Lee v. Lee", None).await.unwrap();
        app.fault("POST", "/api/v4/matters.json", 1, &answer)
            .await
            .unwrap();
        app.sync(matter).await.unwrap();

        let (said, its_code, advice, sealed) = failed(&app).await;
        assert!(said.contains(message), "{answer}: {said}");
        assert!(!said.contains("Marked"), "{answer}: {said}");
        assert_eq!(its_code, code, "{answer}");
        assert!(advice.contains(resolution), "{answer}: {advice}");
        assert!(sealed, "{answer}");
        sqlx::query("delete from integration_sync_logs")
            .execute(&app.admin)
            .await
            .unwrap();
        sqlx::query("delete from jobs")
            .execute(&app.admin)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_page_of_the_edge_is_no_word_about_a_right() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    for (path, status) in [
        ("/api/v4/contacts", 403),
        ("/api/v4/matters", 404),
        ("/api/v4/matters", 403),
    ] {
        let page = json!({ "status": status, "body": "<html>Attention Required!</html>" });
        app.fault("POST", path, 1, &page).await.unwrap();
    }
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    eventually(SOON, || async {
        app.end_waits().await;
        // A creation that an edge refused is in doubt: it is looked for when its time is over.
        sqlx::query("update links set send_until = send_until - interval '1 minute' where state = 'creating'")
            .execute(&app.admin)
            .await
            .ok()?;
        (app.count(LEFT).await.ok()? == 0).then_some(())
    })
    .await
    .unwrap();

    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    app.finish().await;
}

#[tokio::test]
async fn a_failure_that_is_final_promises_no_retry() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    app.fault(
        "POST",
        "/api/v4/contacts.json",
        100,
        &json!({ "status": 500 }),
    )
    .await
    .unwrap();
    app.fault(
        "GET",
        "/api/v4/contacts.json",
        100,
        &json!({ "status": 500 }),
    )
    .await
    .unwrap();
    approve_in_vain(&app, matter).await;

    let (_, code, advice, _) = failed(&app).await;
    assert_eq!(code, "provider_unavailable");
    assert!(
        !advice.contains("automatically") && advice.contains("status.clio.com"),
        "{advice}"
    );
    app.clear_faults().await.unwrap();
    app.settled(SOON).await.unwrap();
}

#[tokio::test]
async fn a_limit_that_asks_to_wait_for_nothing_is_waited_for_and_fails_no_job() {
    let app = start().await;
    for (number, header) in ["0", "-1", "Wed, 21 Oct 2015 07:28:00 GMT", "0.0"]
        .into_iter()
        .enumerate()
    {
        let person = Person::new("Ann", "Lee", None);
        let matter = app.firm_with_matter(7000 + number, &person).await;
        let limited = json!({ "status": 429, "headers": { "retry-after": header }, "body": { "error": { "type": "RateLimited", "message": "no" } } });
        app.fault("POST", "/api/v4/contacts.json", 6, &limited)
            .await
            .unwrap();
        app.clear_clio_calls().await.unwrap();
        app.sync(matter).await.unwrap();
        app.settled(SOON).await.unwrap();

        let lines = app.log_lines(matter.firm).await.unwrap();
        assert_eq!(lines, ["sync_matter success"], "{header}");
        app.clear_faults().await.unwrap();
    }
    app.finish().await;
}

#[tokio::test]
async fn a_list_that_goes_round_in_circles_counts_attempts_and_ends() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let circle = json!({ "status": 200, "body": { "data": [],
        "meta": { "paging": { "next": "https://app.clio.com/api/v4/contacts.json?page_token=same" } } } });
    app.fault("GET", "/api/v4/contacts.json", 1_000_000, &circle)
        .await
        .unwrap();
    app.clear_clio_calls().await.unwrap();
    approve_in_vain(&app, matter).await;

    let (said, code, ..) = failed(&app).await;
    assert_eq!(code, "provider_unreadable", "{said}");
    let calls = app.clio_calls().await.unwrap().len();
    assert!(calls <= 8 * 3, "{calls} calls");
    app.clear_faults().await.unwrap();
}

#[tokio::test]
async fn a_redacted_record_and_an_area_without_a_name_stop_nobody() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let redacted = json!({ "status": 200, "body": { "data": [null, { "id": 7, "email_addresses": null, "first_name": null }],
        "meta": { "paging": { "next": "" } } } });
    app.fault("GET", "/api/v4/contacts.json", 1, &redacted)
        .await
        .unwrap();
    let areas = json!({ "status": 200, "body": { "data": [{ "id": 9, "name": null }, null], "meta": null } });
    app.fault("GET", "/api/v4/practice_areas.json", 1, &areas)
        .await
        .unwrap();

    let answer = app.sync(matter).await.unwrap();

    assert_eq!(answer.body["success"], json!(true), "{answer:?}");
    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 0));
    app.finish().await;
}

#[tokio::test]
async fn a_version_of_the_api_that_is_gone_alarms_and_its_jobs_wait() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    app.fault("GET", "/api/v4/contacts.json", 1, &json!({ "status": 410 }))
        .await
        .unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    app.counted(
        "select count(*) from jobs where waiting_for = 'misconfigured' and attempts = 0",
        1,
    )
    .await;
    app.misconfigured_once().await;
    app.end_waits().await;
    app.settled(SOON).await.unwrap();

    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    app.finish().await;
}

#[tokio::test]
async fn one_firms_odd_row_stops_no_other_and_itself_as_little_as_can_be() {
    let app = start().await;
    let mut firms = Vec::new();
    for (number, settings) in [
        json!({ "auto_sync_on_approval": null }),
        json!({ "auto_sync_on_approval": [1] }),
        json!({ "case_type_mappings": 7 }),
        json!({ "case_type_mappings": { "custody_only": null } }),
        json!({ "of_a_newer_release": { "deep": [null] } }),
        json!([]),
        json!("text"),
        json!({}),
    ]
    .into_iter()
    .enumerate()
    {
        let person = Person::new("Ann", "Lee", None);
        let matter = app.firm_with_matter(6000 + number, &person).await;
        let odd = "update firm_integrations set settings = $2 where firm_id = $1";
        sqlx::query(odd)
            .bind(matter.firm)
            .bind(&settings)
            .execute(&app.admin)
            .await
            .unwrap();
        firms.push((
            matter.firm,
            app.upload(matter, "a.pdf", None, b"a").await.unwrap(),
        ));
    }
    // A region that only a newer release knows: that firm's event waits, and nobody else's.
    let (newer, _) = firms[7];
    let region = |to: &'static str| {
        let change = sqlx::query("update firm_integrations set region = $2 where firm_id = $1");
        change.bind(newer).bind(to).execute(&app.admin)
    };
    let any = "alter table firm_integrations drop constraint firm_integrations_region_check";
    sqlx::query(any).execute(&app.admin).await.unwrap();
    region("mars").await.unwrap();
    let uploads: Vec<_> = firms.iter().map(|(_, upload)| *upload).collect();
    app.approve(&uploads).await.unwrap();
    app.counted("select count(*) from integration_sync_logs where action = 'sync_document' and status = 'success'", 7)
        .await;
    app.counted(
        "select count(*) from events where status = 'waiting' and reason = 'unreadable_connection'",
        1,
    )
    .await;
    region("us").await.unwrap();
    sqlx::query("update events set look_at = now() where look_at is not null")
        .execute(&app.admin)
        .await
        .unwrap();
    app.settled(SOON).await.unwrap();

    assert_eq!(app.clio_counts().await.unwrap(), (8, 8, 8));
    app.finish().await;
}

/// As large as seven parts.
const SEVEN_PARTS: usize = 7 * 16 * 1024 * 1024;

#[tokio::test]
async fn a_transfer_stops_between_its_parts_when_its_job_or_connection_may_not_go_on() {
    let app = start().await;
    let bytes = vec![b'x'; SEVEN_PARTS];
    let stops = [
        ("update jobs set cancelled_at = now()", "cancelled"),
        (
            "insert into pauses (scope, reason, until, author, created_at) values ('all', 'paused', now() + interval '1 hour', 'x', now())",
            "paused",
        ),
        (
            "update firm_integrations set epoch = epoch + 1",
            "connection changed",
        ),
    ];
    for (number, (stop, name)) in stops.into_iter().enumerate() {
        let person = Person::new("Ann", "Lee", None);
        let matter = app.firm_with_matter(5000 + number, &person).await;
        let upload = app.upload(matter, "a.pdf", None, &bytes).await.unwrap();
        app.fault("PUT", "/storage/", 1, &json!({ "delay_ms": 3000 }))
            .await
            .unwrap();
        app.approve(&[upload]).await.unwrap();
        // The first part is on its way.
        eventually(SOON, || async {
            (app.faults_left().await.ok()? == 0).then_some(())
        })
        .await
        .unwrap();
        sqlx::query(stop).execute(&app.admin).await.unwrap();
        app.counted("select count(*) from lanes where transferring", 0)
            .await;

        let parts = "select count(*) from attempts, jsonb_array_elements(calls) call where call->>'path' = '(signed transfer)'";
        assert_eq!(app.count(parts).await.unwrap(), 1, "{name}");
        for clean in [
            "delete from pauses",
            "delete from attempts",
            "update jobs set cancelled_at = now()",
        ] {
            sqlx::query(clean).execute(&app.admin).await.unwrap();
        }
        app.end_waits().await;
        app.settled(SOON).await.unwrap();
        sqlx::query("delete from attempts")
            .execute(&app.admin)
            .await
            .unwrap();
    }
}
