//! Clio's JSON, as far as we read it (providers/clio.md §6, §10–§13).

use serde::{Deserialize, Deserializer};
use url::form_urlencoded;

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
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub(super) struct Many<T> {
    #[serde(deserialize_with = "present")]
    pub(super) data: Vec<T>,
    pub(super) meta: Option<Meta>,
}

/// A list as Clio gives it: null for none, and null for an item that it does not show (a redacted record, §3). An item of another form is
/// refused: a look that passed over what it cannot read could miss the very record that it looks for.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let items: Option<Vec<Option<T>>> = Option::deserialize(deserializer)?;
    Ok(items.into_iter().flatten().flatten().collect())
}

#[derive(Deserialize)]
pub(super) struct Meta {
    paging: Option<Paging>,
}

#[derive(Deserialize)]
struct Paging {
    /// An address, whole or relative; empty at the end.
    next: Option<String>,
}

impl Meta {
    pub(super) fn next_page_token(self) -> Option<String> {
        let next = self.paging?.next?;
        let (_, query) = next.split_once('?')?;
        form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "page_token")
            .map(|(_, value)| value.into_owned())
            .filter(|token| !token.is_empty())
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
    pub(super) name: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Contact {
    pub(super) id: Id,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) email_addresses: Vec<EmailAddress>,
    #[serde(default, deserialize_with = "present")]
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
    pub(super) name: Option<String>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_member_spoils_nothing_but_itself() {
        for (list, expected) in [
            (r#"{"data":[]}"#, vec![]),
            (r#"{"data":null}"#, vec![]),
            (r#"{"data":[null]}"#, vec![]),
            (
                r#"{"data":[{"id":1,"email_addresses":null}]}"#,
                vec![(1, 0)],
            ),
            (
                r#"{"data":[{"id":1,"email_addresses":[null,{"address":null},{"address":"a@b.c"}]},null,{"id":2}]}"#,
                vec![(1, 2), (2, 0)],
            ),
            (
                r#"{"data":[{"id":1,"first_name":null,"phone_numbers":null,"redacted":true}],"meta":null}"#,
                vec![(1, 0)],
            ),
        ] {
            let read: Many<Contact> = serde_json::from_str(list).unwrap();
            let read: Vec<_> = read
                .data
                .iter()
                .map(|c| (c.id.0, c.email_addresses.len()))
                .collect();
            assert_eq!(read, expected, "{list}");
        }
        for odd in [
            r#"{"data":[{"id":"x"}]}"#,
            r#"{"data":[7]}"#,
            r#"{"data":{}}"#,
            "{}",
        ] {
            assert!(serde_json::from_str::<Many<Contact>>(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn the_next_page_is_named_in_any_form_of_address() {
        let token = |next: &str| {
            let meta = format!(r#"{{"paging":{{"next":{next}}}}}"#);
            serde_json::from_str::<Meta>(&meta)
                .unwrap()
                .next_page_token()
        };
        for (next, expected) in [
            (
                r#""https://app.clio.com/api/v4/contacts.json?limit=2&page_token=a%2Fb""#,
                Some("a/b"),
            ),
            (r#""/api/v4/contacts.json?page_token=x""#, Some("x")),
            (r#""?page_token=x""#, Some("x")),
            (r#""https://app.clio.com/api/v4/contacts.json""#, None),
            (r#""https://app.clio.com/?page_token=""#, None),
            (r#""""#, None),
            ("null", None),
        ] {
            assert_eq!(token(next).as_deref(), expected, "{next}");
        }
    }
}
