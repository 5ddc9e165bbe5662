//! The file of an approved document: found under its firm's folder, measured and hashed before anything is sent.
//!
//! What the application says of a file is not believed where it can be seen: the hash is compared before the first byte leaves, and once
//! more on the way.

use shared::db::storages::StorageTurn;
use shared::domain::outcome::{Failure, Instruction, RETRIED};
use shared::domain::records::Upload;
use shared::domain::{ExternalId, FirmId};
use shared::providers::{CallError, NewDocument};
use tokio::sync::OwnedSemaphorePermit;

use crate::context::Context;
use crate::storage::StorageError;

/// A type that says nothing.
const UNKNOWN_TYPE: &str = "application/octet-stream";
const SHA256_CHARS: usize = 64;

/// The file, checked and measured.
pub(super) struct File {
    pub(super) upload: Upload,
    pub(super) document: NewDocument,
    pub(super) sha256: String,
    pub(super) turn: StorageTurn,
    /// It is read and sent in a place for transfers.
    _place: OwnedSemaphorePermit,
}

impl Context<'_> {
    pub(super) async fn measure(
        &self,
        upload: Upload,
        matter: ExternalId,
        turn: StorageTurn,
    ) -> Result<File, CallError> {
        if !is_of_firm(&upload.storage_path, self.account.firm_id) {
            return Err(path_unusable());
        }
        let approved = read_sha256(upload.sha256.as_deref())?;
        // Before the file is read: reading takes as long as sending.
        let place = self.place_for_transfer()?;
        let storage = &self.execution.environment.storage;
        let path = &upload.storage_path;
        let size = storage.size(path).await.map_err(unreadable)?;
        let sha256 = storage.sha256(path).await.map_err(unreadable)?;
        if approved.is_some_and(|approved| approved != sha256) {
            return Err(not_as_recorded());
        }
        let document = NewDocument {
            upload_id: upload.id,
            matter,
            file_name: upload.file_name.clone(),
            content_type: read_type(upload.content_type.as_deref(), &upload.file_name),
            size,
        };
        Ok(File {
            upload,
            document,
            sha256,
            turn,
            _place: place,
        })
    }
}

/// Each firm's files lie under its id: a row that names another firm's file sends nothing.
fn is_of_firm(path: &str, firm: FirmId) -> bool {
    let rest = path.strip_prefix(&format!("{firm}/"));
    rest.is_some_and(|rest| !rest.is_empty())
}

/// An empty hash is none.
fn read_sha256(said: Option<&str>) -> Result<Option<String>, CallError> {
    let said = said.map(str::trim).filter(|said| !said.is_empty());
    let Some(said) = said.map(str::to_lowercase) else {
        return Ok(None);
    };
    let is_hash = said.len() == SHA256_CHARS && said.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash {
        Ok(Some(said))
    } else {
        Err(hash_unusable())
    }
}

/// The type without its parameters. None where nothing is known and the name's ending says it.
fn read_type(said: Option<&str>, file_name: &str) -> Option<String> {
    let said = said.and_then(|said| said.split(';').next()).map(str::trim);
    let known = said.filter(|said| is_type(said) && !said.eq_ignore_ascii_case(UNKNOWN_TYPE));
    match known {
        Some(known) => Some(known.to_owned()),
        None if has_ending(file_name) => None,
        None => Some(UNKNOWN_TYPE.to_owned()),
    }
}

