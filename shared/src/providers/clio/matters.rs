//! Matters (providers/clio.md §11).

use chrono::{DateTime, Utc};

use serde_json::{Map, json};

use crate::domain::{
    ExternalId,
    digest::Digests,
    link::{Creation, Sent},
    normal::normalised_text,
    records::Matter,
};
use crate::providers::{Call, CallError, Created, Looked, Session};

use super::{Likeness, created, created_since, list_all, number, wire};

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

/// There is no filter for `client_reference` (§15): the matters created since are listed and compared. Our own id decides alone. A case number
/// decides together with the client: under another one the matter may be a different one.
///
/// The list is not narrowed to the client: a person may have merged his contact since, and the matter with it.
pub(super) async fn look(
    session: &Session,
    sent: &Sent,
    since: DateTime<Utc>,
) -> Result<Looked, CallError> {
    let query = [
        ("created_since", created_since(since)),
        (
            "fields",
            "id,client_reference,description,client{id}".to_owned(),
        ),
    ];
    let created: Vec<wire::Matter> = list_all(session, PATH, &query).await?;
    let mut looked = Looked::default();
    for matter in created {
        match likeness(&matter, sent, session.digests()) {
            Likeness::Same => looked.found.push(matter.id.into()),
            Likeness::Resembling => looked.resembling.push(matter.id.into()),
            Likeness::Other => {}
        }
    }
    Ok(looked)
}

fn likeness(matter: &wire::Matter, sent: &Sent, digests: &Digests) -> Likeness {
    let digest = |text: &str| Some(digests.of(&normalised_text(text)));
    let reference = matter.client_reference.as_deref().unwrap_or_default();
    let client = matter.client.as_ref().map(|client| client.id.into());
    let same_client = client == sent.contact;
    if digest(reference) == sent.reference {
        return if sent.unique || same_client {
            Likeness::Same
        } else {
            Likeness::Resembling
        };
    }
    // A person may have replaced what looks like rubbish to him. The id of another of CaseHug's matters is another matter's.
    let replaced =
        reference.trim().is_empty() || sent.unique && reference.parse::<uuid::Uuid>().is_err();
    let title = matter.description.as_deref().and_then(digest);
    if replaced && same_client && title.is_some() && title == sent.title {
        return Likeness::Resembling;
    }
    Likeness::Other
}
