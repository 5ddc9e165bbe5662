//! Versions of documents: the upload from its first step to its last.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

use super::{
    Outcome,
    body::invalid,
    call::Call,
    refuse,
    row::{Row, etag},
    upload::{MIN_PART, Part, PutHeader, Version},
    world::World,
};
use crate::{
    Shared, answer::Answer, clock, incoming::Incoming, storage::Digest, storage::signature::Terms,
};

const MAX_PARTS_PER_REQUEST: usize = 50;
const MAX_PART_NUMBER: u64 = 10_000;

/// Starts a new version; `row` is its document.
pub(super) fn start(
    world: &mut World,
    call: &Call<'_>,
    row: &mut Row,
    data: &Map<String, Value>,
) -> Outcome<()> {
    let text = |name: &str| {
        data.get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let filename = text("filename")
        .or(text("name"))
        .unwrap_or_default()
        .to_owned();
    let content_type = text("content_type")
        .unwrap_or_else(|| guess(&filename))
        .to_owned();
    let mut version = Version {
        id: world.next_id(),
        document_id: row.id,
        account_id: row.account_id,
        number: row.items("versions").len() as u64 + 1,
        filename,
        content_type,
        created_ms: call.now_ms(),
        updated_ms: call.now_ms(),
        parts: None,
        stored: None,
        fully_uploaded: false,
    };
    if let Some(parts) = data.get("multiparts").and_then(Value::as_array) {
        declare(&mut version, parts)?;
    }
    let uuid = clock::random_uuid().to_string();
    let mut versions = row.items("versions").to_vec();
    versions.push(json!(uuid));
    row.set("versions", versions);
    world.tables.versions.put(uuid, version);
    Ok(())
}

/// Adds parts to an upload, or announces them anew.
pub(super) fn declare(version: &mut Version, given: &[Value]) -> Outcome<()> {
    if !(1..=MAX_PARTS_PER_REQUEST).contains(&given.len()) {
        return Err(invalid("multiparts: between 1 and 50 parts per request"));
    }
    let mut parts = version.parts.take().unwrap_or_default();
    for part in given {
        let number = part["part_number"]
            .as_u64()
            .filter(|n| (1..=MAX_PART_NUMBER).contains(n));
        let number = number.and_then(|number| u32::try_from(number).ok());
        let length = &part["content_length"];
        let length = length.as_u64().or_else(|| length.as_str()?.parse().ok());
        let (Some(number), Some(content_length)) = (number, length.filter(|length| *length > 0))
        else {
            return Err(invalid(
                "multiparts: part_number 1 to 10000 and content_length needed",
            ));
        };
        let content_md5 = part["content_md5"].as_str().map(str::to_owned);
        let is_md5 = |md5: &String| BASE64_STANDARD.decode(md5).is_ok_and(|md5| md5.len() == 16);
        if content_md5.as_ref().is_some_and(|md5| !is_md5(md5)) {
            return Err(invalid(
                "multiparts: content_md5 must be the base64 of an MD5",
            ));
        }
        parts.insert(
            number,
            Part {
                content_length,
                content_md5,
                stored: None,
            },
        );
    }
    if parts
        .values()
        .rev()
        .skip(1)
        .any(|part| part.content_length < MIN_PART)
    {
        return Err(invalid("multiparts: each part but the last needs 5 MB"));
    }
    version.parts = Some(parts);
    Ok(())
}

/// The last step: the bytes must be there, all of them.
pub(super) fn complete(version: &mut Version, uuid: &str, joined: Option<&Digest>) -> Outcome<()> {
    if version.fully_uploaded {
        return Err(invalid(&format!(
            "document version {uuid} is already fully uploaded"
        )));
    }
    if version.parts.is_some() {
        version.stored = joined.filter(|_| version.is_joinable()).cloned();
    }
    if version.stored.is_none() {
        let name = &version.filename;
        let message = format!(
            "A matching remote file was not found for the file named {name} with UUID {uuid}"
        );
        return Err(refuse(422, "UploadNotFoundError", message));
    }
    version.fully_uploaded = true;
    Ok(())
}

/// Before a request that completes a multipart upload is let in: the hash over its parts.
pub(super) async fn join(
    shared: &Shared,
    incoming: &Incoming,
    segments: &[&str],
) -> Option<Digest> {
    let uuid = completed_uuid(incoming, segments)?;
    let version = shared.clio.world().tables.versions.get(&uuid).cloned()?;
    if version.fully_uploaded || !version.is_joinable() {
        return None;
    }
    shared.storage.whole(&uuid, &version.part_list()).await.ok()
}

fn completed_uuid(incoming: &Incoming, segments: &[&str]) -> Option<String> {
    if incoming.method != "PATCH" || segments.first() != Some(&"documents") {
        return None;
    }
    let body: Value = serde_json::from_slice(incoming.body()).ok()?;
    Some(body["data"]["uuid"].as_str()?.to_owned())
}

/// Parts that were joined are not needed any more.
pub(super) fn clean_up(shared: &Shared, call: &Call<'_>, result: &Outcome) {
    let body: Value = serde_json::from_slice(call.incoming.body()).unwrap_or_default();
    if let (Ok(_), Some(_), Some(uuid)) = (result, &call.joined, body["data"]["uuid"].as_str()) {
        shared.storage.forget(uuid);
    }
}

/// `latest_document_version`; each look signs its addresses anew.
pub(super) fn view(world: &World, call: &Call<'_>, uuid: &str, only: Option<&[u32]>) -> Value {
    let Some(version) = world.tables.versions.get(&uuid.to_owned()) else {
        return Value::Null;
    };
    let open = !version.fully_uploaded;
    let sign = |part_number: Option<u32>, headers: &[PutHeader]| {
        let ttl_secs = world.settings.put_url_ttl_secs;
        let terms = Terms {
            uuid,
            part_number,
            signed_at_ms: call.now_ms(),
            ttl_secs,
            headers,
        };
        json!(terms.url(&call.incoming.origin, &version.filename))
    };
    let asked = |number: &u32| only.is_none_or(|only| only.contains(number));
    let parts = version
        .parts
        .iter()
        .flatten()
        .filter(|(number, _)| open && asked(number));
    let parts: Vec<Value> = parts
        .map(|(number, part)| {
            let headers = part.put_headers();
            let url = sign(Some(*number), &headers);
            json!({"part_number": number, "put_url": url, "put_headers": headers})
        })
        .collect();
    let headers = version.put_headers();
    let whole = open && version.parts.is_none() && !world.settings.withhold_addresses;
    json!({
        "id": version.id,
        "etag": etag(version.id, u64::from(version.fully_uploaded) + 1),
        "uuid": uuid,
        "document_id": version.document_id,
        "version_number": version.number,
        "filename": version.filename,
        "content_type": version.content_type,
        "size": version.stored.as_ref().map(|stored| stored.size),
        "fully_uploaded": version.fully_uploaded,
        "put_url": whole.then(|| sign(None, &headers)),
        "put_headers": if open { headers } else { Vec::new() },
        "multiparts": parts,
        "created_at": clock::rfc3339(version.created_ms),
        "updated_at": clock::rfc3339(version.updated_ms),
    })
}

/// By the ending, as Clio does when no type is given.
fn guess(filename: &str) -> &'static str {
    let ending = filename
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("pdf") => "application/pdf",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("txt") => "text/plain",
        Some("csv") => "text/csv",
        Some("html") => "text/html",
        Some("json") => "application/json",
        Some("zip") => "application/zip",
        Some("doc") => "application/msword",
        Some("docx") => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _ => "application/octet-stream",
    }
}

/// A version of this document, or the refusal Clio gives for an unknown upload.
pub(super) fn find(world: &World, row: &Row, uuid: &str) -> Outcome<Version> {
    let version = world.tables.versions.get(&uuid.to_owned());
    let version = version.filter(|version| version.document_id == row.id);
    version.cloned().ok_or_else(|| unknown_upload(uuid))
}

fn unknown_upload(uuid: &str) -> Answer {
    let message = format!("A matching remote file was not found for the upload with UUID {uuid}");
    refuse(422, "UploadNotFoundError", message)
}
