//! References to records that are gone at the provider, hidden from the user, changed, or only said to be gone by something in between: exactly
//! one record, or a failure in words and nothing sent.

use std::time::Duration;

use harness::app::{Matter, Person, Upload};
use harness::{AppSettings, eventually};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{SOON, TestApp, start_with};

const EMAIL: &str = "ann.lee@example.com";

/// A firm whose client has one synced matter with one document.
struct Synced {
    app: TestApp,
    firm: Uuid,
    client: Uuid,
    matter: Matter,
    upload: Upload,
}

/// A 404 as Clio words it, and as something between us and Clio does.
fn not_found() -> Value {
    json!({ "status": 404, "body": { "error": { "type": "NotFoundError", "message": "not found" } } })
}

fn edge_page() -> Value {
    json!({ "status": 404, "body": "<html><h1>404 Not Found</h1>nginx</html>" })
}

async fn connected() -> (TestApp, Uuid) {
    let app = start_with(AppSettings {
        visibility_delay: Duration::from_secs(1),
        ..AppSettings::default()
    })
    .await;
    let firm = app.firm().await.unwrap();
    app.connect(firm).await.unwrap();
    (app, firm)
}

async fn synced() -> Synced {
    synced_client(Some(EMAIL)).await
}

async fn synced_client(email: Option<&str>) -> Synced {
    let (app, firm) = connected().await;
    let person = Person::new("Ann", "Lee", email);
    let client = app.client(firm, &person).await.unwrap();
    let matter = app.matter(firm, client, "First", Some("divorce_standard"));
    let matter = matter.await.unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"bytes of a");
    let upload = upload.await.unwrap();
    app.approve(&[upload]).await.unwrap();
    app.settled(SOON).await.unwrap();
    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    Synced {
        app,
        firm,
        client,
        matter,
        upload,
    }
}

impl Synced {
    /// The provider's id of its only record of this kind, or of the one that was created last.
    async fn id_of(&self, kind: &str) -> Value {
        let clio = self.app.clio().await.unwrap();
        clio[kind].as_array().unwrap().last().unwrap()["id"].clone()
    }

    async fn delete(&self, kind: &str) {
        let named = json!({ "kind": kind, "id": self.id_of(&format!("{kind}s")).await });
        self.app.change(&json!({ "delete": named })).await.unwrap();
    }

    /// One more matter of the client, approved with one document.
    async fn approve_another(&self, title: &str) -> Matter {
        let matter = self.app.matter(self.firm, self.client, title, None);
        let matter = matter.await.unwrap();
        self.approve_file(matter, title.as_bytes()).await;
        matter
    }

    async fn approve_file(&self, matter: Matter, bytes: &[u8]) -> Upload {
        let upload = self.app.upload(matter, "b.pdf", None, bytes);
        let upload = upload.await.unwrap();
        self.app.approve(&[upload]).await.unwrap();
        upload
    }

    async fn settled(&self) {
        self.app.settled(SOON).await.unwrap();
    }

    async fn assert_held(&self, counts: (usize, usize, usize)) {
        let held = self.app.clio_counts().await.unwrap();
        assert_eq!(held, counts, "{:#}", self.app.clio().await.unwrap());
    }

    async fn assert_all_succeeded(&self) {
        let lines = self.app.log_lines(self.firm).await.unwrap();
        let succeeded = |line: &String| line.ends_with(" success");
        assert!(lines.iter().all(succeeded), "{lines:#?}");
    }

    /// The details of a job's log, newest first.
    async fn last_details(&self, action: &str) -> Value {
        let newest = "select details from integration_sync_logs where action = $1 order by created_at desc limit 1";
        let details = sqlx::query_scalar(newest).bind(action);
        details.fetch_one(&self.app.admin).await.unwrap()
    }

