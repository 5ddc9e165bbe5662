//! Documents and their bytes that are gone, changed, or there already.

use harness::eventually;
use serde_json::{Value, json};

use super::synced;
use crate::support::SOON;

/// The document is trashed, or cleaned up, while its bytes or its confirmation are missing.
#[tokio::test]
async fn an_unconfirmed_document_that_is_gone_is_made_anew() {
    let refused = json!({ "status": 503, "delay_ms": 300, "headers": { "retry-after": "1" } });
    for (method, path, gone) in [
        ("PUT", "/storage/*", "trash"),
        ("PUT", "/storage/*", "clean_up"),
        ("PATCH", "/api/v4/documents/*", "trash"),
        ("PATCH", "/api/v4/documents/*", "clean_up"),
    ] {
        let synced = synced().await;
        let app = &synced.app;
        app.fault(method, path, 1, &refused).await.unwrap();
        synced.approve_file(synced.matter, b"bytes of b").await;
        eventually(SOON, || async {
            let counts = app.clio_counts().await.unwrap();
            (counts.2 == 2).then_some(())
        })
        .await
        .unwrap();
        if gone == "trash" {
            synced.delete("document").await;
        } else {
            app.change(&json!({ "clean_up": true })).await.unwrap();
        }
        synced.settled().await;

        synced.assert_held((1, 1, 2)).await;
        let clio = app.clio().await.unwrap();
        let documents = clio["documents"].as_array().unwrap();
        let complete = |document: &Value| document["fully_uploaded"] == json!(true);
        assert!(documents.iter().all(complete), "{method} {gone}: {clio:#}");
        synced.assert_all_succeeded().await;
        synced.app.finish().await;
    }
}

#[tokio::test]
async fn bytes_that_the_storage_lost_are_sent_again() {
    let synced = synced().await;
    let taken = json!({ "status": 200 });
    synced
        .app
        .fault("PUT", "/storage/*", 1, &taken)
        .await
        .unwrap();

    synced.approve_file(synced.matter, b"bytes of b").await;
    synced.settled().await;

    let clio = synced.app.clio().await.unwrap();
    let document = &clio["documents"][1];
    assert_eq!(document["fully_uploaded"], json!(true), "{document}");
    assert_eq!(document["size"], json!(10));
    synced.assert_held((1, 1, 2)).await;
    synced.assert_all_succeeded().await;
    synced.app.finish().await;
}

/// Approved anew, asked for by a person, or another upload with the same bytes.
#[tokio::test]
async fn a_document_that_the_firm_deleted_is_sent_again_when_it_is_approved_or_asked_for() {
    for request in ["approval", "same bytes", "person"] {
        let synced = synced().await;
        let app = &synced.app;
        let gone = synced.id_of("documents").await;
        synced.delete("document").await;
        match request {
            "approval" => app.approve(&[synced.upload]).await.unwrap(),
            "same bytes" => {
                synced.approve_file(synced.matter, b"bytes of a").await;
            }
            _ => {
                let answer = app.sync(synced.matter).await.unwrap();
                assert_eq!(answer.body["documentsUploaded"], json!(1), "{answer:?}");
            }
        }
        synced.settled().await;

        synced.assert_held((1, 1, 1)).await;
        synced.assert_all_succeeded().await;
        assert_ne!(synced.id_of("documents").await, gone, "{request}");
        synced.app.finish().await;
    }
}

#[tokio::test]
async fn a_document_that_comes_back_from_the_trash_in_time_is_not_sent_again() {
    let synced = synced().await;
    let app = &synced.app;
    let id = synced.id_of("documents").await;
    synced.delete("document").await;
    app.approve(&[synced.upload]).await.unwrap();
    app.counted(
        "select count(*) from links where missing_since is not null",
        1,
    )
    .await;
    app.change(&json!({ "restore": id })).await.unwrap();
    synced.settled().await;

    synced.assert_held((1, 1, 1)).await;
    assert_eq!(synced.id_of("documents").await, id);
    let missing = "select count(*) from links where missing_since is not null";
    assert_eq!(app.count(missing).await.unwrap(), 0);
    synced.app.finish().await;
}

#[tokio::test]
async fn what_stands_there_is_read_once_and_not_sent_again() {
    let synced = synced().await;
    let app = &synced.app;
    app.clear_clio_calls().await.unwrap();

    app.approve(&[synced.upload]).await.unwrap();
    synced.settled().await;

    let calls = app.clio_calls().await.unwrap();
    assert_eq!(calls.len(), 1, "{calls:?}");
    let details = synced.last_details("sync_document").await;
    assert_eq!(details["already_there"], json!(true));
    synced.app.finish().await;
}

#[tokio::test]
async fn a_changed_file_of_a_known_upload_is_never_called_already_there() {
    let synced = synced().await;
    let app = &synced.app;
    let file = app.file_of(&synced.upload).unwrap();
    std::fs::write(file, b"other bytes").unwrap();

    app.approve(&[synced.upload]).await.unwrap();
    synced.settled().await;

    assert_eq!(
        synced.last_line().await,
        "sync_document failed file_changed"
    );
    synced.assert_held((1, 1, 1)).await;
    synced.app.finish().await;
}

/// The confirmation was carried out and its answer lost; the file is replaced before the retry. The old bytes are there.
#[tokio::test]
async fn a_file_that_changes_between_its_confirmation_and_the_answer_is_named() {
    let synced = synced().await;
    let app = &synced.app;
    let lost = json!({ "lose_answer": true, "delay_ms": 1000 });
    app.fault("PATCH", "/api/v4/documents/*", 1, &lost)
        .await
        .unwrap();
    let upload = synced.approve_file(synced.matter, b"bytes of b").await;
    app.counted(
        "select count(*) from links where state = 'accepted' and transferred_at is not null",
        1,
    )
    .await;
    let file = app.file_of(&upload).unwrap();
    std::fs::write(file, b"other bytes").unwrap();
    synced.settled().await;

    assert_eq!(
        synced.last_line().await,
        "sync_document failed file_changed"
    );
    synced.assert_held((1, 1, 2)).await;
    synced.app.finish().await;
}

/// An answer without an address is no transfer of nothing: the document is asked for one again.
#[tokio::test]
async fn a_document_without_an_address_for_its_bytes_is_asked_for_one_again() {
    let synced = synced().await;
    let app = &synced.app;
    app.change(&json!({ "withhold_addresses": true }))
        .await
        .unwrap();
    synced.approve_file(synced.matter, b"bytes of b").await;
    app.counted(
        "select count(*) from integration_sync_logs where code = 'provider_unreadable' and status = 'pending'",
        1,
    )
    .await;
    app.change(&json!({ "withhold_addresses": false }))
        .await
        .unwrap();
    synced.settled().await;

    synced.assert_held((1, 1, 2)).await;
    synced.assert_all_succeeded().await;
    let clio = app.clio().await.unwrap();
    assert_eq!(
        clio["documents"][1]["fully_uploaded"],
        json!(true),
        "{clio:#}"
    );
    synced.app.finish().await;
}
