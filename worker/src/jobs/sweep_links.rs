//! `sweep_links`: looks once more at every link that was ever in doubt, and reports what it cannot explain.
//!
//! A doubted creation was looked for after its visibility delay. Should the provider have shown it later still, there are now two
//! records: they are reported as `duplicate_suspected`, by provider id, and never merged by us.
//! Safe to run twice: it only reads, and reports each link's findings under the link's own passes.

use serde_json::{Map, Value, json};
use shared::db::links::{self, Doubted};
use shared::domain::link::LinkKind;
use shared::domain::outcome::{Instruction, Report};
use shared::domain::{ExternalId, UploadId};
use shared::providers::{CallError, Looked, ProviderError, Search};
use shared::queue::StopReason;

use crate::context::{Context, Execution};

/// Looks in one job, at most: the next sweep does the others.
const LOOKS: i64 = 20;

/// Runs the job.
pub async fn run(execution: &Execution) -> Instruction {
    execution
        .instruction_of(async { execution.open().await?.sweep().await })
        .await
}

/// What a sweep has found so far.
#[derive(Default)]
struct Swept {
    looked: usize,
    suspected: Vec<Value>,
    /// Links whose look the provider refused: it would refuse it again, and the others wait.
    refused: Vec<Value>,
}

impl Swept {
    fn report(self) -> Report {
        let mut details = Map::from_iter([("looked".to_owned(), json!(self.looked))]);
        for (name, links) in [
            ("duplicate_suspected", self.suspected),
            ("look_refused", self.refused),
        ] {
            if !links.is_empty() {
                details.insert(name.into(), Value::Array(links));
            }
        }
        Report {
            details,
            ..Report::default()
        }
    }
}

/// A refusal that the next look would meet again.
fn is_final(error: &ProviderError) -> bool {
    matches!(
        error,
        ProviderError::NotFound | ProviderError::Forbidden { .. } | ProviderError::Invalid { .. }
    )
}

impl Context<'_> {
    async fn sweep(&self) -> Result<Report, CallError> {
        let mut db = self.execution.environment.database.worker().await?;
        let doubted = links::list_doubted(&mut db, &self.account, LOOKS).await?;
        db.commit().await?;
        let mut swept = Swept::default();
        for link in &doubted {
            match self.sweep_one(link, &mut swept).await {
                Ok(()) => swept.looked += 1,
                // What was found is reported now: the next sweep begins behind it.
                Err(_) if swept.looked > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(swept.report())
    }

    async fn sweep_one(&self, link: &Doubted, swept: &mut Swept) -> Result<(), CallError> {
        let others = match self.look_again(link).await {
            Ok(others) => others,
            Err(CallError::Provider(error)) if is_final(&error) => {
                swept
                    .refused
                    .push(json!({ "kind": link.kind.as_str(), "record_id": link.record_id }));
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        let mut db = self.execution.environment.database.worker().await?;
        let held = links::set_swept(&mut db, link, &self.execution.job).await?;
        db.commit().await?;
        if !held {
            return Err(CallError::Stopped(StopReason::LeaseLost));
        }
        if !others.is_empty() {
            metrics::counter!("casehug_duplicates_suspected_total").increment(1);
            tracing::error!(link.id = %link.link, link.kind = link.kind.as_str(), "a duplicate is suspected at the provider");
            swept.suspected.push(
                json!({ "kind": link.kind.as_str(), "record_id": link.record_id,
                    "external_id": link.external_id, "others": others }),
            );
        }
        Ok(())
    }

    /// All records at the provider that could be the doubted one and stand for no other record of CaseHug. The search uses what was sent,
    /// because CaseHug's own record may have changed since, or may be gone.
    async fn look_again(&self, link: &Doubted) -> Result<Vec<ExternalId>, CallError> {
        let provider: &dyn Search = self.provider;
        let (session, sent) = (&self.session, &link.sent);
        let looked = match link.kind {
            LinkKind::Contact => provider.look_for_contact(session, sent, link.since).await?,
            LinkKind::Matter => provider.look_for_matter(session, sent, link.since).await?,
            LinkKind::Document => match &link.parent {
                Some(matter) => {
                    let upload = UploadId(link.record_id);
                    let found = provider.find_documents(session, matter, upload);
                    Looked::from(found.await?)
                }
                None => Looked::default(),
            },
        };
        let mut found = looked.found;
        if link.external_id.is_none() {
            // Nothing stands for it: what resembles it may be it, edited by a person since.
            found.extend(looked.resembling);
        }
        let others = found
            .into_iter()
            .filter(|id| Some(id) != link.external_id.as_ref())
            .collect();
        self.untaken(link.kind, others).await
    }
}
