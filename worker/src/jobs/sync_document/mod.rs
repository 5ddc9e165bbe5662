//! `sync_document`: brings one approved file to its matter at the provider: create, transfer, confirm.
//!
//! Safe to run twice: the creation is guarded by its link, a transfer may be repeated, and a confirmation that was given is
//! read before it is given again. The file is hashed before anything is sent, and streams from the store; nothing holds it whole.

mod file;
mod record;
mod storage;
mod transfer;

use serde_json::{Map, json};
use shared::clock::Moment;
use shared::db::{Transaction, links, matters};
use shared::domain::link::{Bytes, Completed, Existing, LinkKind, Standing};
use shared::domain::outcome::{Failure, Instruction, Report, SkipReason};
use shared::domain::records::Upload;
use shared::domain::{ExternalId, LinkId, MatterId, UploadId};
use shared::providers::{
    CallError, Confirmation, DocumentSlot, Documents, NewDocument, Presence, ProviderError, Words,
};
use shared::queue::StopReason;

use self::file::File;
use self::record::Document;
use crate::context::{Context, Execution};
use crate::effects::{FIRST_LOOK, How};

/// Runs the job.
pub async fn run(execution: &Execution, matter: MatterId, upload: UploadId) -> Instruction {
    execution
        .instruction_of(async {
            let (context, db) = execution.open_reading().await?;
            context.sync_document(db, matter, upload).await
        })
        .await
}

