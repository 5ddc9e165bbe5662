//! One version of a document: where its bytes go and what has arrived.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::storage::Digest;

/// S3 takes no smaller part, but for the last.
pub(super) const MIN_PART: u64 = 5 * 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PutHeader {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl PutHeader {
    fn new(name: &str, value: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            value: value.into(),
        }
    }
}

/// Its key is the uuid.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) id: u64,
    pub(crate) document_id: u64,
    pub(crate) account_id: u64,
    pub(crate) number: u64,
    pub(crate) filename: String,
    pub(crate) content_type: String,
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
    /// None for an upload in one piece.
    pub(crate) parts: Option<BTreeMap<u32, Part>>,
    /// What the bytes are: known when stored in one piece, or when all parts were joined.
    pub(crate) stored: Option<Digest>,
    pub(crate) fully_uploaded: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) content_length: u64,
    pub(crate) content_md5: Option<String>,
    pub(crate) stored: Option<Digest>,
}

impl Version {
    /// What must be sent with an upload in one piece.
    pub(crate) fn put_headers(&self) -> Vec<PutHeader> {
        vec![
            PutHeader::new("x-amz-server-side-encryption", "AES256"),
            PutHeader::new("Content-Type", self.content_type.clone()),
        ]
    }

    pub(crate) fn part(&self, number: u32) -> Option<&Part> {
        self.parts.as_ref()?.get(&number)
    }

    pub(crate) fn part_list(&self) -> Vec<(u32, Part)> {
        let parts = self.parts.iter().flatten();
        parts
            .map(|(number, part)| (*number, part.clone()))
            .collect()
    }

    /// All declared parts are there, and large enough for S3 to join them.
    pub(crate) fn is_joinable(&self) -> bool {
        let parts = self.part_list();
        let large = parts
            .iter()
            .rev()
            .skip(1)
            .all(|(_, part)| part.content_length >= MIN_PART);
        !parts.is_empty() && large && parts.iter().all(|(_, part)| part.stored.is_some())
    }
}

impl Part {
    pub(crate) fn put_headers(&self) -> Vec<PutHeader> {
        let length = PutHeader::new("Content-Length", self.content_length.to_string());
        let md5 = self
            .content_md5
            .as_ref()
            .map(|md5| PutHeader::new("Content-MD5", md5.clone()));
        [Some(length), md5].into_iter().flatten().collect()
    }
}
