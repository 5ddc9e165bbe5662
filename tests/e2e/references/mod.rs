//! References to records that are gone at the provider, hidden from the user, changed, or only said to be gone by something in between: exactly
//! one record, or a failure in words and nothing sent.

mod documents;
mod doubts;
mod records;

use std::time::Duration;

use harness::AppSettings;
use harness::app::{Matter, Person, Upload};
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
