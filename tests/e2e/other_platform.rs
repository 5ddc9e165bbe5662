//! A platform unlike Clio, end to end through real programs: its records are accepted first and shown later, its errors have another shape, its
//! limit is shared by all firms, and its documents need no confirmation.

use std::time::Duration;

use harness::AppSettings;
use harness::app::{Matter, Person, Platform, Upload};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{SOON, TestApp, start, start_with};

/// Longer than any record takes to show.
const LONG: Duration = Duration::from_secs(150);

async fn start_with_it(budget: &str) -> TestApp {
    start_with(AppSettings {
        workers: 2,
        test_platform: true,
        visibility_delay: Duration::from_secs(2),
        budget: budget.into(),
        ..AppSettings::default()
    })
    .await
}

impl TestApp {
    async fn change_test(&self, what: &Value) {
        self.change_at(Platform::Test, what).await.unwrap();
    }

    async fn unlimited(&self) {
        let off = json!({ "mode": "off" });
        self.limits_at(Platform::Test, &off).await.unwrap();
    }

    /// A firm with an account of its own there.
    async fn firm_there(&self, account: &str) -> Uuid {
        let firm = self.firm().await.unwrap();
        self.change_test(&json!({ "login": account })).await;
        self.connect_to(Platform::Test, firm).await.unwrap();
        firm
    }

    async fn approved(&self, firm: Uuid, client: Uuid, title: &str) -> (Matter, Upload) {
        let matter = self.matter(firm, client, title, None).await.unwrap();
        let upload = self.upload(matter, "a.pdf", None, title.as_bytes());
        let upload = upload.await.unwrap();
        self.approve(&[upload]).await.unwrap();
        (matter, upload)
    }

    async fn ann(&self, firm: Uuid) -> Uuid {
        let person = Person::new("Ann", "Lee", Some("ann.lee@example.com"));
        self.client(firm, &person).await.unwrap()
    }

    async fn there(&self) -> (usize, usize, usize) {
        self.counts_of(Platform::Test).await.unwrap()
    }

    /// Reads of one record there: each is a look.
    async fn looks_at(&self, kind: &str) -> usize {
        let calls = self.calls_to(Platform::Test).await.unwrap();
        let path = format!("GET /v1/{kind}/");
        calls.iter().filter(|call| call.starts_with(&path)).count()
    }
}

#[tokio::test]
async fn an_approved_document_stands_there_with_its_contact_and_matter() {
    let app = start_with_it("2000/1s").await;
    app.unlimited().await;
    app.change_test(&json!({ "visible_after_ms": [200, 1500] }))
        .await;
    let firm = app.firm_there("account-1").await;
    let client = app.ann(firm).await;

    let (matter, upload) = app.approved(firm, client, "Lee v. Lee").await;
    app.settled(SOON).await.unwrap();

    assert_eq!(app.there().await, (1, 1, 1));
    let held = app.held_by(Platform::Test).await.unwrap();
    assert_eq!(held["contacts"][0]["email"], json!("ann.lee@example.com"));
    assert_eq!(held["matters"][0]["title"], json!("Lee v. Lee"));
    let document = &held["documents"][0];
    assert_eq!(document["reference"], json!(upload.id));
    assert_eq!(document["fully_uploaded"], json!(true));
    assert_eq!(
        app.log_lines(firm).await.unwrap(),
        ["sync_matter success", "sync_document success"]
    );
    let answer = app.sync_to(Platform::Test, matter).await.unwrap();
    assert_eq!(answer.body["success"], json!(true), "{answer:?}");
    assert!(answer.body["testMatterId"].is_i64(), "{answer:?}");
    assert_eq!(app.there().await, (1, 1, 1));
    app.finish().await;
}

/// Shown after up to 20 s at random: one record each, and the fifty share the looks at their contact.
#[tokio::test]
async fn fifty_matters_of_one_client_wait_for_his_contact_with_shared_looks() {
    let app = start_with_it("2000/1s").await;
    app.unlimited().await;
    app.change_test(&json!({ "visible_after_ms": [0, 20_000] }))
        .await;
    let firm = app.firm_there("account-1").await;
    let at_once =
        "update firm_integrations set settings = '{\"auto_sync_on_matter_created\": true}'";
    sqlx::query(at_once).execute(&app.admin).await.unwrap();
    let client = app.ann(firm).await;

    for number in 0..50 {
        let title = format!("Matter {number}");
        let matter = app.matter(firm, client, &title, None);
        let event = json!({ "id": Uuid::from_u128(number + 1), "type": "matter.created", "firm_id": firm,
            "data": { "matter_id": matter.await.unwrap().id } });
        app.post_events(&event).await.unwrap();
    }
    app.settled(LONG).await.unwrap();

    let (contacts, matters, _) = app.there().await;
    assert_eq!((contacts, matters), (1, 50));
    assert!(app.looks_at("contacts").await <= 12);
    let superseded = "select count(*) from links where superseded_at is not null";
    assert_eq!(app.count(superseded).await.unwrap(), 0);
    app.finish().await;
}

