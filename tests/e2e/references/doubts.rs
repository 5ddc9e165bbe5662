//! Records that a person at the provider changes between a lost answer and the look.

use std::time::Duration;

use harness::app::{Matter, Person};
use harness::{AppSettings, eventually};
use serde_json::{Value, json};

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
    app.finish().await;
}
