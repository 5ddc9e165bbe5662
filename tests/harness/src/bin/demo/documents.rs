//! The files of the scenario: three that come with the demo, and a person's own.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A document that comes with the demo.
#[derive(Debug)]
pub(crate) struct Enclosed {
    pub(crate) id: Uuid,
    pub(crate) label: &'static str,
    pub(crate) name: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) bytes: &'static [u8],
}

pub(crate) const ENCLOSED: [Enclosed; 3] = [
    Enclosed {
        id: Uuid::from_u128(0xca5e_0000_0000_4000_8000_0000_0000_0011),
        label: "PDF",
        name: "fee-agreement.pdf",
        content_type: "application/pdf",
        bytes: include_bytes!("../../../assets/fee-agreement.pdf"),
    },
    Enclosed {
        id: Uuid::from_u128(0xca5e_0000_0000_4000_8000_0000_0000_0012),
        label: "PNG",
        name: "id-card.png",
        content_type: "image/png",
        bytes: include_bytes!("../../../assets/id-card.png"),
    },
    Enclosed {
        id: Uuid::from_u128(0xca5e_0000_0000_4000_8000_0000_0000_0013),
        label: "DOCX",
        name: "questionnaire.docx",
        content_type: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        bytes: include_bytes!("../../../assets/questionnaire.docx"),
    },
];

/// A file as it stands in the store.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) id: Uuid,
    pub(crate) size: i64,
    pub(crate) sha256: String,
}

/// Puts an enclosed file into the store.
pub(crate) fn store_enclosed(file: &Enclosed, folder: &Path) -> Result<Stored> {
    store(&mut &*file.bytes, folder, |_| file.id)
}

/// Puts a person's file into the store. Its id follows from its bytes, so that the same file is
/// the same upload however often it is sent.
pub(crate) fn store_own(file: &Path, folder: &Path) -> Result<Stored> {
    let mut source = File::open(file).with_context(|| format!("open {}", file.display()))?;
    let stored = store(&mut source, folder, |digest| {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    });
    stored.with_context(|| format!("store {}", file.display()))
}

/// A file is under its name only when it is whole.
fn store(source: &mut impl Read, folder: &Path, id: impl Fn(&[u8]) -> Uuid) -> Result<Stored> {
    let incoming = folder.join("incoming");
    let mut target = File::create(&incoming).context("write into the store")?;
    let (mut digest, mut size) = (Sha256::new(), 0);
    let mut piece = vec![0; 256 * 1024];
    loop {
        let length = source.read(&mut piece)?;
        if length == 0 {
            break;
        }
        digest.update(&piece[..length]);
        target.write_all(&piece[..length])?;
        size += i64::try_from(length)?;
    }
    let digest = digest.finalize();
    let id = id(&digest);
    fs::rename(incoming, folder.join(id.to_string()))?;
    let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Stored { id, size, sha256 })
}

/// Browsers tell it of an upload; here the name's ending does.
pub(crate) fn content_type(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "pdf" => "application/pdf",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "txt" => "text/plain",
        "docx" => ENCLOSED[2].content_type,
        _ => return None,
    })
}
