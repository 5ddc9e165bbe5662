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
use crate::providers::{Call, CallError, Created, Looked, Session};

use super::{Likeness, created, created_since, list_all, wire};

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
) -> Result<Looked, CallError> {
    let query = [
        ("type", "Person".to_owned()),
        ("created_since", created_since(since)),
        (
            "fields",
            "id,first_name,last_name,email_addresses{id,address},phone_numbers{id,number}"
                .to_owned(),
        ),
    ];
    let created: Vec<wire::Contact> = list_all(session, PATH, &query).await?;
    let mut looked = Looked::default();
    for contact in created {
        match likeness(&contact, sent, session.digests()) {
            Likeness::Same => looked.found.push(contact.id.into()),
            Likeness::Resembling => looked.resembling.push(contact.id.into()),
            Likeness::Other => {}
        }
    }
    Ok(looked)
}

/// The e-mail decides; without one, name and phone must be equal. A record of the same name alone leaves a doubt: a person may have corrected
/// its address or its phone within the minute. A phone alone does not, because many persons share one.
fn likeness(contact: &wire::Contact, sent: &Sent, digests: &Digests) -> Likeness {
    let mut addresses = contact
        .email_addresses
        .iter()
        .filter_map(|email| email.address.as_deref())
        .map(normalised_email);
    if sent.email.is_some() && addresses.any(|address| sent.email == Some(digests.of(&address))) {
        return Likeness::Same;
    }
    let name = [contact.first_name.as_deref(), contact.last_name.as_deref()];
    let phone = contact.phone_numbers.first();
    let phone = phone.and_then(|phone| phone.number.as_deref());
    let same_name = sent.name == Some(digests.of(&normalised_name(name)));
    let phone = normalised_phone(phone.unwrap_or_default());
    let same_phone = sent.phone == Some(digests.of(&phone));
    let no_email = sent.email.is_none() && contact.email_addresses.is_empty();
    match (same_name, same_phone) {
        (true, true) if no_email => Likeness::Same,
        (true, _) => Likeness::Resembling,
        _ => Likeness::Other,
    }
}

/// E-mail "Work" and phone "Mobile", as published.
pub(super) async fn create(
    session: &Session,
    creation: Creation,
    client: &Client,
) -> Result<Created, CallError> {
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
    Ok(created(session.call(call).await?))
}

fn put(data: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    if let Some(value) = filled(value) {
        data.insert(name.to_owned(), json!(value));
    }
}

fn filled(value: Option<&str>) -> Option<&str> {
    value.map(str::trim).filter(|value| !value.is_empty())
}
