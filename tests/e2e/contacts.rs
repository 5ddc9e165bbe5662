//! One contact for each e-mail, however many jobs want it at once.

use harness::AppSettings;
use harness::app::Person;
use serde_json::{Value, json};

use crate::support::{SOON, start, start_with};

#[tokio::test]
async fn fifty_matters_of_one_client_over_four_workers_share_one_contact() {
    let app = start_with(AppSettings {
        workers: 4,
        ..AppSettings::default()
    })
    .await;
    let firm = app.firm().await.unwrap();
    app.connect(firm).await.unwrap();
    let person = Person::new("Ann", "Lee", Some("ann@example.com"));
    let client = app.client(firm, &person).await.unwrap();
    let mut uploads = Vec::new();
    for number in 0..50 {
        let matter = app
            .matter(firm, client, &format!("Matter {number}"), None)
            .await
            .unwrap();
        uploads.push(
            app.upload(matter, "a.pdf", None, format!("bytes {number}").as_bytes())
                .await
                .unwrap(),
        );
    }

    app.approve(&uploads).await.unwrap();
    app.settled(SOON).await.unwrap();

    assert_eq!(app.clio_counts().await.unwrap(), (1, 50, 50));
    app.finish().await;
}

#[tokio::test]
async fn two_clients_with_one_email_share_one_contact() {
    let app = start_with(AppSettings {
        workers: 2,
        ..AppSettings::default()
    })
    .await;
    let firm = app.firm().await.unwrap();
    app.connect(firm).await.unwrap();
    let mut uploads = Vec::new();
    for (first, email) in [
        ("Ann", "shared@example.com"),
        ("Bob", " Shared@Example.COM "),
    ] {
        let client = app
            .client(firm, &Person::new(first, "Lee", Some(email)))
            .await
            .unwrap();
        let matter = app.matter(firm, client, first, None).await.unwrap();
        uploads.push(
            app.upload(matter, "a.pdf", None, first.as_bytes())
                .await
                .unwrap(),
        );
    }

    app.approve(&uploads).await.unwrap();
    app.settled(SOON).await.unwrap();

    assert_eq!(app.clio_counts().await.unwrap(), (1, 2, 2));
    app.finish().await;
}

#[tokio::test]
async fn a_person_with_the_same_email_is_linked_and_one_that_only_resembles_it_is_not() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    for address in [
        "ANN.LEE@example.com",
        "ann.lee@example.com.au",
        "joann.lee@example.com",
    ] {
        let contact = json!({ "create_contact": { "type": "Person", "first_name": "There", "last_name": "Already",
            "email_addresses": [{ "name": "Home", "address": address }] } });
        app.change(&contact).await.unwrap();
    }

    let answer = app.sync(matter).await.unwrap();

    assert_eq!(answer.body["success"], json!(true), "{answer:?}");
    let (contacts, matters, _) = app.clio_counts().await.unwrap();
    assert_eq!((contacts, matters), (3, 1));
    app.finish().await;
}

#[tokio::test]
async fn several_persons_with_the_same_email_are_named_and_never_guessed_between() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    for _ in 0..2 {
        let contact = json!({ "create_contact": { "type": "Person", "first_name": "Twin", "last_name": "Lee",
            "email_addresses": [{ "name": "Work", "address": "ann.lee@example.com" }] } });
        app.change(&contact).await.unwrap();
    }

    let answer = app.sync(matter).await.unwrap();

    assert_eq!(
        answer.body["error"]["code"],
        json!("ambiguous_match"),
        "{answer:?}"
    );
    assert_eq!(app.clio_counts().await.unwrap(), (2, 0, 0));
    app.finish().await;
}

#[tokio::test]
async fn a_client_without_email_gets_a_contact_of_his_own() {
    let app = start().await;
    let firm = app.firm().await.unwrap();
    app.connect(firm).await.unwrap();
    for _ in 0..2 {
        let client = app
            .client(firm, &Person::new("Ann", "Lee", None))
            .await
            .unwrap();
        let matter = app.matter(firm, client, "Lee", None).await.unwrap();
        assert_eq!(app.sync(matter).await.unwrap().body["success"], json!(true));
    }

    let clio = app.clio().await.unwrap();

    let contacts = clio["contacts"].as_array().unwrap();
    assert_eq!(contacts.len(), 2);
    assert!(
        contacts
            .iter()
            .all(|c| c["email_addresses"].as_array().is_none_or(Vec::is_empty))
    );
    app.finish().await;
}

#[tokio::test]
async fn the_fields_of_a_contact_and_a_matter_are_those_that_are_published() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    sqlx::query("update matters set case_number = 'C-7' where id = $1")
        .bind(matter.id)
        .execute(&app.admin)
        .await
        .unwrap();

    app.sync(matter).await.unwrap();

    let clio = app.clio().await.unwrap();
    let (contact, created) = (&clio["contacts"][0], &clio["matters"][0]);
    assert_eq!(contact["type"], json!("Person"));
    assert_eq!(contact["email_addresses"][0]["name"], json!("Work"));
    assert_eq!(contact["phone_numbers"][0]["name"], json!("Mobile"));
    assert_eq!(created["description"], json!("Lee v. Lee"));
    assert_eq!(created["client_reference"], json!("C-7"));
    let area = area_name(&clio, created);
    assert_eq!(area, "Family Law", "{created}");
    app.finish().await;
}

fn area_name(clio: &Value, matter: &Value) -> String {
    let id = &matter["practice_area_id"];
    let areas = clio["practice_areas"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let area = areas.iter().find(|area| area["id"] == *id);
    area.and_then(|area| area["name"].as_str())
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn an_unknown_case_type_or_a_practice_area_that_clio_lacks_never_blocks_a_sync() {
    let app = start().await;
    let firm = app.firm().await.unwrap();
    app.connect(firm).await.unwrap();
    app.change(&json!({ "practice_areas": ["Family Law"] }))
        .await
        .unwrap();
    let client = app
        .client(firm, &Person::new("Ann", "Lee", Some("ann@example.com")))
        .await
        .unwrap();

    for (case_type, note) in [
        ("space_law", "unknown_case_type"),
        ("immigration_asylum", "missing_at_provider"),
    ] {
        let matter = app
            .matter(firm, client, case_type, Some(case_type))
            .await
            .unwrap();
        assert_eq!(app.sync(matter).await.unwrap().body["success"], json!(true));
        let details: Value =
            sqlx::query_scalar("select details from integration_sync_logs where matter_id = $1")
                .bind(matter.id)
                .fetch_one(&app.admin)
                .await
                .unwrap();
        assert_eq!(details["practice_area"], json!(note));
    }
    app.finish().await;
}
