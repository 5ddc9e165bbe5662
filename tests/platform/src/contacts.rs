//! Contacts.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use shared::domain::ExternalId;
use shared::domain::link::{Creation, Sent};
use shared::domain::normal::{normalised_email, normalised_name, normalised_phone};
use shared::domain::records::Client;
use shared::providers::{Call, CallError, Created, Session};

use crate::wire::{Accepted, created_since, list_all};

const PATH: &str = "/contacts";

#[derive(Deserialize)]
struct Contact {
    id: String,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
}

/// The filter finds what contains the address: the exact comparison is ours.
pub(crate) async fn find_by_email(
    session: &Session,
    email: &str,
) -> Result<Vec<ExternalId>, CallError> {
    let found: Vec<Contact> = list_all(session, PATH, PATH, &[("email", email.to_owned())]).await?;
    let same = |contact: &Contact| {
        let address = contact.email.as_deref().map(normalised_email);
        address.as_deref() == Some(email)
    };
    Ok(ids(found.into_iter().filter(same)))
}

pub(crate) async fn look(
    session: &Session,
    sent: &Sent,
    since: DateTime<Utc>,
) -> Result<Vec<ExternalId>, CallError> {
    let query = [("created_since", created_since(since))];
    let found: Vec<Contact> = list_all(session, PATH, PATH, &query).await?;
    let digests = session.digests();
    let was_sent = |contact: &Contact| {
        let email = contact.email.as_deref().map(normalised_email);
        if sent.email.is_some() || email.is_some() {
            return sent.email == email.map(|email| digests.of(&email));
        }
        let name = [contact.first_name.as_deref(), contact.last_name.as_deref()];
        let phone = normalised_phone(contact.phone.as_deref().unwrap_or_default());
        sent.name == Some(digests.of(&normalised_name(name)))
            && sent.phone == Some(digests.of(&phone))
    };
    Ok(ids(found.into_iter().filter(was_sent)))
}

fn ids(contacts: impl Iterator<Item = Contact>) -> Vec<ExternalId> {
    contacts.map(|contact| ExternalId(contact.id)).collect()
}

pub(crate) async fn create(
    session: &Session,
    creation: Creation,
    client: &Client,
) -> Result<Created, CallError> {
    let body = json!({ "first_name": client.first_name, "last_name": client.last_name, "email": client.email, "phone": client.phone });
    let accepted: Accepted = session
        .call(Call::create(PATH, PATH, creation, body))
        .await?;
    Ok(accepted.into())
}
