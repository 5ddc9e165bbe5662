//! A creation whose answer is lost, while its record is edited before the look: what was sent decides, and not what CaseHug, or the
//! provider's own page, says by then.

use harness::app::{Matter, Person};
use harness::{AppSettings, eventually};
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

use crate::support::{SOON, TestApp, start_with};

/// What is sent, what happens to it before the look.
struct Edit {
    name: &'static str,
    /// Whose creation loses its answer.
    lost: &'static str,
    title: &'static str,
    case_number: Option<&'static str>,
    client: Person,
    /// Of the client `$1`, the matter `$2` and another client of the firm `$3`.
    edit: &'static str,
}

fn edit(name: &'static str, lost: &'static str, edit: &'static str) -> Edit {
    Edit {
        name,
        lost,
        title: "Lee v. Lee",
        case_number: None,
        // Two equal persons without an e-mail, both in doubt, could not be told apart.
        client: Person::new("Ann", name, None),
        edit,
    }
}

const NOTHING: &str = "select 1";
const EMAIL: &str = "update clients set email = 'corrected-' || id || '@example.com' where id = $1";
const NO_EMAIL: &str = "update clients set email = null where id = $1";

fn edits() -> Vec<Edit> {
    let with_email = |mut edit: Edit| {
        edit.client.email = Some(format!("{}@example.com", edit.name.replace(' ', "-")));
        edit
    };
    vec![
        edit(
            "title",
            "matters",
            "update matters set title = 'New title' where id = $2",
        ),
        edit(
            "case number",
            "matters",
            "update matters set case_number = 'CH-77' where id = $2",
        ),
        edit(
            "phone",
            "contacts",
            "update clients set phone = '555 0101' where id = $1",
        ),
        edit(
            "name",
            "contacts",
            "update clients set last_name = 'Lee-Fox' where id = $1",
        ),
        with_email(edit("email of the contact", "contacts", EMAIL)),
        with_email(edit("email taken away", "contacts", NO_EMAIL)),
        edit("email given", "contacts", EMAIL),
        with_email(edit("email of the matter", "matters", EMAIL)),
        edit(
            "client of the matter",
            "matters",
            "update matters set client_id = $3 where id = $2",
        ),
        Edit {
            title: "Lee  v. Lee ",
            case_number: Some(" CH  9 "),
            ..edit("tidied matter", "matters", NOTHING)
        },
        Edit {
            client: Person::new("Ann  Marie ", " Tidied", None),
            ..edit("tidied contact", "contacts", NOTHING)
        },
    ]
}

impl Edit {
    /// One approval, edited as soon as the provider holds what was sent and before its answer is lost.
    async fn play(&self, app: &TestApp, firm: Uuid, other: Uuid) -> Matter {
        let client = app.client(firm, &self.client).await.unwrap();
        let matter = app.matter(firm, client, self.title, None).await.unwrap();
        sqlx::query("update matters set case_number = $2 where id = $1")
            .bind(matter.id)
            .bind(self.case_number)
            .execute(&app.admin)
            .await
            .unwrap();
        let file = app.upload(matter, "a.pdf", None, self.name.as_bytes());
        let file = file.await.unwrap();
        let held = self.held(app).await;
        let path = format!("/api/v4/{}.json", self.lost);
        let lost = json!({ "lose_answer": true, "delay_ms": 1500 });
        app.fault("POST", &path, 1, &lost).await.unwrap();
        app.approve(&[file]).await.unwrap();
        let sent = eventually(SOON, || async {
            (self.held(app).await > held).then_some(())
        });
        sent.await.unwrap();
        sqlx::query(self.edit)
            .bind(client)
            .bind(matter.id)
            .bind(other)
            .execute(&app.admin)
            .await
            .unwrap();
        matter
    }

    async fn held(&self, app: &TestApp) -> usize {
        let clio = app.clio().await.unwrap();
        clio[self.lost].as_array().unwrap().len()
    }
}

