//! `sync_document`: brings one approved file to its matter at the provider: create, transfer, confirm.
//!
//! Safe to run twice: the creation is guarded by its link, a transfer may be repeated, and a confirmation that was given is
//! read before it is given again. The file streams from the store; nothing holds it whole.

mod transfer;

use crate::storage::StorageError;
use serde_json::{Map, json};
use shared::clock::Moment;
use shared::db::{Transaction, links, matters};
use shared::domain::link::{Completed, Creation, Effect, Existing, LinkKind, Sent};
use shared::domain::outcome::{Failure, Instruction, Report, SkipReason};
use shared::domain::records::Upload;
use shared::domain::{ExternalId, LinkId, MatterId, UploadId};
use shared::providers::{CallError, DocumentSlot, Documents, NewDocument};

use super::contact::one_of;
use super::execution::{Context, Execution, Step};

const UNKNOWN_TYPE: &str = "application/octet-stream";

/// Runs the job.
pub async fn run(execution: &Execution, matter: MatterId, upload: UploadId) -> Instruction {
    execution
        .instruction_of(async {
            let (context, db) = execution.open_reading().await?;
            context.sync_document(db, matter, upload).await
        })
        .await
}

/// The file, checked and measured.
struct File {
    upload: Upload,
    document: NewDocument,
    sha256: String,
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
        let file = self.measure(upload, matter).await?;
        self.ensure_document(matter_link, &file).await
    }

    /// Asked before anything is read of a file: a platform without documents is sent none.
    fn documents(&self) -> Result<&dyn Documents, CallError> {
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

    async fn measure(&self, upload: Upload, matter: ExternalId) -> Result<File, CallError> {
        let storage = &self.execution.environment.storage;
        let size = storage
            .size(&upload.storage_path)
            .await
            .map_err(unreadable)?;
        let sha256 = match upload.sha256.as_deref() {
            Some(told) => told.trim().to_lowercase(),
            None => storage
                .sha256(&upload.storage_path)
                .await
                .map_err(unreadable)?,
        };
        let document = NewDocument {
            upload_id: upload.id,
            matter,
            file_name: upload.file_name.clone(),
            content_type: upload
                .content_type
                .clone()
                .unwrap_or_else(|| UNKNOWN_TYPE.into()),
            size,
        };
        Ok(File {
            upload,
            document,
            sha256,
        })
    }

    /// The same bytes are never uploaded twice to one matter.
    async fn same_bytes(&self, matter: LinkId, file: &File) -> Result<Option<Report>, CallError> {
        let database = &self.execution.environment.database;
        let key = file.upload.id.to_string();
        let same = links::find_same_bytes(database, matter, &file.sha256, &key).await?;
        Ok(same.map(|(upload, id)| report(id, [("same_as", json!(upload))])))
    }

    async fn ensure_document(&self, matter: LinkId, file: &File) -> Result<Report, CallError> {
        let effect = Effect {
            kind: LinkKind::Document,
            key: file.upload.id.to_string(),
            record_id: file.upload.id.0,
            parent: Some(matter),
            sha256: Some(file.sha256.clone()),
        };
        loop {
            if let Some(report) = self.same_bytes(matter, file).await? {
                return Ok(report);
            }
            match self.claim(&effect).await? {
                Step::Exists(existing) if existing.complete => {
                    return Ok(report(
                        existing.external_id,
                        [("already_there", json!(true))],
                    ));
                }
                Step::Exists(existing) => return self.resume(existing, file).await,
                Step::Search(link) => {
                    if self.doubt_since().is_none() || !self.look_for_document(link, file).await? {
                        return self.create_document(link, file).await;
                    }
                }
                Step::Create(link) => return self.create_document(link, file).await,
                Step::Look(look) => {
                    self.look_for_document(look.link, file).await?;
                }
            }
        }
    }

    /// True when it was found and adopted; it is then resumed.
    async fn look_for_document(&self, link: LinkId, file: &File) -> Result<bool, CallError> {
        let asked = Moment::now();
        let document = &file.document;
        let found = self
            .provider
            .find_documents(&self.session, &document.matter, document.upload_id)
            .await?;
        match one_of(self.untaken(LinkKind::Document, found).await?)? {
            Some(id) => {
                let adopted = Completed::Accepted {
                    id: &id,
                    version: None,
                };
                self.session.complete(link, adopted).await?;
                Ok(true)
            }
            None => {
                self.found_nothing(link, asked).await?;
                Ok(false)
            }
        }
    }

    async fn create_document(&self, link: LinkId, file: &File) -> Result<Report, CallError> {
        // Nothing of what was sent is kept: the upload's id travels with the document, and it alone decides.
        let creation = Creation {
            link,
            sent: Sent::default(),
        };
        let slot = self
            .documents()?
            .create_document(&self.session, creation, &file.document)
            .await?;
        let accepted = Completed::Accepted {
            id: &slot.id,
            version: Some(&slot.version),
        };
        self.session.complete(link, accepted).await?;
        self.fill(link, slot, file).await
    }

    /// Goes on where an earlier execution stopped: with the confirmation, or with the bytes.
    async fn resume(&self, existing: Existing, file: &File) -> Result<Report, CallError> {
        if let (true, Some(version)) = (existing.transferred, &existing.version) {
            return self
                .confirm(existing.link, &existing.external_id, version)
                .await;
        }
        let slot = self
            .documents()?
            .document_slot(&self.session, &existing.external_id, file.document.size)
            .await?;
        if slot.complete {
            self.session
                .complete(existing.link, Completed::Linked(&slot.id))
                .await?;
            return Ok(report(slot.id, [("uploaded", json!(true))]));
        }
        self.fill(existing.link, slot, file).await
    }

    async fn fill(
        &self,
        link: LinkId,
        slot: DocumentSlot,
        file: &File,
    ) -> Result<Report, CallError> {
        let (id, version) = (slot.id.clone(), slot.version.clone());
        self.transfer(slot, file).await?;
        let Execution {
            environment, job, ..
        } = self.execution;
        links::set_transferred(&environment.database, link, job).await?;
        self.confirm(link, &id, &version).await
    }

    async fn confirm(
        &self,
        link: LinkId,
        id: &ExternalId,
        version: &str,
    ) -> Result<Report, CallError> {
        self.documents()?
            .confirm_document(&self.session, id, version)
            .await?;
        self.session.complete(link, Completed::Linked(id)).await?;
        Ok(report(id.clone(), [("uploaded", json!(true))]))
    }
}

fn report<const N: usize>(id: ExternalId, details: [(&str, serde_json::Value); N]) -> Report {
    Report {
        external_id: Some(id),
        details: Map::from_iter(details.map(|(name, value)| (name.to_owned(), value))),
        ..Report::default()
    }
}

pub(super) fn unreadable(error: StorageError) -> CallError {
    match error {
        StorageError::Missing => Instruction::Fail(Failure::new(
            "file_missing",
            "the document's file is not in the store",
            "upload the document again in CaseHug, approve it and retry",
        )),
        StorageError::Unavailable => Instruction::Retry(Failure::new(
            "storage_unavailable",
            "the document store did not answer",
            "no action needed: CaseHug retries automatically",
        )),
    }
    .into()
}
