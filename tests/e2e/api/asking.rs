//! Asking ingress in ways that a well-behaved client would not, and reading how it refuses.

use std::collections::HashSet;

use harness::AppSettings;
use harness::app::{Answer, Matter, Person};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use uuid::Uuid;

use crate::support::{TestApp, start_with};

pub(crate) const CONNECT: &str = "/api/v1/integrations/clio/connect";
pub(crate) const EVENTS: &str = "/api/v1/events";
pub(crate) const STATUS: &str = "/api/v1/integrations/clio/status";
pub(crate) const SYNC: &str = "/api/v1/integrations/clio/sync";

/// Ingress alone: no worker takes from its inbox.
pub(crate) async fn start_without_workers() -> TestApp {
    start_with(AppSettings {
        workers: 0,
        ..AppSettings::default()
    })
    .await
}

/// An id that stands for nothing.
pub(crate) fn nobody(number: u128) -> Uuid {
    Uuid::from_u128(0xdead_0000 + number)
}

impl TestApp {
    /// A request to ingress, without a token.
    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.ingress_url()))
    }

    /// A matter of a new firm that is not connected.
    pub(crate) async fn unconnected_matter(&self) -> Matter {
        let firm = self.firm().await.unwrap();
        self.matter_of(firm).await
    }

    /// One more matter, of a client without an e-mail address.
    pub(crate) async fn matter_of(&self, firm: Uuid) -> Matter {
        let client = self
            .client(firm, &Person::new("Bo", "Kim", None))
            .await
            .unwrap();
        self.matter(firm, client, "Kim v. Kim", None).await.unwrap()
    }

    /// Shifts the one clock of the database, as only tests do.
    pub(crate) async fn shift_clock(&self, seconds: u32) {
        let statement = format!(
            "create or replace function app_now() returns timestamptz language sql volatile parallel safe
             as 'select clock_timestamp() + interval ''{seconds} seconds'''"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&self.admin)
            .await
            .unwrap();
    }
}

/// The answer is a refusal of the one shape, with this status and code. Returns the paths of its fields.
#[track_caller]
pub(crate) fn assert_refused(answer: &Answer, status: u16, code: &str) -> Vec<String> {
    assert_eq!(answer.status, status, "{answer:?}");
    let paths = assert_error_body(answer);
    assert_eq!(answer.body["error"]["code"], code, "{answer:?}");
    paths
}

/// The one shape of every refusal.
#[track_caller]
pub(crate) fn assert_error_body(answer: &Answer) -> Vec<String> {
    assert_eq!(
        members(&answer.body),
        HashSet::from(["error"]),
        "{answer:?}"
    );
    let error = &answer.body["error"];
    for member in ["code", "message", "resolution", "request_id"] {
        let text = error[member].as_str();
        assert!(
            text.is_some_and(|text| !text.is_empty()),
            "{member} in {answer:?}"
        );
    }
    let known = HashSet::from(["code", "message", "resolution", "request_id", "fields"]);
    assert!(members(error).is_subset(&known), "{answer:?}");
    assert_eq!(
        answer.headers["x-request-id"].to_str().unwrap(),
        error["request_id"],
        "{answer:?}"
    );
    assert_eq!(
        answer.headers["content-type"], "application/json",
        "{answer:?}"
    );
    let fields = error["fields"].as_array().cloned().unwrap_or_default();
    fields.iter().map(path_of_field).collect()
}

#[track_caller]
fn path_of_field(field: &Value) -> String {
    assert_eq!(
        members(field),
        HashSet::from(["path", "message"]),
        "{field}"
    );
    assert!(
        field["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty()),
        "{field}"
    );
    field["path"].as_str().unwrap().to_owned()
}

/// The names of an object's members.
#[track_caller]
pub(crate) fn members(object: &Value) -> HashSet<&str> {
    object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}
