//! Files of a matter: announced, sent to a signed address, shown some time later.

use serde::Deserialize;
use serde_json::json;
use shared::domain::link::Creation;
use shared::domain::{ExternalId, UploadId};
use shared::providers::{
    Call, CallError, DocumentSlot, NewDocument, Presence, ProviderError, Session, Target,
};

use crate::wire::list_all;

const PATH: &str = "/matters/{id}/files";
const PATH_OF_ONE: &str = "/matters/{id}/files/{id}";
const PATH_OF_ADDRESS: &str = "/matters/{id}/files/{id}/upload";

#[derive(Deserialize)]
struct Announced {
    id: String,
    upload_url: String,
}

#[derive(Deserialize)]
struct Found {
    id: String,
    reference: Option<String>,
    uploaded: bool,
}

/// Our upload's id travels as the file's reference.
pub(crate) async fn create(
    session: &Session,
    creation: Creation,
    document: &NewDocument,
) -> Result<DocumentSlot, CallError> {
    let NewDocument {
        upload_id,
        matter,
        file_name,
        size,
        ..
    } = document;
    let body = json!({ "name": file_name, "reference": upload_id });
    let call = Call::create(PATH, format!("/matters/{matter}/files"), creation, body);
    let announced: Announced = session.call(call).await?;
    Ok(open(announced, *size, false))
}

pub(crate) async fn find(
    session: &Session,
    matter: &ExternalId,
    upload: UploadId,
) -> Result<Vec<ExternalId>, CallError> {
    let found: Vec<Found> =
        list_all(session, PATH, &format!("/matters/{matter}/files"), &[]).await?;
    let reference = upload.to_string();
    let ours = |found: &Found| found.reference.as_ref() == Some(&reference);
    let found = found.into_iter().filter(ours);
    Ok(found.map(|found| ExternalId(found.id)).collect())
}

/// There once its bytes are.
pub(crate) async fn presence(
    session: &Session,
    matter: &ExternalId,
    id: &ExternalId,
) -> Result<Presence, CallError> {
    match read(session, matter, id).await {
        Ok(found) if found.uploaded => Ok(Presence::There),
        Ok(_) => Ok(Presence::Incomplete),
        Err(CallError::Provider(ProviderError::NotFound)) => Ok(Presence::Missing),
        Err(error) => Err(error),
    }
}

async fn read(session: &Session, matter: &ExternalId, id: &ExternalId) -> Result<Found, CallError> {
    let path = format!("/matters/{matter}/files/{id}");
    session.call(Call::get(PATH_OF_ONE, path)).await
}

/// A fresh address of the same file.
pub(crate) async fn slot(
    session: &Session,
    matter: &ExternalId,
    id: &ExternalId,
    size: u64,
) -> Result<DocumentSlot, CallError> {
    if read(session, matter, id).await?.uploaded {
        return Ok(DocumentSlot {
            id: id.clone(),
            version: String::new(),
            visible: true,
            complete: true,
            targets: Vec::new(),
        });
    }
    let path = format!("/matters/{matter}/files/{id}/upload");
    let announced: Announced = session.call(Call::get(PATH_OF_ADDRESS, path)).await?;
    Ok(open(announced, size, true))
}

fn open(announced: Announced, size: u64, visible: bool) -> DocumentSlot {
    let target = Target {
        url: announced.upload_url,
        headers: Vec::new(),
    };
    DocumentSlot {
        id: ExternalId(announced.id),
        version: String::new(),
        visible,
        complete: false,
        targets: vec![(0..size, target)],
    }
}
