//! Contacts, matters and practice areas that are gone, or said to be.

use serde_json::json;
use uuid::Uuid;

use super::{EMAIL, edge_page, not_found, synced, synced_client};

#[tokio::test]
async fn a_404_that_is_not_clios_own_or_comes_once_replaces_nothing() {
    let synced = synced().await;
    let app = &synced.app;

    for (path, fault) in [
        ("/api/v4/matters/*", edge_page()),
        ("/api/v4/matters/*", not_found()),
        ("/api/v4/documents/*", edge_page()),
        ("/api/v4/documents/*", not_found()),
    ] {
        app.fault("GET", path, 1, &fault).await.unwrap();
        let answer = app.sync(synced.matter).await.unwrap();
        assert_eq!(answer.body["success"], json!(true), "{path}: {answer:?}");
        app.clear_faults().await.unwrap();
    }
    app.fault("POST", "/api/v4/matters.json", 1, &edge_page())
        .await
        .unwrap();
    synced.approve_another("Second").await;
    synced.settled().await;

    synced.assert_held((1, 2, 2)).await;
    synced.assert_all_succeeded().await;
    synced.app.finish().await;
}

#[tokio::test]
async fn a_user_who_does_not_see_the_account_any_more_proves_nothing() {
    let synced = synced().await;
    let app = &synced.app;
    app.fault("GET", "/api/v4/matters/*", 9, &not_found())
        .await
        .unwrap();
    let forbidden = json!({ "status": 403, "body": { "error": { "type": "ForbiddenError", "message": "no" } } });
    app.fault("GET", "/api/v4/users/*", 9, &forbidden)
        .await
        .unwrap();

    let answer = app.sync(synced.matter).await.unwrap();

    assert_eq!(answer.body["error"]["code"], json!("provider_forbidden"));
    synced.assert_held((1, 1, 1)).await;
    synced.app.finish().await;
}

#[tokio::test]
async fn a_matter_that_a_person_deleted_is_made_anew_with_its_documents_when_a_person_asks() {
    let synced = synced().await;
    let gone = synced.id_of("matters").await;
    synced.delete("document").await;
    synced.delete("matter").await;

    let answer = synced.app.sync(synced.matter).await.unwrap();

    assert_eq!(answer.body["success"], json!(true), "{answer:?}");
    assert_eq!(answer.body["documentsUploaded"], json!(1));
    let details = synced.last_details("sync_matter").await;
    assert_eq!(details["replaced"], json!(gone.to_string()));
    synced.assert_held((1, 1, 1)).await;
    synced.app.finish().await;
}

/// Merged, as the advice for several matches says; deleted; deleted where no e-mail tells whom to take instead.
#[tokio::test]
async fn a_linked_contact_that_is_gone_heals_by_itself() {
    for (email, merged) in [(Some(EMAIL), true), (Some(EMAIL), false), (None, false)] {
        let synced = synced_client(email).await;
        let app = &synced.app;
        let gone = synced.id_of("contacts").await;
        if merged {
            let duplicate = json!({ "create_contact": { "type": "Person", "first_name": "Ann", "last_name": "Lee",
                "email_addresses": [{ "name": "Home", "address": EMAIL.to_uppercase() }] } });
            app.change(&duplicate).await.unwrap();
            let into = synced.id_of("contacts").await;
            app.change(&json!({ "merge": { "contact": gone, "into": into } }))
                .await
                .unwrap();
        } else {
            synced.delete("contact").await;
        }

        synced.approve_another("Second").await;
        synced.approve_another("Third").await;
        synced.settled().await;

        synced.assert_held((1, 3, 3)).await;
        synced.assert_all_succeeded().await;
        assert_ne!(synced.id_of("contacts").await, gone);
        synced.app.finish().await;
    }
}

#[tokio::test]
async fn a_practice_area_that_is_gone_is_listed_anew_and_never_blocks() {
    let synced = synced().await;
    let app = &synced.app;
    for (areas, has_area) in [
        (json!(["Immigration"]), false),
        (json!(["Family Law"]), true),
        (json!([]), false),
    ] {
        app.change(&json!({ "practice_areas": areas }))
            .await
            .unwrap();
        let matter = app.matter(
            synced.firm,
            synced.client,
            "Another",
            Some("divorce_standard"),
        );
        let matter = matter.await.unwrap();
        // As if the list had been fetched while the area of now had another id.
        sqlx::query(
            "update provider_cache set value = '[{\"id\": \"1\", \"name\": \"Family Law\"}]'",
        )
        .execute(&app.admin)
        .await
        .unwrap();

        let answer = app.sync(matter).await.unwrap();

        assert_eq!(answer.body["success"], json!(true), "{areas}: {answer:?}");
        let details = synced.last_details("sync_matter").await;
        let note = details.get("practice_area").cloned();
        assert_eq!(note.is_none(), has_area, "{areas}: {details}");
    }
    synced.assert_held((1, 4, 1)).await;
    synced.app.finish().await;
}

/// A person's retry counts as his request.
#[tokio::test]
async fn a_retry_of_a_person_asks_by_name() {
    let synced = synced().await;
    let app = &synced.app;
    let file = app.file_of(&synced.upload).unwrap();
    std::fs::write(&file, b"other bytes").unwrap();
    app.approve(&[synced.upload]).await.unwrap();
    synced.settled().await;
    std::fs::write(&file, b"bytes of a").unwrap();
    let id: Uuid = sqlx::query_scalar("select id from jobs where state = 'failed'")
        .fetch_one(&app.admin)
        .await
        .unwrap();
    app.clear_clio_calls().await.unwrap();

    let admin = app.tokens.firm_admin(synced.firm).unwrap();
    let path = format!("/api/v1/jobs/{id}/retry");
    let answer = app.post(&path, &admin, &json!({})).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    synced.settled().await;

    assert_eq!(app.clio_calls().await.unwrap().len(), 1);
    synced.assert_all_succeeded().await;
    synced.app.finish().await;
}
