//! Documents in Clio's three steps: create, transfer, confirm (providers/clio.md §13).

use std::ops::Range;
use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::{
    ExternalId, UploadId,
    link::Creation,
    outcome::{Failure, Instruction, Waiting},
};
use crate::providers::{
    Call, CallError, Confirmation, DocumentSlot, NewDocument, Presence, ProviderError, Session,
    Target,
};

use super::{list_all, number, wire};

/// Until a confirmation that was not complete is asked for again.
const NOT_YET: Duration = Duration::from_secs(3);
const PATH: &str = "/documents.json";
const PATH_OF_ONE: &str = "/documents/{id}.json";
/// Our id travels here: it is how a document is found again.
const PROPERTY: &str = "casehug_document_id";
/// Multipart is advised from here on.
const MULTIPART_FROM: u64 = 100 * 1024 * 1024;
/// Parts in one request, at most.
const MOST_PARTS: u64 = 50;
/// Parts are a little above the smallest that is allowed (5 MB) and grow with the file, so that one request names them all.
const SMALLEST_PART: u64 = 16 * 1024 * 1024;

const SINGLE_FIELDS: &str =
    "id,etag,latest_document_version{uuid,put_url,put_headers,fully_uploaded}";
const MULTIPART_FIELDS: &str =
    "id,etag,latest_document_version{uuid,put_headers,multiparts,fully_uploaded}";

/// The ranges in which a file of this size travels: one, or equal parts from 100 MB on.
fn parts(size: u64) -> Vec<Range<u64>> {
    if size < MULTIPART_FROM {
        return std::iter::once(0..size).collect();
    }
    let part = size.div_ceil(MOST_PARTS).max(SMALLEST_PART);
    (0..size.div_ceil(part))
        .map(|n| n * part..((n + 1) * part).min(size))
        .collect()
}

fn fields(size: u64) -> &'static str {
    if size < MULTIPART_FROM {
        SINGLE_FIELDS
    } else {
        MULTIPART_FIELDS
    }
}

/// Step 1. The document exists from here on, invisible to the firm until step 3.
pub(super) async fn create(
    session: &Session,
    creation: Creation,
    document: &NewDocument,
) -> Result<DocumentSlot, CallError> {
    let mut data = json!({
        "name": document.file_name,
        "filename": document.file_name,
        "parent": { "id": number(&document.matter)?, "type": "Matter" },
        "external_properties": [{ "name": PROPERTY, "value": document.upload_id.to_string() }],
    });
    if let Some(content_type) = &document.content_type {
        data["content_type"] = json!(content_type);
    }
    let ranges = parts(document.size);
    if ranges.len() > 1 {
        data["multiparts"] = multiparts(&ranges);
    }
    let call = Call::create(PATH, PATH, creation, json!({ "data": data }))
        .with("fields", fields(document.size));
    let created: wire::One<wire::Document> = session.call(call).await?;
    read(created.data, ranges)
}

fn multiparts(ranges: &[Range<u64>]) -> Value {
    ranges
        .iter()
        .zip(1_u32..)
        .map(|(range, number)| {
            json!({ "part_number": number, "content_length": (range.end - range.start).to_string() })
        })
        .collect()
}

/// The look: by our property, complete or not.
pub(super) async fn find(
    session: &Session,
    matter: &ExternalId,
    upload: UploadId,
) -> Result<Vec<ExternalId>, CallError> {
    let query = [
        ("matter_id", matter.0.clone()),
        ("external_property_name", PROPERTY.to_owned()),
        ("external_property_value", upload.to_string()),
        ("show_uncompleted", "true".to_owned()),
        ("fields", "id".to_owned()),
    ];
    let found: Vec<wire::Created> = list_all(session, PATH, &query).await?;
    Ok(found.into_iter().map(|found| found.id.into()).collect())
}

/// Fresh addresses for a document that has no bytes yet: put_url may live 10 minutes only.
pub(super) async fn slot(
    session: &Session,
    id: &ExternalId,
    size: u64,
) -> Result<DocumentSlot, CallError> {
    let call = Call::get(PATH_OF_ONE, format!("/documents/{id}.json")).with("fields", fields(size));
    let found: wire::One<wire::Document> = session.call(call).await?;
    read(found.data, parts(size))
}

/// Whether a document is there with all its bytes. One that was moved to the trash answers 404 (§6).
pub(super) async fn presence(session: &Session, id: &ExternalId) -> Result<Presence, CallError> {
    match slot(session, id, 0).await {
        Ok(slot) if slot.complete => Ok(Presence::There),
        Ok(_) => Ok(Presence::Incomplete),
        Err(CallError::Provider(ProviderError::NotFound)) => Ok(Presence::Missing),
        Err(error) => Err(error),
    }
}

