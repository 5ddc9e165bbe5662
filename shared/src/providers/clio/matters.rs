//! Matters (providers/clio.md §11).

use chrono::{DateTime, Utc};

use serde_json::{Map, json};

use crate::domain::{ExternalId, LinkId, records::Matter};
use crate::providers::{Call, CallError, Session};

use super::{created_since, list_all, number, wire};

const PATH: &str = "/matters.json";

/// `custom_number` is not accepted on write: the case number goes to `client_reference`.
pub(super) async fn create(
    session: &Session,
    link: LinkId,
    matter: &Matter,
    contact: &ExternalId,
    practice_area: Option<&ExternalId>,
) -> Result<ExternalId, CallError> {
    let mut data = Map::from_iter([
        ("description".to_owned(), json!(matter.title)),
        ("client".to_owned(), json!({ "id": number(contact)? })),
        ("client_reference".to_owned(), json!(matter.reference())),
    ]);
    if let Some(area) = practice_area {
        data.insert("practice_area".into(), json!({ "id": number(area)? }));
    }
    let call = Call::create(PATH, PATH, link, json!({ "data": data })).with("fields", "id,etag");
    let created: wire::One<wire::Created> = session.call(call).await?;
    Ok(created.data.id.into())
}

/// There is no filter for `client_reference` (§15): the contact's recent matters are listed and compared.
pub(super) async fn find(
    session: &Session,
    matter: &Matter,
    contact: &ExternalId,
    since: DateTime<Utc>,
) -> Result<Vec<ExternalId>, CallError> {
    let query = [
        ("client_id", contact.0.clone()),
        ("created_since", created_since(since)),
        ("fields", "id,description,client_reference".to_owned()),
    ];
    let found: Vec<wire::Matter> = list_all(session, PATH, &query).await?;
    let reference = matter.reference();
    Ok(found
        .into_iter()
        .filter(|found| {
            found.client_reference.as_deref() == Some(reference.as_str())
                && found.description.as_deref() == Some(matter.title.as_str())
        })
        .map(|found| found.id.into())
        .collect())
}
