//! The object storage that signed upload addresses lead to.
//!
//! Bytes are hashed as they arrive; only parts of a multipart upload are kept, in files, until
//! the whole is complete. As S3 does, a request that is not exactly what was signed is refused.

mod hash_chain;
mod receive;
mod refusal;
pub(crate) mod signature;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use self::hash_chain::HashChains;
pub(crate) use self::receive::{Received, receive};
use crate::{
    Shared,
    answer::Answer,
    clio::Part,
    incoming::{Incoming, Payload},
};

/// Size and SHA-256 of some bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Digest {
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

/// Where the bytes of a request belong.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) uuid: String,
    /// None for an upload in one piece.
    pub(crate) part_number: Option<u32>,
}

#[derive(Debug)]
pub(crate) struct Storage {
    folder: PathBuf,
    chains: HashChains,
}

impl Storage {
    /// What a broken transfer of the last run left is removed.
    pub(crate) fn open(state: &Path) -> anyhow::Result<Self> {
        let folder = state.join("spool");
        fs::create_dir_all(folder.join("incoming")).context("create the spool folder")?;
        for entry in fs::read_dir(folder.join("incoming"))? {
            fs::remove_file(entry?.path()).ok();
        }
        Ok(Self {
            folder,
            chains: HashChains::default(),
        })
    }

    /// The SHA-256 over all parts in order.
    pub(crate) async fn whole(&self, uuid: &str, parts: &[(u32, Part)]) -> io::Result<Digest> {
        self.chains
            .advance(&self.folder.join(uuid), uuid, parts)
            .await
    }

    pub(crate) fn forget(&self, uuid: &str) {
        self.chains.forget(uuid);
        fs::remove_dir_all(self.folder.join(uuid)).ok();
    }

    pub(crate) fn forget_all(&self) {
        self.chains.clear();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.file_name() != "incoming" {
                fs::remove_dir_all(entry.path()).ok();
            }
        }
    }

    fn incoming(&self, name: &str) -> PathBuf {
        self.folder.join("incoming").join(name)
    }

    fn keep(&self, slot: &Slot, part_number: u32, received: &Received) -> io::Result<()> {
        let folder = self.folder.join(&slot.uuid);
        fs::create_dir_all(&folder)?;
        received.keep_as(&folder.join(part_number.to_string()))
    }
}

/// Makes what arrived the slot's content.
pub(crate) async fn perform(shared: &Shared, incoming: &Incoming) -> Answer {
    let Payload::Upload { slot, received } = &incoming.payload else {
        return refusal::signature_does_not_match("nothing was received");
    };
    let slot = match slot {
        Ok(slot) => slot,
        Err(refused) => return refused.clone(),
    };
    if let Some(md5) = received
        .md5
        .as_deref()
        .filter(|md5| *md5 != incoming.header("content-md5"))
    {
        return refusal::bad_digest(incoming.header("content-md5"), md5);
    }
    if let Some(number) = slot.part_number
        && let Err(error) = shared.storage.keep(slot, number, received)
    {
        return Answer::text(500, "text/plain", format!("cannot keep the part: {error}"));
    }
    let parts = shared.clio.world().store(slot, &received.digest);
    let Some(parts) = parts else {
        return refusal::no_such_upload();
    };
    // Hashing what is in order already keeps the last call, which completes, short.
    if !parts.is_empty() {
        shared.storage.whole(&slot.uuid, &parts).await.ok();
    }
    Answer::empty(200).header("ETag", format!("\"{}\"", &received.digest.sha256[..32]))
}