#[tokio::test]
async fn a_record_that_never_shows_ends_in_words_and_a_retry_looks_again_and_sends_nothing() {
    let app = start_with_it("2000/1s").await;
    app.unlimited().await;
    app.change_test(&json!({ "never_visible": true })).await;
    let firm = app.firm_there("account-1").await;
    let client = app.ann(firm).await;
    app.approved(firm, client, "Lee v. Lee").await;
    app.counted("select count(*) from links where looks > 1", 1)
        .await;
    // The two minutes are the database's time.
    sqlx::query("update jobs set waiting_since = waiting_since - interval '2 minutes'")
        .execute(&app.admin)
        .await
        .unwrap();
    app.settled(SOON).await.unwrap();

    let lines = app.log_lines(firm).await.unwrap();
    assert_eq!(lines[0], "sync_matter failed not_visible");
    let accepted = "select count(*) from links where kind = 'contact' and state = 'accepted' and superseded_at is null";
    assert_eq!(app.count(accepted).await.unwrap(), 1);

    app.change_test(&json!({ "never_visible": false, "show_all": true }))
        .await;
    let id: Uuid = sqlx::query_scalar("select id from jobs where code = 'not_visible'")
        .fetch_one(&app.admin)
        .await
        .unwrap();
    let admin = app.tokens.firm_admin(firm).unwrap();
    let path = format!("/api/v1/jobs/{id}/retry");
    app.post(&path, &admin, &json!({})).await.unwrap();
    app.settled(LONG).await.unwrap();

    assert_eq!(app.there().await, (1, 1, 1));
    let failed = "select count(*) from jobs where state = 'failed'";
    assert_eq!(app.count(failed).await.unwrap(), 0);
    app.finish().await;
}

#[tokio::test]
async fn a_record_that_is_rejected_after_it_was_accepted_ends_its_link_with_the_providers_words() {
    let app = start_with_it("2000/1s").await;
    app.unlimited().await;
    app.change_test(&json!({ "visible_after_ms": [600, 900], "reject": "matter" }))
        .await;
    let firm = app.firm_there("account-1").await;
    let client = app.ann(firm).await;
    let (matter, _) = app.approved(firm, client, "Lee v. Lee").await;
    app.settled(SOON).await.unwrap();

    let (message, sealed): (String, bool) = sqlx::query_as(
        "select error_message, details ? 'provider_words' from integration_sync_logs where code = 'provider_invalid'",
    )
    .fetch_one(&app.admin)
    .await
    .unwrap();
    assert!(message.ends_with("refused it then"), "{message}");
    assert!(sealed, "the platform's words are lost");
    let rejected = "select count(*) from links where superseded_reason = 'rejected'";
    assert_eq!(app.count(rejected).await.unwrap(), 1);
    assert_eq!(app.there().await, (1, 0, 0));

    app.change_test(&json!({ "reject": "file" })).await;
    let answer = app.sync_to(Platform::Test, matter).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(app.there().await.1, 1);
    app.finish().await;
}

/// Both its limit and ours are those of the client, whatever the firm: two firms at once cause no 429.
#[tokio::test]
async fn two_firms_share_one_limit_and_never_cause_a_429() {
    let app = start_with_it("5/1s").await;
    let mut firms = Vec::new();
    for account in ["account-1", "account-2"] {
        let firm = app.firm_there(account).await;
        let client = app.ann(firm).await;
        firms.push((firm, client));
    }
    for number in 0..3 {
        for (firm, client) in &firms {
            app.approved(*firm, *client, &format!("Matter {number}"))
                .await;
        }
    }
    app.settled(LONG).await.unwrap();

    assert_eq!(app.there().await, (2, 6, 6));
    let held = app.held_by(Platform::Test).await.unwrap();
    assert_eq!(held["stats"]["answered_429"], json!(0));
    let buckets = "select count(*) from buckets where key like 'test:%'";
    assert_eq!(app.count(buckets).await.unwrap(), 1);
    app.finish().await;
}

#[tokio::test]
async fn answers_that_are_lost_there_lead_to_no_second_record() {
    let app = start_with_it("2000/1s").await;
    app.unlimited().await;
    app.change_test(&json!({ "visible_after_ms": [0, 1_000] }))
        .await;
    let firm = app.firm_there("account-1").await;
    let client = app.ann(firm).await;
    for path in ["/v1/contacts", "/v1/matters", "/v1/matters/*/files"] {
        let lost = json!({ "lose_answer": true });
        app.fault_at(Platform::Test, "POST", path, 1, &lost)
            .await
            .unwrap();
    }

    app.approved(firm, client, "Lee v. Lee").await;
    app.settled(SOON).await.unwrap();

    assert_eq!(app.there().await, (1, 1, 1));
    assert_eq!(
        app.log_lines(firm).await.unwrap(),
        ["sync_matter success", "sync_document success"]
    );
    app.finish().await;
}

