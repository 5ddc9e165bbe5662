//! Clio's JSON, as far as we read it (providers/clio.md §6, §10–§13).

use serde::Deserialize;
use url::Url;

use crate::domain::ExternalId;

/// Clio's ids are numbers; we keep them as text.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
pub(super) struct Id(i64);

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Id> for ExternalId {
    fn from(id: Id) -> Self {
        Self(id.0.to_string())
    }
}

#[derive(Deserialize)]
pub(super) struct One<T> {
    pub(super) data: T,
}

#[derive(Deserialize)]
pub(super) struct Many<T> {
    pub(super) data: Vec<T>,
    pub(super) meta: Option<Meta>,
}

#[derive(Deserialize)]
pub(super) struct Meta {
    paging: Option<Paging>,
}

#[derive(Deserialize)]
struct Paging {
    next: Option<Url>,
}

impl Meta {
    pub(super) fn next_page_token(self) -> Option<String> {
        let next = self.paging?.next?;
        next.query_pairs()
            .find(|(name, _)| name == "page_token")
            .map(|(_, value)| value.into_owned())
    }
}

#[derive(Deserialize)]
pub(super) struct Created {
    pub(super) id: Id,
}

#[derive(Deserialize)]
pub(super) struct User {
    pub(super) id: i64,
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) account: Account,
}

#[derive(Deserialize)]
pub(super) struct Account {
    pub(super) id: Id,
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct Contact {
    pub(super) id: Id,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    #[serde(default)]
    pub(super) email_addresses: Vec<EmailAddress>,
    #[serde(default)]
    pub(super) phone_numbers: Vec<PhoneNumber>,
}

#[derive(Deserialize)]
pub(super) struct EmailAddress {
    pub(super) address: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct PhoneNumber {
    pub(super) number: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct PracticeArea {
    pub(super) id: Id,
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct Matter {
    pub(super) id: Id,
    pub(super) client_reference: Option<String>,
    pub(super) description: Option<String>,
    pub(super) client: Option<Created>,
}

#[derive(Deserialize)]
pub(super) struct Document {
    pub(super) id: Id,
    pub(super) latest_document_version: Option<Version>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Version {
    pub(super) uuid: Option<String>,
    pub(super) put_url: Option<String>,
    pub(super) put_headers: Option<Vec<Header>>,
    pub(super) multiparts: Option<Vec<Part>>,
    pub(super) fully_uploaded: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Deserialize)]
pub(super) struct Part {
    pub(super) part_number: u32,
    pub(super) put_url: Option<String>,
    pub(super) put_headers: Option<Vec<Header>>,
}