impl Context<'_> {
    async fn sync_document(
        &self,
        mut db: Transaction,
        matter: MatterId,
        upload: UploadId,
    ) -> Result<Report, CallError> {
        self.documents()?;
        let upload = self.read_upload(&mut db, matter, upload).await?;
        let (matter_link, matter) = self.linked_matter(&mut db, &upload).await?;
        drop(db);
        let turn = self.turn_at_storage().await?;
        let file = self.measure(upload, matter, turn).await?;
        self.ensure_document(matter_link, &file).await
    }

    /// Asked before anything is read of a file: a platform without documents is sent none.
    pub(super) fn documents(&self) -> Result<&dyn Documents, CallError> {
        let documents = self.provider.documents();
        documents.ok_or_else(|| Instruction::Skipped(SkipReason::NotOffered).into())
    }

    /// Only approved documents leave.
    async fn read_upload(
        &self,
        db: &mut Transaction,
        matter: MatterId,
        id: UploadId,
    ) -> Result<Upload, CallError> {
        match matters::find_upload(db, self.account.firm_id, id).await? {
            Some(upload) if upload.approved && upload.matter_id == matter => Ok(upload),
            Some(_) => Err(Instruction::Skipped(SkipReason::NotApproved).into()),
            None => Err(Instruction::Skipped(SkipReason::RecordGone).into()),
        }
    }

    async fn linked_matter(
        &self,
        db: &mut Transaction,
        upload: &Upload,
    ) -> Result<(LinkId, ExternalId), CallError> {
        let key = upload.matter_id.to_string();
        let found = links::find(db, &self.account, LinkKind::Matter, &key).await?;
        found.ok_or_else(|| Instruction::Fail(Failure::matter_not_synced()).into())
    }

    /// The same bytes are never uploaded twice to one matter: another upload's document with them stands for this one too.
    async fn same_bytes(&self, matter: LinkId, file: &File) -> Result<Option<Report>, CallError> {
        let Execution {
            environment, job, ..
        } = self.execution;
        let key = file.upload.id.to_string();
        let same = links::find_same_bytes(&environment.database, matter, &file.sha256, &key, job);
        let Some(same) = same.await? else {
            return Ok(None);
        };
        if same.before || same.missing || job.explicit {
            let read_at = Moment::now();
            let read =
                self.provider
                    .document(&self.session, &file.document.matter, &same.external_id);
            let gone = self.is_gone(same.link, same.missing, read_at, read.await?);
            if gone.await? {
                return Ok(None);
            }
        }
        let details = [("same_as", json!(same.upload))];
        Ok(Some(report(same.external_id, details)))
    }

    async fn ensure_document(&self, matter: LinkId, file: &File) -> Result<Report, CallError> {
        let mut replaced = None;
        loop {
            if let Some(report) = self.same_bytes(matter, file).await? {
                return Ok(report);
            }
            let explicit = self.execution.job.explicit;
            let mut record = Document::of(file, matter, explicit, self.is_told_of_bytes());
            let ensured = self.ensure(&mut record).await?;
            replaced = ensured.replaced.or(replaced);
            let filled = match (ensured.how, record.slot) {
                (How::Created, Some(slot)) => self.fill(ensured.link, slot, file).await,
                (How::Linked(existing), _) => self.go_on(existing, file).await,
                (How::Created | How::Found, _) => {
                    self.continue_with(ensured.link, &ensured.id, file).await
                }
            };
            let filled = match filled {
                Err(CallError::Provider(ProviderError::NotFound)) => {
                    self.gone(ensured.link, false).await?
                }
                filled => filled?,
            };
            match filled {
                // Its link is retired: it is made anew.
                Filled::Gone => replaced = Some(ensured.id),
                Filled::Done(mut report) => {
                    if let Some(replaced) = replaced {
                        report.details.insert("replaced".into(), json!(replaced));
                    }
                    return Ok(report);
                }
            }
        }
    }

    /// Goes on where an earlier execution stopped: with the confirmation, or with the bytes.
    async fn go_on(&self, existing: Existing, file: &File) -> Result<Filled, CallError> {
        let changed = (existing.sha256.as_deref()).is_some_and(|sha256| sha256 != file.sha256);
        let confirmed = self.is_told_of_bytes();
        let sent = existing.transferred_ago.is_some();
        match (existing.standing, &existing.version) {
            (Standing::Complete, _) if changed => Err(file_changed()),
            (Standing::Complete, _) => {
                // What this very job brought there, before it waited or died, was not there before.
                let word = if existing.before {
                    "already_there"
                } else {
                    "uploaded"
                };
                let details = [(word, json!(true))];
                Ok(Filled::Done(report(existing.external_id, details)))
            }
            // The firm may see the old bytes already.
            _ if changed && sent && !confirmed => Err(file_changed()),
            (_, Some(version)) if sent && confirmed && !changed => {
                self.confirm(&existing, version, file).await
            }
            (Standing::NotSeen { next_look }, _) => {
                let slot = self.slot(&existing.external_id, file).await?;
                let slot = slot.ok_or(CallError::NotSeen {
                    wait: next_look,
                    first: false,
                })?;
                self.send_to(&existing, slot, file, changed).await
            }
            (Standing::Unfinished, _) => match self.slot(&existing.external_id, file).await? {
                Some(slot) => self.send_to(&existing, slot, file, changed).await,
                None => self.gone(existing.link, existing.missing).await,
            },
        }
    }

    /// Sends the bytes to a document that is there.
    async fn send_to(
        &self,
        existing: &Existing,
        slot: DocumentSlot,
        file: &File,
        changed: bool,
    ) -> Result<Filled, CallError> {
        let Existing { link, missing, .. } = *existing;
        if missing {
            self.is_gone(link, true, Moment::now(), Presence::There)
                .await?;
        }
        if slot.complete && changed {
            // A confirmation whose answer was lost: the old bytes are there.
            let there = Completed::Linked(&slot.id);
            self.session.complete(link, there).await?;
            return Err(file_changed());
        }
        self.fill(link, slot, file).await
    }

    /// A document that a look has found.
    async fn continue_with(
        &self,
        link: LinkId,
        id: &ExternalId,
        file: &File,
    ) -> Result<Filled, CallError> {
        let slot = self.slot(id, file).await?;
        let slot = slot.ok_or(ProviderError::NotFound)?;
        self.fill(link, slot, file).await
    }

    /// Fresh addresses; none where the provider says that the document is not there.
    async fn slot(&self, id: &ExternalId, file: &File) -> Result<Option<DocumentSlot>, CallError> {
        let NewDocument { matter, size, .. } = &file.document;
        let documents = self.documents()?;
        let slot = documents.document_slot(&self.session, matter, id, *size);
        match slot.await {
            Ok(slot) => Ok(Some(slot)),
            Err(CallError::Provider(ProviderError::NotFound)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An unfinished document is not there. No person has seen it, so it is made anew as soon as its absence is certain.
    async fn gone(&self, link: LinkId, missing: bool) -> Result<Filled, CallError> {
        let now = Moment::now();
        self.is_gone(link, missing, now, Presence::Missing).await?;
        Ok(Filled::Gone)
    }

    /// Sends the bytes, and tells the provider that all are there where it must be told.
    async fn fill(
        &self,
        link: LinkId,
        slot: DocumentSlot,
        file: &File,
    ) -> Result<Filled, CallError> {
        let (id, version) = (slot.id.clone(), slot.version.clone());
        if slot.complete {
            return self.finished(link, id).await;
        }
        self.transfer(slot, file).await?;
        if !self.is_told_of_bytes() {
            self.set_bytes(link, file, Bytes::TransferredNotSeen)
                .await?;
            return Err(CallError::NotSeen {
                wait: FIRST_LOOK,
                first: true,
            });
        }
        self.set_bytes(link, file, Bytes::Transferred).await?;
        let documents = self.documents()?;
        match documents
            .confirm_document(&self.session, &id, &version)
            .await?
        {
            Confirmation::Complete => self.finished(link, id).await,
            Confirmation::BytesMissing => {
                self.set_bytes(link, file, Bytes::Missing).await?;
                Err(ProviderError::Conflict {
                    status: 422,
                    words: Words::default(),
                }
                .into())
            }
        }
    }

    /// The bytes were sent by an earlier execution.
    async fn confirm(
        &self,
        existing: &Existing,
        version: &str,
        file: &File,
    ) -> Result<Filled, CallError> {
        let (link, id) = (existing.link, &existing.external_id);
        let documents = self.documents()?;
        let confirmed = documents.confirm_document(&self.session, id, version);
        match confirmed.await {
            Ok(Confirmation::Complete) => self.finished(link, id.clone()).await,
            Ok(Confirmation::BytesMissing) => {
                self.set_bytes(link, file, Bytes::Missing).await?;
                match self.slot(id, file).await? {
                    Some(slot) => self.fill(link, slot, file).await,
                    None => self.gone(existing.link, existing.missing).await,
                }
            }
            Err(CallError::Provider(ProviderError::NotFound)) => {
                self.gone(existing.link, existing.missing).await
            }
            Err(error) => Err(error),
        }
    }

    async fn finished(&self, link: LinkId, id: ExternalId) -> Result<Filled, CallError> {
        self.session.complete(link, Completed::Linked(&id)).await?;
        Ok(Filled::Done(report(id, [("uploaded", json!(true))])))
    }

    async fn set_bytes(&self, link: LinkId, file: &File, bytes: Bytes) -> Result<(), CallError> {
        let Execution {
            environment, job, ..
        } = self.execution;
        let held = links::set_bytes(&environment.database, link, job, &file.sha256, bytes).await?;
        held.then_some(())
            .ok_or(CallError::Stopped(StopReason::LeaseLost))
    }

    /// Whether the platform must be told that all bytes are there.
    fn is_told_of_bytes(&self) -> bool {
        let documents = self.configured.profile().capabilities.documents;
        documents.is_some_and(|documents| documents.confirmation)
    }
}

/// What came of a document that exists.
enum Filled {
    Done(Report),
    /// It was gone, and its link is retired.
    Gone,
}

/// A new version of a document is not sent in this release.
fn file_changed() -> CallError {
    Instruction::Fail(Failure::new(
        "file_changed",
        "the document at the provider holds other bytes than the file in CaseHug",
        "upload the changed file in CaseHug as a document of its own, and approve it",
    ))
    .into()
}

fn report<const N: usize>(id: ExternalId, details: [(&str, serde_json::Value); N]) -> Report {
    Report {
        external_id: Some(id),
        details: Map::from_iter(details.map(|(name, value)| (name.to_owned(), value))),
        ..Report::default()
    }
}
