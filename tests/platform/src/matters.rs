//! Matters.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use shared::domain::ExternalId;
use shared::domain::link::{Creation, Sent};
use shared::domain::normal::normalised_text;
use shared::domain::records::Matter;
use shared::providers::{Call, CallError, Created, Session};

use crate::wire::{Accepted, created_since, list_all};

const PATH: &str = "/matters";

#[derive(Deserialize)]
struct Found {
    id: String,
    reference: Option<String>,
}

/// The reference alone decides.
pub(crate) async fn look(
    session: &Session,
    sent: &Sent,
    since: DateTime<Utc>,
) -> Result<Vec<ExternalId>, CallError> {
    let (Some(contact), Some(reference)) = (&sent.contact, &sent.reference) else {
        return Ok(Vec::new());
    };
    let query = [
        ("contact_id", contact.0.clone()),
        ("created_since", created_since(since)),
    ];
    let found: Vec<Found> = list_all(session, PATH, PATH, &query).await?;
    let digest = |text: &str| session.digests().of(&normalised_text(text));
    let was_sent =
        |found: &Found| found.reference.as_deref().map(digest).as_ref() == Some(reference);
    let found = found.into_iter().filter(was_sent);
    Ok(found.map(|found| ExternalId(found.id)).collect())
}

pub(crate) async fn create(
    session: &Session,
    creation: Creation,
    matter: &Matter,
    contact: &ExternalId,
) -> Result<Created, CallError> {
    let body =
        json!({ "title": matter.title, "reference": matter.reference(), "contact_id": contact });
    let accepted: Accepted = session
        .call(Call::create(PATH, PATH, creation, body))
        .await?;
    Ok(accepted.into())
}