/// Step 3. `uuid` and `fully_uploaded` sit directly in `data`; nested they would be silently ignored.
/// A refusal because it is already confirmed is a success; whether it is, a read says.
pub(super) async fn confirm(
    session: &Session,
    id: &ExternalId,
    version: &str,
) -> Result<Confirmation, CallError> {
    let body = json!({ "data": { "uuid": version, "fully_uploaded": true } });
    let call = Call::patch(PATH_OF_ONE, format!("/documents/{id}.json"), body)
        .with("fields", "id,etag,latest_document_version{fully_uploaded}");
    match session.call::<wire::One<wire::Document>>(call).await {
        Ok(confirmed) if is_complete(&confirmed.data) => Ok(Confirmation::Complete),
        // It has taken the word, and says that the bytes are not all there yet.
        Ok(_) => Err(CallError::Later {
            wait: NOT_YET,
            reason: Waiting::Provider,
        }),
        Err(CallError::Provider(ProviderError::Invalid {
            status: 422,
            kind,
            own_shape,
            words,
        })) => {
            let slot = slot(session, id, 0).await?;
            if slot.complete {
                return Ok(Confirmation::Complete);
            }
            match kind.as_deref() {
                Some("UploadNotFoundError") => Ok(Confirmation::BytesMissing),
                // UploadTimeoutError asks to repeat the call.
                Some(kind) if kind.starts_with("Upload") => {
                    Err(ProviderError::Conflict { status: 422, words }.into())
                }
                _ => Err(ProviderError::Invalid {
                    status: 422,
                    kind,
                    own_shape,
                    words,
                }
                .into()),
            }
        }
        Err(error) => Err(error),
    }
}

fn is_complete(document: &wire::Document) -> bool {
    document
        .latest_document_version
        .as_ref()
        .and_then(|v| v.fully_uploaded)
        == Some(true)
}

fn unavailable() -> CallError {
    ProviderError::Unavailable {
        status: None,
        retry_after: None,
    }
    .into()
}

fn read(document: wire::Document, ranges: Vec<Range<u64>>) -> Result<DocumentSlot, CallError> {
    let id = document.id.into();
    let version = document.latest_document_version.unwrap_or_default();
    let complete = version.fully_uploaded == Some(true);
    let name = version.uuid.clone().unwrap_or_default();
    if complete {
        return Ok(DocumentSlot {
            id,
            version: name,
            visible: true,
            complete,
            targets: Vec::new(),
        });
    }
    if name.is_empty() {
        return Err(unavailable());
    }
    let targets = if ranges.len() > 1 {
        of_parts(version, ranges)?
    } else {
        of_whole(version, ranges)
    };
    Ok(DocumentSlot {
        id,
        version: name,
        visible: true,
        complete,
        targets,
    })
}

fn of_whole(version: wire::Version, ranges: Vec<Range<u64>>) -> Vec<(Range<u64>, Target)> {
    let headers = pairs(version.put_headers);
    version
        .put_url
        .into_iter()
        .zip(ranges)
        .map(|(url, range)| {
            (
                range,
                Target {
                    url,
                    headers: headers.clone(),
                },
            )
        })
        .collect()
}

fn of_parts(
    version: wire::Version,
    ranges: Vec<Range<u64>>,
) -> Result<Vec<(Range<u64>, Target)>, CallError> {
    let mut parts = version.multiparts.unwrap_or_default();
    parts.sort_by_key(|part| part.part_number);
    if parts.len() != ranges.len() {
        return Err(Instruction::Fail(Failure::internal(
            "the document's parts at the provider are not those of the file",
        ))
        .into());
    }
    Ok(ranges
        .into_iter()
        .zip(parts)
        .filter_map(|(range, part)| {
            Some((
                range,
                Target {
                    url: part.put_url?,
                    headers: pairs(part.put_headers),
                },
            ))
        })
        .collect())
}

fn pairs(headers: Option<Vec<wire::Header>>) -> Vec<(String, String)> {
    headers
        .unwrap_or_default()
        .into_iter()
        .map(|h| (h.name, h.value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_travels_whole_below_100_mb_and_in_at_most_50_parts_from_there_on() {
        assert_eq!(parts(0), vec![0..0]);
        assert_eq!(parts(MULTIPART_FROM - 1).len(), 1);
        for size in [MULTIPART_FROM, 1 << 30, (1 << 30) + 1, 1 << 40] {
            let parts = parts(size);
            assert!(parts.len() > 1 && parts.len() <= 50, "{size}");
            assert_eq!(parts.last().unwrap().end, size);
            assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
    }
}
