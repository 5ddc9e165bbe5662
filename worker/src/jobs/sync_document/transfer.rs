//! The bytes of a document: streamed part by part to the addresses that the provider signed, hashed on the way.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use sha2::{Digest, Sha256};
use shared::clock::Moment;
use shared::crypto::hex;
use shared::domain::job::upload_limit;
use shared::domain::outcome::{Failure, Instruction, Waiting};
use shared::providers::{CallError, DocumentSlot, ProviderError, Target, TransferError};
use shared::queue;
use tokio::sync::OwnedSemaphorePermit;

use super::file::{File, not_as_recorded, unreadable};
use crate::context::Context;
use crate::environment::Environment;

/// When a job that found all places for transfers taken looks again.
const LOOK_FOR_PLACE: Duration = Duration::from_secs(2);

impl Context<'_> {
    /// Sends every part in order and checks that the file is the one that was approved.
    pub(super) async fn transfer(&self, slot: DocumentSlot, file: &File) -> Result<(), CallError> {
        if slot.targets.is_empty() {
            // It is asked for addresses again at the next attempt.
            return Err(ProviderError::Unreadable.into());
        }
        self.begin_transfer().await?;
        let sent = self.send_parts(slot, file).await;
        let sha256 = self.note_storage(file.turn, sent).await?;
        if sha256 == file.sha256 {
            return Ok(());
        }
        Err(not_as_recorded())
    }

    /// Returns the hash of all that was sent, in hexadecimal.
    async fn send_parts(&self, slot: DocumentSlot, file: &File) -> Result<String, CallError> {
        let mut addresses = Addresses {
            targets: slot.targets,
            fetched: Moment::now(),
        };
        let mut hasher = Sha256::new();
        for part in 0..addresses.targets.len() {
            if addresses.fetched.elapsed() > self.address_life() {
                addresses = self.fresh_addresses(&slot.id, file).await?;
            }
            hasher = match self
                .send_part(addresses.get(part)?, file, hasher.clone())
                .await
            {
                Err(TransferError::Expired) => {
                    addresses = self.fresh_addresses(&slot.id, file).await?;
                    self.send_part(addresses.get(part)?, file, hasher)
                        .await
                        .map_err(refused)?
                }
                sent => sent.map_err(refused)?,
            };
        }
        Ok(hex(&hasher.finalize()))
    }

    /// An older signed address is replaced before it is used.
    fn address_life(&self) -> Duration {
        let rules = self.configured.profile().transfers.as_ref();
        rules.map_or(Duration::MAX, |rules| rules.address_life)
    }

    /// Transfers have half of a worker's slots, so that slow storage leaves the other half to calls.
    pub(super) fn place_for_transfer(&self) -> Result<OwnedSemaphorePermit, CallError> {
        let places = self.execution.environment.transfers.clone();
        places.try_acquire_owned().map_err(|_| CallError::Later {
            wait: LOOK_FOR_PLACE,
            reason: Waiting::Limited,
        })
    }

    /// From here on the job counts apart under its connection's cap: the connection's next job may run beside it.
    async fn begin_transfer(&self) -> Result<(), CallError> {
        let Environment { gates, slots, .. } = &self.execution.environment;
        let job = &self.execution.job;
        let announce = slots.announce();
        if queue::begin_transfer(&gates.database, gates.worker, job, announce).await? {
            slots.free_capacity(job);
        }
        Ok(())
    }

    async fn send_part(
        &self,
        (range, target): &(Range<u64>, Target),
        file: &File,
        hasher: Sha256,
    ) -> Result<Sha256, TransferError> {
        let storage = &self.execution.environment.storage;
        let bytes = storage
            .read(&file.upload.storage_path, range.clone())
            .await
            .map_err(|error| TransferError::Call(unreadable(error)))?;
        let length = range.end - range.start;
        let (bytes, hashed) = hash_on_the_way(bytes, hasher);
        self.session
            .transfer(target, bytes, length, upload_limit(length))
            .await?;
        let hasher = hashed.lock().map(|hasher| hasher.clone());
        hasher.map_err(|_| {
            TransferError::Call(Instruction::Retry(Failure::internal("hashing broke off")).into())
        })
    }

    async fn fresh_addresses(
        &self,
        id: &shared::domain::ExternalId,
        file: &File,
    ) -> Result<Addresses, CallError> {
        let missing = ProviderError::NotFound;
        let slot = self.slot(id, file).await?.ok_or(missing)?;
        Ok(Addresses {
            targets: slot.targets,
            fetched: Moment::now(),
        })
    }
}

struct Addresses {
    targets: Vec<(Range<u64>, Target)>,
    fetched: Moment,
}

impl Addresses {
    fn get(&self, part: usize) -> Result<&(Range<u64>, Target), CallError> {
        let missing = || ProviderError::Unreadable.into();
        self.targets.get(part).ok_or_else(missing)
    }
}

type Bytes = BoxStream<'static, std::io::Result<bytes::Bytes>>;

fn hash_on_the_way(bytes: Bytes, hasher: Sha256) -> (Bytes, Arc<Mutex<Sha256>>) {
    let shared = Arc::new(Mutex::new(hasher));
    let hashed = shared.clone();
    let stream = bytes.inspect(move |chunk| {
        if let (Ok(chunk), Ok(mut hasher)) = (chunk, shared.lock()) {
            hasher.update(chunk);
        }
    });
    (stream.boxed(), hashed)
}

fn refused(error: TransferError) -> CallError {
    match error {
        TransferError::Expired => ProviderError::Storage { status: Some(403) }.into(),
        TransferError::Call(error) => error,
    }
}
