//! `sync_matter`: ensures contact and matter, then appends a `sync_document` for every approved file without a link: a page of them, and
//! a continuation behind the page, so that a matter of thousands costs no more memory than one of hundreds.
//!
//! Safe to run twice: each creation is guarded by its link; a linked matter is not written again.

use serde_json::json;
use shared::db::{Transaction, matters, matters::UploadsToSync};
use shared::domain::job::NewJob;
use shared::domain::outcome::{Instruction, MATTER_NOT_SYNCED, Report, SkipReason};
use shared::domain::records::Matter;
use shared::domain::{MatterId, UploadId};
use shared::providers::CallError;

use super::matter::MatterRecord;
use crate::context::{Context, Execution};

/// How many documents follow a job in one commit.
const PAGE: usize = 300;

/// Runs the job; `after` names the document behind which a continuation begins.
pub async fn run(execution: &Execution, matter: MatterId, after: Option<UploadId>) -> Instruction {
    execution
        .instruction_of(async {
            let (context, db) = execution.open_reading().await?;
            match after {
                None => context.sync_matter(db, matter).await,
                Some(_) => {
                    drop(db);
                    context.go_on_with_documents(matter, after).await
                }
            }
        })
        .await
}

impl Context<'_> {
    async fn sync_matter(&self, db: Transaction, id: MatterId) -> Result<Report, CallError> {
        let matter = self.read_matter(db, id).await?;
        let mut record = MatterRecord::of(&matter, self.execution.job.explicit);
        let ensured = self.ensure(&mut record).await?;
        let mut details = record.details;
        details.insert("matter".into(), json!(ensured.how.as_str()));
        if let Some(replaced) = ensured.replaced {
            details.insert("replaced".into(), json!(replaced));
        }
        Ok(Report {
            external_id: Some(ensured.id),
            details,
            follow_ups: self.documents_of(matter.id, None).await?,
            requeue_code: Some(MATTER_NOT_SYNCED),
        })
    }

    async fn read_matter(&self, mut db: Transaction, id: MatterId) -> Result<Matter, CallError> {
        let matter = matters::find(&mut db, self.account.firm_id, id).await?;
        matter.ok_or_else(|| Instruction::Skipped(SkipReason::RecordGone).into())
    }

    async fn go_on_with_documents(
        &self,
        matter: MatterId,
        after: Option<UploadId>,
    ) -> Result<Report, CallError> {
        let follow_ups = self.documents_of(matter, after).await?;
        let mut report = Report {
            follow_ups,
            ..Report::default()
        };
        report.details.insert("matter".into(), json!("continued"));
        Ok(report)
    }

    /// The approved documents that have no link, a page of them; all approved ones when a person asked: one that was deleted at the
    /// provider is sent again.
    async fn documents_of(
        &self,
        matter: MatterId,
        after: Option<UploadId>,
    ) -> Result<Vec<NewJob>, CallError> {
        if self.provider.documents().is_none() {
            return Ok(Vec::new());
        }
        let job = &self.execution.job;
        let database = &self.execution.environment.database;
        let mut db = database.firm(self.account.firm_id).await?;
        let wanted = UploadsToSync {
            all: job.explicit,
            after,
            limit: PAGE + 1,
        };
        let mut uploads =
            matters::list_uploads_to_sync(&mut db, &self.account, matter, wanted).await?;
        let run = job.run_context();
        let more = uploads.len() > PAGE;
        uploads.truncate(PAGE);
        let continuation = uploads.last().filter(|_| more).map(|last| NewJob {
            explicit: job.explicit,
            ..run.sync_matter_after(matter, *last)
        });
        let documents = uploads
            .iter()
            .map(|upload| run.sync_document(matter, *upload));
        Ok(documents.chain(continuation).collect())
    }
}
