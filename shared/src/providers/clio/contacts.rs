//! Persons (providers/clio.md §10).

use chrono::{DateTime, Utc};

use serde_json::{Map, Value, json};

use crate::domain::{
    ExternalId,
    digest::Digests,
    link::{Creation, Sent},
    normal::{normalised_email, normalised_name, normalised_phone},
    records::Client,
};
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
                .any(|address| normalised_email(address) == email)
        })
        .map(|contact| contact.id.into())
        .collect())
}

/// There is no filter for what was sent: the persons created since are listed and compared.
pub(super) async fn look(
    session: &Session,
    sent: &Sent,
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
        .filter(|contact| was_sent(contact, sent, session.digests()))
        .map(|contact| contact.id.into())
        .collect())
}

/// The e-mail decides. Without one, name and phone must be equal.
fn was_sent(contact: &wire::Contact, sent: &Sent, digests: &Digests) -> bool {
    let mut addresses = contact
        .email_addresses
        .iter()
        .filter_map(|email| email.address.as_deref());
    if sent.email.is_some() {
        return addresses.any(|address| sent.email == Some(digests.of(&normalised_email(address))));
    }
    let name = [contact.first_name.as_deref(), contact.last_name.as_deref()];
    let phone = contact.phone_numbers.first();
    let phone = phone.and_then(|phone| phone.number.as_deref());
    contact.email_addresses.is_empty()
        && sent.name == Some(digests.of(&normalised_name(name)))
        && sent.phone == Some(digests.of(&normalised_phone(phone.unwrap_or_default())))
}

/// E-mail "Work" and phone "Mobile", as published.
pub(super) async fn create(
    session: &Session,
    creation: Creation,
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
    let call =
        Call::create(PATH, PATH, creation, json!({ "data": data })).with("fields", "id,etag");
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
