//! Takes a transfer in, hashing on the way.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use axum::body::Body;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures::StreamExt as _;
use md5::Md5;
use sha2::{Digest as _, Sha256};
use tokio::{
    fs::File,
    io::{AsyncWriteExt as _, BufWriter},
};

use super::{Digest, Slot, refusal, signature};
use crate::{
    Shared,
    answer::Answer,
    clock,
    incoming::{Incoming, Payload},
};

const BUFFER: usize = 1024 * 1024;

/// Bytes that arrived whole; a file of them goes with this, unless it was kept.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) digest: Digest,
    /// In base64, only if the client named one to compare with.
    pub(super) md5: Option<String>,
    file: Option<PathBuf>,
}

impl Received {
    pub(super) fn keep_as(&self, path: &Path) -> io::Result<()> {
        self.file
            .as_ref()
            .map_or(Ok(()), |file| fs::rename(file, path))
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // Kept ones are gone from here already.
            fs::remove_file(file).ok();
        }
    }
}

/// Reads to the end even what will be refused: a client that still sends would not see the answer.
pub(crate) async fn receive(
    shared: &Shared,
    incoming: &Incoming,
    body: Body,
) -> io::Result<Payload> {
    let slot = check_slot(shared, incoming);
    let is_part = slot.as_ref().is_ok_and(|slot| slot.part_number.is_some());
    let name = clock::random_uuid().to_string();
    let file = is_part.then(|| shared.storage.incoming(&name));
    let empty = Digest {
        size: 0,
        sha256: String::new(),
    };
    let mut received = Received {
        digest: empty,
        md5: None,
        file,
    };
    read(
        &mut received,
        incoming.headers.contains_key("content-md5"),
        body,
    )
    .await?;
    Ok(Payload::Upload { slot, received })
}

fn check_slot(shared: &Shared, incoming: &Incoming) -> Result<Slot, Answer> {
    let slot = signature::named_slot(incoming).ok_or_else(refusal::no_such_upload)?;
    let headers = shared
        .clio
        .world()
        .put_headers(&slot)
        .ok_or_else(refusal::no_such_upload)?;
    signature::check(incoming, &slot, &headers)?;
    Ok(slot)
}

async fn read(received: &mut Received, wants_md5: bool, body: Body) -> io::Result<()> {
    let mut file = match &received.file {
        Some(path) => Some(BufWriter::with_capacity(BUFFER, File::create(path).await?)),
        None => None,
    };
    let mut sha256 = Sha256::new();
    let mut md5 = wants_md5.then(Md5::new);
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(io::Error::other)?;
        received.digest.size += chunk.len() as u64;
        sha256.update(&chunk);
        if let Some(md5) = &mut md5 {
            md5.update(&chunk);
        }
        if let Some(file) = &mut file {
            file.write_all(&chunk).await?;
        }
    }
    if let Some(mut file) = file {
        file.flush().await?;
    }
    received.digest.sha256 = hex(&sha256.finalize());
    received.md5 = md5.map(|md5| BASE64_STANDARD.encode(md5.finalize()));
    Ok(())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
