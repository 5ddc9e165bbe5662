//! The hash over a multipart upload, carried on part by part.
//!
//! Parts come in any order and may be repeated, so each lies in a file and the hash follows in
//! order as far as there are files; when a part that was hashed already changes, it starts anew.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use sha2::{Digest as _, Sha256};

use super::{Digest, receive::hex};
use crate::clio::Part;

#[derive(Debug, Default)]
pub(super) struct HashChains(Mutex<HashMap<String, Arc<tokio::sync::Mutex<HashChain>>>>);

#[derive(Debug, Default, Clone)]
struct HashChain {
    hasher: Sha256,
    size: u64,
    done: Vec<(u32, Digest)>,
}

impl HashChains {
    /// Hashes, in the order given, all parts before the first that has not arrived.
    pub(super) async fn advance(
        &self,
        folder: &Path,
        uuid: &str,
        parts: &[(u32, Part)],
    ) -> io::Result<Digest> {
        let chain = self.chain(uuid);
        let mut chain = chain.lock().await;
        let stored = parts
            .iter()
            .map_while(|(number, part)| Some((*number, part.stored.clone()?)));
        let stored: Vec<(u32, Digest)> = stored.collect();
        if !stored.starts_with(&chain.done) {
            *chain = HashChain::default();
        }
        for (number, digest) in stored.into_iter().skip(chain.done.len()) {
            let file = folder.join(number.to_string());
            let hasher = chain.hasher.clone();
            chain.hasher = tokio::task::spawn_blocking(|| hash_file(hasher, file))
                .await
                .map_err(io::Error::other)??;
            chain.size += digest.size;
            chain.done.push((number, digest));
        }
        Ok(Digest {
            size: chain.size,
            sha256: hex(&chain.hasher.clone().finalize()),
        })
    }

    pub(super) fn forget(&self, uuid: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(uuid);
    }

    pub(super) fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn chain(&self, uuid: &str) -> Arc<tokio::sync::Mutex<HashChain>> {
        let mut chains = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(chains.entry(uuid.to_owned()).or_default())
    }
}

fn hash_file(mut hasher: Sha256, path: PathBuf) -> io::Result<Sha256> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher),
            read => hasher.update(&buffer[..read]),
        }
    }
}
