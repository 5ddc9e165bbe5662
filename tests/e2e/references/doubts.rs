//! Records that a person at the provider changes between a lost answer and the look.

use std::time::Duration;

use harness::app::{Matter, Person};
use harness::{AppSettings, eventually};
use serde_json::{Value, json};
use uuid::Uuid;

use super::EMAIL;
use crate::support::{SOON, TestApp, start_with};

/// Loses the answer to the first creation in this collection. Returns what is held there now: its creation is in doubt.
async fn lose(collection: &str, email: &str) -> (TestApp, Matter, Value) {
    let app = start_with(AppSettings {
        visibility_delay: Duration::from_secs(4),
        ..AppSettings::default()
    })
    .await;
    let firm = app.firm().await.unwrap();
    app.connect(firm).await.unwrap();
    let person = Person::new("Ann", "Lee", Some(email));
    let client = app.client(firm, &person).await.unwrap();
    let matter = app.matter(firm, client, "First", None).await.unwrap();
    let lost = json!({ "lose_answer": true });
    let path = format!("/api/v4/{collection}.json");
    app.fault("POST", &path, 1, &lost).await.unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    let held = eventually(SOON, || async {
        let clio = app.clio().await.unwrap();
        clio[collection].get(0).map(|record| record["id"].clone())
    });
    let id = held.await.unwrap();
    (app, matter, id)
}

/// A person at Clio corrects the address while the creation is in doubt: what is there may be it, so nothing more is sent. When CaseHug is
/// corrected in the same way, it is found.
#[tokio::test]
async fn a_contact_whose_address_is_corrected_at_clio_within_the_doubt_is_never_doubled() {
    let (app, matter, id) = lose("contacts", "an.lee@example.com").await;
    let corrected = json!([{ "name": "Work", "address": EMAIL }]);
    app.change(&json!({ "update": { "kind": "contact", "id": id, "data": { "type": "Person", "email_addresses": corrected } } }))
        .await
        .unwrap();
    app.settled(SOON).await.unwrap();

    let lines = app.log_lines(matter.firm).await.unwrap();
    assert!(
        lines.contains(&"sync_matter failed duplicate_suspected".to_owned()),
        "{lines:?}"
    );
    assert_eq!(app.clio_counts().await.unwrap(), (1, 0, 0));

    sqlx::query("update clients set email = $1")
        .bind(EMAIL)
        .execute(&app.admin)
        .await
        .unwrap();
    let answer = app.sync(matter).await.unwrap();

    assert_eq!(answer.body["success"], json!(true), "{answer:?}");
    app.settled(SOON).await.unwrap();
    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    app.finish().await;
}

/// The contact is merged into an older one while a creation is in doubt: of itself, or of the matter under it.
#[tokio::test]
async fn a_contact_that_is_merged_within_the_doubt_leads_to_no_second_record() {
    for lost in ["contacts", "matters"] {
        let (app, _, _) = lose(lost, EMAIL).await;
        let older = json!({ "create_contact": { "type": "Person", "first_name": "Ann", "last_name": "Lee",
            "email_addresses": [{ "name": "Home", "address": EMAIL }] } });
        app.change(&older).await.unwrap();
        let clio = app.clio().await.unwrap();
        let ids = [0, 1].map(|number| clio["contacts"][number]["id"].clone());
        app.change(&json!({ "merge": { "contact": ids[0], "into": ids[1] } }))
            .await
            .unwrap();

        app.settled(SOON).await.unwrap();

        assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1), "{lost}");
        app.finish().await;
    }
}

/// A person empties the reference, which looks like rubbish, while the creation is in doubt: the matter may be the one, so no second is sent.
#[tokio::test]
async fn a_matter_whose_reference_a_person_empties_within_the_doubt_is_never_doubled() {
    let (app, matter, id) = lose("matters", EMAIL).await;
    let emptied = json!({ "kind": "matter", "id": id, "data": { "client_reference": "" } });
    app.change(&json!({ "update": emptied })).await.unwrap();
    app.settled(SOON).await.unwrap();

    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 0));
    let lines = app.log_lines(matter.firm).await.unwrap();
    assert!(
        lines.contains(&"sync_matter failed duplicate_suspected".to_owned()),
        "{lines:?}"
    );
    choose(&app, matter, &id).await;
    app.finish().await;
}

/// A firm's admin says which record it is: none but a named one, and only once.
async fn choose(app: &TestApp, matter: Matter, id: &Value) {
    let failed = "select id from jobs where state = 'failed' and code = 'duplicate_suspected'";
    let job: Uuid = sqlx::query_scalar(failed)
        .fetch_one(&app.admin)
        .await
        .unwrap();
    let token = app.tokens.firm_admin(matter.firm).unwrap();
    let path = format!("/api/v1/jobs/{job}/adopt");
    for wrong in [
        json!({ "external_id": "1" }),
        json!({ "external_id": "" }),
        json!({ "external_id": format!("{id}\u{0}") }),
        json!({ "external_id": id }),
        json!({}),
        json!({ "external_id": id.to_string(), "more": 1 }),
    ] {
        let refused = app.post(&path, &token, &wrong).await.unwrap();
        assert_eq!(refused.status, 422, "{wrong}: {refused:?}");
    }
    let chosen = json!({ "external_id": id.to_string() });
    let of_another = app.tokens.firm_admin(Uuid::from_u128(7)).unwrap();
    assert_eq!(
        app.post(&path, &of_another, &chosen).await.unwrap().status,
        404
    );
    app.clear_clio_calls().await.unwrap();

    let answer = app.post(&path, &token, &chosen).await.unwrap();
    assert_eq!(answer.body, json!({ "outcome": "queued" }));
    app.settled(SOON).await.unwrap();

    let again = app.post(&path, &token, &chosen).await.unwrap();
    assert_eq!(again.status, 409, "{again:?}");
    let calls = app.clio_calls().await.unwrap();
    assert!(
        !calls
            .iter()
            .any(|call| call.starts_with("POST /api/v4/matters")
                || call.starts_with("POST /api/v4/contacts")),
        "{calls:?}"
    );
    let linked = "select count(*) from links k join integration_sync_logs l on l.matter_id = k.record_id and l.external_id = k.external_id
        where k.kind = 'matter' and k.state = 'linked' and k.swept = 2 and l.status = 'success' and l.details->'suspected' is null";
    assert_eq!(app.count(linked).await.unwrap(), 1);
    let recorded = "select count(*) from activity where kind = 'adopt_record' and details->>'external_id' is not null";
    assert_eq!(app.count(recorded).await.unwrap(), 1);
}