    async fn last_line(&self) -> String {
        let lines = self.app.log_lines(self.firm).await.unwrap();
        lines.last().cloned().unwrap_or_default()
    }
}

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
    let file = app.folder.join("files").join(synced.upload.id.to_string());
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
    let file = app.folder.join("files").join(upload.id.to_string());
    std::fs::write(file, b"other bytes").unwrap();
    synced.settled().await;

    assert_eq!(
        synced.last_line().await,
        "sync_document failed file_changed"
    );
    synced.assert_held((1, 1, 2)).await;
    synced.app.finish().await;
}

/// A person's retry counts as his request.
#[tokio::test]
async fn a_retry_of_a_person_asks_by_name() {
    let synced = synced().await;
    let app = &synced.app;
    let file = app.folder.join("files").join(synced.upload.id.to_string());
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

/// A person at Clio corrects the address while the creation is in doubt: what is there may be it, so nothing more is sent. When CaseHug is
/// corrected in the same way, it is found.
#[tokio::test]
async fn a_contact_whose_address_is_corrected_at_clio_within_the_doubt_is_never_doubled() {
    let app = start_with(AppSettings {
        visibility_delay: Duration::from_secs(4),
        ..AppSettings::default()
    })
    .await;
    let firm = app.firm().await.unwrap();
    app.connect(firm).await.unwrap();
    let person = Person::new("Ann", "Lee", Some("an.lee@example.com"));
    let client = app.client(firm, &person).await.unwrap();
    let matter = app.matter(firm, client, "First", None).await.unwrap();
    let lost = json!({ "lose_answer": true });
    app.fault("POST", "/api/v4/contacts.json", 1, &lost)
        .await
        .unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    let held = eventually(SOON, || async {
        let clio = app.clio().await.unwrap();
        clio["contacts"].get(0).map(|contact| contact["id"].clone())
    });
    let id = held.await.unwrap();
    let corrected = json!([{ "name": "Work", "address": EMAIL }]);
    app.change(&json!({ "update": { "kind": "contact", "id": id, "data": { "type": "Person", "email_addresses": corrected } } }))
        .await
        .unwrap();
    app.settled(SOON).await.unwrap();

    let lines = app.log_lines(firm).await.unwrap();
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
        let app = start_with(AppSettings {
            visibility_delay: Duration::from_secs(4),
            ..AppSettings::default()
        })
        .await;
        let firm = app.firm().await.unwrap();
        app.connect(firm).await.unwrap();
        let person = Person::new("Ann", "Lee", Some(EMAIL));
        let client = app.client(firm, &person).await.unwrap();
        let matter = app.matter(firm, client, "First", None).await.unwrap();
        let path = format!("/api/v4/{lost}.json");
        let what = json!({ "lose_answer": true });
        app.fault("POST", &path, 1, &what).await.unwrap();
        let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
        app.approve(&[upload]).await.unwrap();
        eventually(SOON, || async {
            let clio = app.clio().await.unwrap();
            clio[lost].get(0).map(|_| ())
        })
        .await
        .unwrap();
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
    let app = start_with(AppSettings {
        visibility_delay: Duration::from_secs(4),
        ..AppSettings::default()
    })
    .await;
    let firm = app.firm().await.unwrap();
    app.connect(firm).await.unwrap();
    let person = Person::new("Ann", "Lee", Some(EMAIL));
    let client = app.client(firm, &person).await.unwrap();
    let matter = app.matter(firm, client, "First", None).await.unwrap();
    let lost = json!({ "lose_answer": true });
    app.fault("POST", "/api/v4/matters.json", 1, &lost)
        .await
        .unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    let id = eventually(SOON, || async {
        let clio = app.clio().await.unwrap();
        clio["matters"].get(0).map(|matter| matter["id"].clone())
    });
    let emptied =
        json!({ "kind": "matter", "id": id.await.unwrap(), "data": { "client_reference": "" } });
    app.change(&json!({ "update": emptied })).await.unwrap();
    app.settled(SOON).await.unwrap();

    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 0));
    let lines = app.log_lines(firm).await.unwrap();
    assert!(
        lines.contains(&"sync_matter failed duplicate_suspected".to_owned()),
        "{lines:?}"
    );
    app.finish().await;
}
