//! Matters (providers/clio.md §11).

use chrono::{DateTime, Utc};

use serde_json::{Map, json};

use crate::domain::{
    ExternalId,
    link::{Creation, Sent},
    normal::normalised_text,
    records::Matter,
};
use crate::providers::{Call, CallError, Created, Session};

use super::{created, created_since, list_all, number, wire};

const PATH: &str = "/matters.json";

/// `custom_number` is not accepted on write: the case number goes to `client_reference`.
pub(super) async fn create(
    session: &Session,
    creation: Creation,
    matter: &Matter,
    contact: &ExternalId,
    practice_area: Option<&ExternalId>,
) -> Result<Created, CallError> {
    let mut data = Map::from_iter([
        ("description".to_owned(), json!(matter.title)),
        ("client".to_owned(), json!({ "id": number(contact)? })),
        ("client_reference".to_owned(), json!(matter.reference())),
    ]);
    if let Some(area) = practice_area {
        data.insert("practice_area".into(), json!({ "id": number(area)? }));
    }
    let call =
        Call::create(PATH, PATH, creation, json!({ "data": data })).with("fields", "id,etag");
    Ok(created(session.call(call).await?))
}

/// There is no filter for `client_reference` (§15): the recent matters of the contact that was sent are listed and compared. The reference
/// alone decides: a person at Clio may have corrected the description since.
pub(super) async fn look(
    session: &Session,
    sent: &Sent,
    since: DateTime<Utc>,
) -> Result<Vec<ExternalId>, CallError> {
    let (Some(contact), Some(reference)) = (&sent.contact, &sent.reference) else {
        return Ok(Vec::new());
    };
    let query = [
        ("client_id", contact.0.clone()),
        ("created_since", created_since(since)),
        ("fields", "id,client_reference".to_owned()),
    ];
    let found: Vec<wire::Matter> = list_all(session, PATH, &query).await?;
    let digest = |text: &str| session.digests().of(&normalised_text(text));
    Ok(found
        .into_iter()
        .filter(|found| found.client_reference.as_deref().map(digest).as_ref() == Some(reference))
        .map(|found| found.id.into())
        .collect())
}
