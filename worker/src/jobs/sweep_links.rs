//! `sweep_links`: looks once more at every link that was ever in doubt, and reports what it cannot explain.
//!
//! A doubted creation was looked for after its settle time. Should the provider have shown it later still, there are now two
//! records: they are reported as `duplicate_suspected`, by provider id, and never merged by us.
//! Safe to run twice: it only reads, and reports each link's findings under the link's own passes.

use serde_json::{Map, Value, json};
use shared::db::{links, matters};
use shared::domain::link::LinkKind;
use shared::domain::outcome::{Instruction, Report};
use shared::domain::{ExternalId, MatterId, UploadId};
use shared::providers::{CallError, NewDocument};

use super::execution::{Context, Execution};

/// At most so many looks in one job: the next sweep goes on.
const LOOKS: i64 = 20;

/// Runs the job.
pub async fn run(execution: &Execution) -> Instruction {
    execution
        .instruction_of(async { execution.open().await?.sweep().await })
        .await
}

impl Context<'_> {
    async fn sweep(&self) -> Result<Report, CallError> {
        let mut db = self.execution.environment.database.worker().await?;
        let doubted = links::list_doubted(&mut db, &self.account, LOOKS).await?;
        db.commit().await?;
        let mut suspected = Vec::new();
        for link in &doubted {
            let found = self.look_again(link).await?;
            let others: Vec<&ExternalId> = found
                .iter()
                .filter(|id| Some(*id) != link.external_id.as_ref())
                .collect();
            if !others.is_empty() {
                metrics::counter!("casehug_duplicates_suspected_total").increment(1);
                tracing::error!(link.id = %link.link, link.kind = link.kind, "a duplicate is suspected at the provider");
                suspected.push(json!({ "kind": link.kind, "record_id": link.record_id,
                    "external_id": link.external_id, "others": others }));
            }
            let mut db = self.execution.environment.database.worker().await?;
            links::set_swept(&mut db, link.link).await?;
            db.commit().await?;
        }
        let mut details = Map::from_iter([("looked".to_owned(), json!(doubted.len()))]);
        if !suspected.is_empty() {
            details.insert("duplicate_suspected".into(), Value::Array(suspected));
        }
        Ok(Report {
            details,
            ..Report::default()
        })
    }

    /// Everything at the provider that could be the doubted record. Records of ours that are gone meanwhile find nothing.
    async fn look_again(&self, link: &links::Doubted) -> Result<Vec<ExternalId>, CallError> {
        let firm = self.account.firm_id;
        let mut db = self.execution.environment.database.firm(firm).await?;
        match link.kind.as_str() {
            "document" => {
                let upload = matters::find_upload(&mut db, firm, UploadId(link.record_id)).await?;
                let Some(upload) = upload else {
                    return Ok(Vec::new());
                };
                let key = upload.matter_id.to_string();
                let matter = links::find(&mut db, &self.account, LinkKind::Matter, &key).await?;
                let Some((_, matter)) = matter else {
                    return Ok(Vec::new());
                };
                drop(db);
                let document = NewDocument {
                    upload_id: upload.id,
                    matter,
                    file_name: String::new(),
                    content_type: String::new(),
                    size: 0,
                };
                self.documents()?
                    .find_documents(&self.session, &document)
                    .await
            }
            "matter" => {
                let matter = matters::find(&mut db, firm, MatterId(link.record_id)).await?;
                drop(db);
                let Some(matter) = matter else {
                    return Ok(Vec::new());
                };
                let (contact, _) = self.ensure_contact(&matter.client, false).await?;
                let found = self
                    .provider
                    .find_matters(&self.session, &matter, &contact, link.since)
                    .await?;
                self.ours_or_untaken(LinkKind::Matter, link, found).await
            }
            _ => {
                let client = matters::find_client(&mut db, firm, link.record_id).await?;
                drop(db);
                let Some(client) = client else {
                    return Ok(Vec::new());
                };
                match client.normalised_email() {
                    Some(email) => {
                        self.provider
                            .find_contacts_by_email(&self.session, &email)
                            .await
                    }
                    None => {
                        let found = self
                            .provider
                            .find_contacts_without_email(&self.session, &client, link.since)
                            .await?;
                        self.ours_or_untaken(LinkKind::Contact, link, found).await
                    }
                }
            }
        }
    }

    async fn ours_or_untaken(
        &self,
        kind: LinkKind,
        link: &links::Doubted,
        found: Vec<ExternalId>,
    ) -> Result<Vec<ExternalId>, CallError> {
        let others = found
            .into_iter()
            .filter(|id| Some(id) != link.external_id.as_ref())
            .collect();
        self.untaken(kind, others).await
    }
}