async fn doubting() -> (TestApp, Uuid) {
    let app = start_with(AppSettings {
        visibility_delay: Duration::from_secs(4),
        ..AppSettings::default()
    })
    .await;
    let firm = app.firm().await.unwrap();
    app.connect(firm).await.unwrap();
    app.change(&json!({ "tidy_text": true })).await.unwrap();
    (app, firm)
}

#[tokio::test]
async fn what_was_sent_decides_and_not_what_casehug_says_by_the_time_of_the_look() {
    let (app, firm) = doubting().await;
    let other = Person::new("Other", "Client", None);
    let other = app.client(firm, &other).await.unwrap();
    let edits = edits();

    for edit in &edits {
        edit.play(&app, firm, other).await;
    }
    app.settled(SOON).await.unwrap();

    let wanted = edits.len();
    assert_eq!(
        app.clio_counts().await.unwrap(),
        (wanted, wanted, wanted),
        "{:#}",
        app.clio().await.unwrap()
    );
    let failed = "select count(*) from activity where status = 'failed'";
    assert_eq!(app.count(failed).await.unwrap(), 0);
    app.finish().await;
}

#[tokio::test]
async fn a_description_that_a_person_at_clio_corrects_is_not_what_a_matter_is_known_by() {
    let (app, firm) = doubting().await;
    let edit = edit("description", "matters", NOTHING);
    edit.play(&app, firm, Uuid::nil()).await;
    let id = app.clio().await.unwrap()["matters"][0]["id"].clone();
    let corrected = json!({ "update": { "kind": "matter", "id": id, "data": { "description": "Lee ./. Lee" } } });
    app.change(&corrected).await.unwrap();

    app.settled(SOON).await.unwrap();

    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    app.finish().await;
}

/// The sweep asks for what was sent, under the contact that was sent, and creates nothing on its way.
#[tokio::test]
async fn a_sweep_after_an_edit_only_reads() {
    let (app, firm) = doubting().await;
    let client = Person::new("Ann", "Lee", Some("ann.lee@example.com"));
    let client = app.client(firm, &client).await.unwrap();
    let matter = app.matter(firm, client, "Lee v. Lee", None).await.unwrap();
    app.sync(matter).await.unwrap();
    for statement in [
        "update clients set email = 'corrected@example.com'",
        "update links set doubted_at = now() - interval '1 hour'",
        "delete from schedules where name = 'sweep_links'",
    ] {
        sqlx::query(statement).execute(&app.admin).await.unwrap();
    }
    app.clear_clio_calls().await.unwrap();

    let swept = "select count(*) from links where swept = 1";
    app.counted(swept, 2).await;

    let calls = app.clio_calls().await.unwrap();
    assert!(
        calls.iter().all(|call| call.starts_with("GET ")),
        "{calls:?}"
    );
    assert!(!calls.is_empty());
    app.finish().await;
}

/// One look that the provider refuses keeps no other from its own.
#[tokio::test]
async fn a_sweep_goes_on_behind_a_look_that_is_refused() {
    let (app, firm) = doubting().await;
    let client = Person::new("Ann", "Lee", Some("ann.lee@example.com"));
    let client = app.client(firm, &client).await.unwrap();
    let matter = app.matter(firm, client, "Lee v. Lee", None).await.unwrap();
    app.sync(matter).await.unwrap();
    let forbidden = json!({ "status": 403, "body": { "error": { "type": "ForbiddenError", "message": "no" } } });
    app.fault("GET", "/api/v4/contacts.json", 99, &forbidden)
        .await
        .unwrap();
    for statement in [
        "update links set doubted_at = now() - interval '1 hour' - (kind = 'contact')::integer * interval '1 minute'",
        "delete from schedules where name = 'sweep_links'",
    ] {
        sqlx::query(statement).execute(&app.admin).await.unwrap();
    }

    app.counted("select count(*) from links where swept = 1", 2)
        .await;

    app.clear_faults().await.unwrap();
    let refused =
        "select count(*) from activity where details -> 'look_refused' -> 0 ->> 'kind' = 'contact'";
    app.counted(refused, 1).await;
    app.finish().await;
}
