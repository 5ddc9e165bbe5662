//! Signed addresses: made for one slot, one moment and exact headers; nothing is remembered.

use axum::http::HeaderMap;
use sha2::{Digest as _, Sha256};
use url::form_urlencoded;

use super::{Slot, refusal};
use crate::{answer::Answer, clio::PutHeader, incoming::Incoming};

/// Headers that change what is stored, so they may only be sent as signed (as all of `x-amz-*`).
const NEVER_UNSIGNED: [&str; 3] = ["content-type", "content-md5", "content-encoding"];

/// What a signature stands for.
#[derive(Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) uuid: &'a str,
    pub(crate) part_number: Option<u32>,
    pub(crate) signed_at_ms: i64,
    pub(crate) ttl_secs: i64,
    pub(crate) headers: &'a [PutHeader],
}

impl Terms<'_> {
    pub(crate) fn url(&self, origin: &str, filename: &str) -> String {
        let filename: String = form_urlencoded::byte_serialize(filename.as_bytes()).collect();
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(number) = self.part_number {
            query.append_pair("uploadId", self.uuid);
            query.append_pair("partNumber", &number.to_string());
        }
        query.append_pair("X-Amz-Expires", &self.ttl_secs.to_string());
        query.append_pair("X-Amz-Date", &self.signed_at_ms.to_string());
        query.append_pair("X-Amz-Algorithm", "AWS4-HMAC-SHA256");
        query.append_pair("X-Amz-SignedHeaders", &self.signed_names());
        query.append_pair("X-Amz-Signature", &self.signature());
        format!(
            "{origin}/storage/{}/{filename}?{}",
            self.uuid,
            query.finish()
        )
    }

    fn signed_names(&self) -> String {
        let mut names: Vec<String> = self
            .headers
            .iter()
            .map(|header| header.name.to_ascii_lowercase())
            .collect();
        names.push("host".into());
        names.sort();
        names.join(";")
    }

    fn signature(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(format!(
            "simulated key\n{}\n{:?}\n{}\n{}\n",
            self.uuid, self.part_number, self.signed_at_ms, self.ttl_secs
        ));
        for header in self.headers {
            hasher.update(format!(
                "{}:{}\n",
                header.name.to_ascii_lowercase(),
                header.value
            ));
        }
        super::receive::hex(&hasher.finalize())
    }
}

/// The slot an address names, before anything is believed.
pub(super) fn named_slot(incoming: &Incoming) -> Option<Slot> {
    let uuid = incoming.path.strip_prefix("/storage/")?.split('/').next()?;
    let part_number = number(incoming, "partNumber").and_then(|number| u32::try_from(number).ok());
    Some(Slot {
        uuid: uuid.to_owned(),
        part_number,
    })
}

/// Refuses a request that is not exactly what was signed with `headers`.
pub(super) fn check(incoming: &Incoming, slot: &Slot, headers: &[PutHeader]) -> Result<(), Answer> {
    let mismatch = |why: &str| Err(refusal::signature_does_not_match(why));
    let (Some(signed_at_ms), Some(ttl_secs)) = (
        number(incoming, "X-Amz-Date"),
        number(incoming, "X-Amz-Expires"),
    ) else {
        return mismatch("the address is not signed");
    };
    let Slot { uuid, part_number } = slot;
    let terms = Terms {
        uuid,
        part_number: *part_number,
        signed_at_ms,
        ttl_secs,
        headers,
    };
    if parameter(incoming, "X-Amz-Signature") != Some(terms.signature()) {
        return mismatch("the address was changed");
    }
    if incoming.at_ms >= signed_at_ms + ttl_secs * 1000 {
        return Err(refusal::expired());
    }
    match fault_of_headers(&incoming.method, &incoming.headers, headers) {
        Some(why) => mismatch(&why),
        None => Ok(()),
    }
}

fn fault_of_headers(method: &str, sent: &HeaderMap, signed: &[PutHeader]) -> Option<String> {
    if method != "PUT" {
        return Some(format!("signed for PUT, not {method}"));
    }
    if sent.contains_key("authorization") {
        return Some("an Authorization header beside a signed address".into());
    }
    if sent.contains_key("transfer-encoding") || !sent.contains_key("content-length") {
        return Some("Content-Length is required, chunked encoding is not taken".into());
    }
    let differs = |header: &&PutHeader| {
        sent.get(&header.name)
            .is_none_or(|value| value.as_bytes() != header.value.as_bytes())
    };
    if let Some(header) = signed.iter().find(differs) {
        return Some(format!("header {} is not sent as signed", header.name));
    }
    let is_signed = |name: &str| {
        signed
            .iter()
            .any(|header| header.name.eq_ignore_ascii_case(name))
    };
    let mut names = sent.keys().map(|name| name.as_str());
    let extra = names.find(|name| {
        !is_signed(name) && (NEVER_UNSIGNED.contains(name) || name.starts_with("x-amz-"))
    });
    extra.map(|name| format!("header {name} was not signed"))
}

fn parameter(incoming: &Incoming, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(incoming.query.as_bytes());
    pairs
        .find(|(given, _)| given == name)
        .map(|(_, value)| value.into_owned())
}

fn number(incoming: &Incoming, name: &str) -> Option<i64> {
    parameter(incoming, name)?.parse().ok()
}
