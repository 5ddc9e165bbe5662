//! `sync_matter`: ensures contact and matter, then appends a `sync_document` for every approved file without a link.
//!
//! Safe to run twice: each creation is guarded by its link; a linked matter is not written again.

use serde_json::json;
use shared::db::{Transaction, matters};
use shared::domain::MatterId;
use shared::domain::job::NewJob;
use shared::domain::outcome::{Instruction, MATTER_NOT_SYNCED, Report, SkipReason};
use shared::domain::records::Matter;
use shared::providers::CallError;

use super::matter::MatterRecord;
use crate::context::{Context, Execution};

/// Runs the job.
pub async fn run(execution: &Execution, matter: MatterId) -> Instruction {
    execution
        .instruction_of(async {
            let (context, db) = execution.open_reading().await?;
            context.sync_matter(db, matter).await
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
            follow_ups: self.documents_of(matter.id).await?,
            requeue_code: Some(MATTER_NOT_SYNCED),
        })
    }

    async fn read_matter(&self, mut db: Transaction, id: MatterId) -> Result<Matter, CallError> {
        let matter = matters::find(&mut db, self.account.firm_id, id).await?;
        matter.ok_or_else(|| Instruction::Skipped(SkipReason::RecordGone).into())
    }

    /// The approved documents that have no link; all approved ones when a person asked: one that was deleted at the provider is sent again.
    async fn documents_of(&self, matter: MatterId) -> Result<Vec<NewJob>, CallError> {
        if self.provider.documents().is_none() {
            return Ok(Vec::new());
        }
        let database = &self.execution.environment.database;
        let mut db = database.firm(self.account.firm_id).await?;
        let all = self.execution.job.explicit;
        let uploads = matters::list_uploads_to_sync(&mut db, &self.account, matter, all).await?;
        let run = self.execution.job.run_context();
        Ok(uploads
            .into_iter()
            .map(|upload| run.sync_document(matter, upload))
            .collect())
    }
}