/// The address is corrected while the contact is accepted and not shown yet: it is the same person, and no second one is sent.
#[tokio::test]
async fn an_address_that_is_corrected_before_the_contact_shows_leads_to_no_second_contact() {
    let app = start_with_it("2000/1s").await;
    app.unlimited().await;
    app.change_test(&json!({ "visible_after_ms": [2_500, 3_000] }))
        .await;
    let firm = app.firm_there("account-1").await;
    let client = app.ann(firm).await;
    app.approved(firm, client, "Lee v. Lee").await;
    app.counted("select count(*) from links where state = 'accepted'", 1)
        .await;
    sqlx::query("update clients set email = 'corrected@example.com'")
        .execute(&app.admin)
        .await
        .unwrap();
    app.settled(SOON).await.unwrap();

    assert_eq!(app.there().await, (1, 1, 1));
    app.finish().await;
}

/// The two minutes count for each record: a job that waited long for its contact has them again for its matter.
#[tokio::test]
async fn each_record_has_its_own_two_minutes() {
    let app = start_with_it("2000/1s").await;
    app.unlimited().await;
    app.change_test(&json!({ "never_visible": true })).await;
    let firm = app.firm_there("account-1").await;
    let client = app.ann(firm).await;
    app.approved(firm, client, "Lee v. Lee").await;
    app.counted("select count(*) from links where looks > 1", 1)
        .await;
    sqlx::query("update jobs set waiting_since = waiting_since - interval '114 seconds'")
        .execute(&app.admin)
        .await
        .unwrap();
    app.change_test(
        &json!({ "never_visible": false, "show_all": true, "visible_after_ms": [9_000, 9_000] }),
    )
    .await;
    app.settled(SOON).await.unwrap();

    assert_eq!(app.there().await, (1, 1, 1));
    let failed = "select count(*) from jobs where state = 'failed'";
    assert_eq!(app.count(failed).await.unwrap(), 0);
    app.finish().await;
}

/// A look finds the announced file, whose own read does not show it yet: it is waited for, and not announced a second time.
#[tokio::test]
async fn a_file_that_a_look_has_found_and_that_does_not_show_yet_is_waited_for() {
    let app = start_with_it("2000/1s").await;
    app.unlimited().await;
    let firm = app.firm_there("account-1").await;
    let client = app.ann(firm).await;
    app.approved(firm, client, "Lee v. Lee").await;
    app.settled(SOON).await.unwrap();
    app.change_test(&json!({ "visible_after_ms": [20_000, 20_000] }))
        .await;
    let lost = json!({ "lose_answer": true });
    app.fault_at(Platform::Test, "POST", "/v1/matters/*/files", 1, &lost)
        .await
        .unwrap();
    let matter: Uuid = sqlx::query_scalar("select id from matters")
        .fetch_one(&app.admin)
        .await
        .unwrap();
    let matter = Matter {
        id: matter,
        firm,
        client,
    };
    let upload = app.upload(matter, "b.pdf", None, b"b").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    app.settled(LONG).await.unwrap();

    assert_eq!(app.there().await, (1, 1, 2));
    let failed = "select count(*) from jobs where state = 'failed'";
    assert_eq!(app.count(failed).await.unwrap(), 0);
    app.finish().await;
}

/// One firm on both platforms: each event reaches both.
#[tokio::test]
async fn a_firm_on_two_platforms_has_everything_on_both() {
    let app = start_with_it("2000/1s").await;
    app.unlimited().await;
    let firm = app.firm_there("account-1").await;
    app.connect(firm).await.unwrap();
    let client = app.ann(firm).await;

    app.approved(firm, client, "Lee v. Lee").await;
    app.settled(SOON).await.unwrap();

    assert_eq!(app.there().await, (1, 1, 1));
    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    app.finish().await;
}

#[tokio::test]
async fn the_shipped_programs_refuse_the_word() {
    let app = start().await;
    let firm = app.firm().await.unwrap();
    let admin = app.tokens.firm_admin(firm).unwrap();
    let operator = app.tokens.operator().unwrap();

    let status = app.get("/api/v1/integrations/test/status", &admin).await;
    assert_eq!(status.unwrap().status, 404);
    let nothing = json!({});
    let connect = app.post("/api/v1/integrations/test/connect", &admin, &nothing);
    assert_eq!(connect.await.unwrap().status, 404);
    let jobs = app.get("/api/v1/jobs?platform=test", &operator).await;
    assert_eq!(jobs.unwrap().status, 422);
    let pause = json!({ "scope": "platform:test", "reason": "none" });
    let paused = app.post("/api/v1/pauses", &operator, &pause).await;
    assert_eq!(paused.unwrap().status, 422);
    let known = "select count(*) from platforms where platform = 'test'";
    assert_eq!(app.count(known).await.unwrap(), 0);
    app.finish().await;
}