/// `type/subtype`, both tokens (RFC 9110, 5.6.2).
fn is_type(text: &str) -> bool {
    let is_token = |part: &str| {
        let mut chars = part.chars();
        !part.is_empty()
            && chars.all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
    };
    text.split_once('/')
        .is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

fn has_ending(file_name: &str) -> bool {
    file_name
        .rsplit_once('.')
        .is_some_and(|(name, ending)| !name.is_empty() && !ending.is_empty())
}

pub(super) fn unreadable(error: StorageError) -> CallError {
    match error {
        StorageError::Missing => Instruction::Fail(Failure::new(
            "file_missing",
            "the document's file is not in the store",
            "upload the document again in CaseHug, approve it and retry",
        )),
        StorageError::Unnameable => return path_unusable(),
        StorageError::Unavailable => Instruction::Retry(Failure::new(
            "storage_unavailable",
            "the document store did not answer",
            RETRIED,
        )),
    }
    .into()
}

pub(super) fn not_as_recorded() -> CallError {
    fail(
        "file_changed",
        "the document's file is not the one that was recorded",
        "upload the document again in CaseHug, approve it and retry",
    )
}

fn path_unusable() -> CallError {
    fail(
        "path_unusable",
        "the document's file is not stored under a path of its firm",
        "contact support@calmintake.com: uploading the document again may lead to the same path",
    )
}

fn hash_unusable() -> CallError {
    fail(
        "file_changed",
        "the hash that was recorded for the document's file is no SHA-256",
        "upload the document again in CaseHug, approve it and retry",
    )
}

fn fail(code: &'static str, message: &str, resolution: &str) -> CallError {
    Instruction::Fail(Failure::new(code, message, resolution)).into()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_type_is_what_its_tokens_say_and_nothing_is_said_where_the_ending_does() {
        for (said, name, expected) in [
            (Some("application/pdf"), "a.pdf", Some("application/pdf")),
            (Some(" application/pdf "), "a", Some("application/pdf")),
            (
                Some("text/plain; charset=utf-8"),
                "a.txt",
                Some("text/plain"),
            ),
            (Some("image/svg+xml"), "a.svg", Some("image/svg+xml")),
            (Some("Application/Octet-Stream"), "a.pdf", None),
            (Some("application/pdf\r\nx-a: b"), "a.pdf", None),
            (Some("application/"), "a.pdf", None),
            (Some("/pdf"), "a.pdf", None),
            (Some("pdf"), "a.pdf", None),
            (Some("a/b/c"), "a.pdf", None),
            (Some("   "), "scan.pdf", None),
            (Some("größe/pdf"), "a.pdf", None),
            (None, "scan.pdf", None),
            (None, "scan", Some(UNKNOWN_TYPE)),
            (None, ".profile", Some(UNKNOWN_TYPE)),
            (None, "scan.", Some(UNKNOWN_TYPE)),
            (Some(""), "scan", Some(UNKNOWN_TYPE)),
        ] {
            assert_eq!(
                read_type(said, name).as_deref(),
                expected,
                "{said:?} {name}"
            );
        }
    }

    #[test]
    fn a_hash_is_64_hexadecimal_digits_or_nothing() {
        let hash = "0A".repeat(32);
        for none in [None, Some(""), Some("  ")] {
            assert!(matches!(read_sha256(none), Ok(None)));
        }
        let padded = format!(" {hash} ");
        for said in [hash.as_str(), &padded] {
            let read = read_sha256(Some(said)).ok().flatten();
            assert_eq!(read, Some(hash.to_lowercase()));
        }
        for wrong in [
            &hash[1..],
            &format!("{hash}0"),
            &"g".repeat(64),
            "null",
            "sha256:00",
        ] {
            assert!(read_sha256(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_path_lies_under_its_own_firm() {
        let firm = FirmId(Uuid::from_u128(7));
        let own = format!("{firm}/a.pdf");
        assert!(is_of_firm(&own, firm));
        for wrong in [
            "a.pdf".to_owned(),
            String::new(),
            format!("{firm}"),
            format!("{firm}/"),
            format!("/{own}"),
            format!(" {own}"),
            format!("{firm}a.pdf"),
            format!("{}/a.pdf", Uuid::from_u128(8)),
            format!("x/{own}"),
            own.to_uppercase()
                .replace("A.PDF", "a.pdf")
                .replace('0', "o"),
        ] {
            assert!(!is_of_firm(&wrong, firm), "{wrong}");
        }
    }
}
