//! Persons (providers/clio.md §10).

use chrono::{DateTime, Utc};

use serde_json::{Map, Value, json};

use crate::domain::{ExternalId, LinkId, records::Client};
use crate::providers::{Call, CallError, Session};

use super::{created_since, list_all, wire};

const PATH: &str = "/contacts.json";

/// `query` is a wildcard over many fields: the exact comparison is ours. The braces matter: without them no address comes back.
pub(super) async fn find_by_email(
    session: &Session,
    email: &str,
) -> Result<Vec<ExternalId>, CallError> {
    let query = [
        ("query", email.to_owned()),
        ("type", "Person".to_owned()),
        ("fields", "id,email_addresses{id,address}".to_owned()),
    ];
    let found: Vec<wire::Contact> = list_all(session, PATH, &query).await?;
    Ok(found
        .into_iter()
        .filter(|contact| {
            contact
                .email_addresses
                .iter()
                .filter_map(|e| e.address.as_deref())
                .any(|address| address.trim().to_lowercase() == email)
        })
        .map(|contact| contact.id.into())
        .collect())
}

/// The look for a person without an e-mail: everything that we would have sent must be equal.
pub(super) async fn find_without_email(
    session: &Session,
    client: &Client,
    since: DateTime<Utc>,
) -> Result<Vec<ExternalId>, CallError> {
    let query = [
        ("type", "Person".to_owned()),
        ("created_since", created_since(since)),
        (
            "fields",
            "id,first_name,last_name,email_addresses{id,address},phone_numbers{id,number}"
                .to_owned(),
        ),
    ];
    let found: Vec<wire::Contact> = list_all(session, PATH, &query).await?;
    Ok(found
        .into_iter()
        .filter(|contact| is_same(contact, client))
        .map(|contact| contact.id.into())
        .collect())
}

fn is_same(contact: &wire::Contact, client: &Client) -> bool {
    let text = |text: Option<&str>| text.unwrap_or_default().trim().to_owned();
    contact.email_addresses.is_empty()
        && text(contact.first_name.as_deref()) == text(client.first_name.as_deref())
        && text(contact.last_name.as_deref()) == text(client.last_name.as_deref())
        && text(
            contact
                .phone_numbers
                .first()
                .and_then(|p| p.number.as_deref()),
        ) == text(client.phone.as_deref())
}

/// E-mail "Work" and phone "Mobile", as published.
pub(super) async fn create(
    session: &Session,
    link: LinkId,
    client: &Client,
) -> Result<ExternalId, CallError> {
    let mut data = Map::from_iter([("type".to_owned(), json!("Person"))]);
    put(&mut data, "first_name", client.first_name.as_deref());
    put(&mut data, "last_name", client.last_name.as_deref());
    if let Some(email) = filled(client.email.as_deref()) {
        let entry = json!([{ "name": "Work", "address": email, "default_email": true }]);
        data.insert("email_addresses".into(), entry);
    }
    if let Some(phone) = filled(client.phone.as_deref()) {
        let entry = json!([{ "name": "Mobile", "number": phone, "default_number": true }]);
        data.insert("phone_numbers".into(), entry);
    }
    let call = Call::create(PATH, PATH, link, json!({ "data": data })).with("fields", "id,etag");
    let created: wire::One<wire::Created> = session.call(call).await?;
    Ok(created.data.id.into())
}

fn put(data: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    if let Some(value) = filled(value) {
        data.insert(name.to_owned(), json!(value));
    }
}

fn filled(value: Option<&str>) -> Option<&str> {
    value.map(str::trim).filter(|value| !value.is_empty())
}
