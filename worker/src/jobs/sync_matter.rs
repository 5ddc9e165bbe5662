//! `sync_matter`: ensures contact and matter, then appends a `sync_document` for every approved file without a link.
//!
//! Safe to run twice: each creation is guarded by its link; a linked matter is not written again.

use std::time::Duration;

use chrono::{DateTime, Utc};

use serde_json::{Map, Value, json};
use shared::db::{Transaction, links, matters, provider_cache};
use shared::domain::case_types;
use shared::domain::link::{Completed, Effect, LinkKind};
use shared::domain::outcome::{Instruction, MATTER_NOT_SYNCED, Report, SkipReason};
use shared::domain::records::Matter;
use shared::domain::{ExternalId, LinkId, MatterId};
use shared::providers::{CallError, PracticeArea};

use super::contact::one_of;
use super::execution::{Context, Execution, Step};

/// A list of practice areas is good for a day; one that lacks what is sought, for ten minutes.
const AREAS_HOLD: Duration = Duration::from_hours(24);
const MISS_HOLDS: Duration = Duration::from_mins(10);

/// Runs the job.
pub async fn run(execution: &Execution) -> Instruction {
    execution
        .instruction_of(async {
            let (context, db) = execution.open_reading().await?;
            context.sync_matter(db).await
        })
        .await
}

impl Context<'_> {
    async fn sync_matter(&self, db: Transaction) -> Result<Report, CallError> {
        let matter = self.read_matter(db).await?;
        let mut details = Map::new();
        let external_id = self.ensure_matter(&matter, &mut details).await?;
        Ok(Report {
            external_id: Some(external_id),
            details,
            follow_ups: self.missing_documents(matter.id).await?,
            requeue_code: Some(MATTER_NOT_SYNCED),
        })
    }

    async fn read_matter(&self, mut db: Transaction) -> Result<Matter, CallError> {
        let job = &self.execution.job;
        let id = job.matter_id.unwrap_or(MatterId(uuid::Uuid::nil()));
        let matter = matters::find(&mut db, job.firm_id, id).await?;
        matter.ok_or_else(|| Instruction::Skipped(SkipReason::RecordGone).into())
    }

    async fn ensure_matter(
        &self,
        matter: &Matter,
        details: &mut Map<String, Value>,
    ) -> Result<ExternalId, CallError> {
        let effect = Effect {
            kind: LinkKind::Matter,
            key: matter.id.to_string(),
            record_id: matter.id.0,
            parent: None,
            sha256: None,
        };
        loop {
            match self.claim(&effect).await? {
                Step::Exists(existing) => {
                    // Only a person's own wish looks whether the record is still there, and may replace it.
                    if !self.execution.job.explicit
                        || self
                            .provider
                            .matter_exists(&self.session, &existing.external_id)
                            .await?
                    {
                        details.insert("matter".into(), json!("linked"));
                        return Ok(existing.external_id);
                    }
                    self.supersede(existing.link).await?;
                    details.insert("replaced".into(), json!(existing.external_id));
                }
                Step::Search(link) => match self.doubt_since() {
                    Some(since) => {
                        let looked = self.look_for_matter(link, matter, since).await?;
                        if let Some(id) = looked {
                            details.insert("matter".into(), json!("found"));
                            return Ok(id);
                        }
                        return self.create_matter(link, matter, details).await;
                    }
                    None => return self.create_matter(link, matter, details).await,
                },
                Step::Create(link) => return self.create_matter(link, matter, details).await,
                Step::Look(link, since) => {
                    if let Some(id) = self.look_for_matter(link, matter, since).await? {
                        details.insert("matter".into(), json!("found"));
                        return Ok(id);
                    }
                }
            }
        }
    }

    async fn create_matter(
        &self,
        link: LinkId,
        matter: &Matter,
        details: &mut Map<String, Value>,
    ) -> Result<ExternalId, CallError> {
        let verify = self.execution.job.explicit;
        let (contact, how) = self.ensure_contact(&matter.client, verify).await?;
        details.insert("contact".into(), json!(how.as_str()));
        let area = self.practice_area(matter, details).await?;
        let id = self
            .provider
            .create_matter(&self.session, link, matter, &contact, area.as_ref())
            .await?;
        self.session.complete(link, Completed::Linked(&id)).await?;
        details.insert("matter".into(), json!("created"));
        Ok(id)
    }

    /// Looks for a matter that somebody may have created, and adopts it.
    async fn look_for_matter(
        &self,
        link: LinkId,
        matter: &Matter,
        since: DateTime<Utc>,
    ) -> Result<Option<ExternalId>, CallError> {
        let (contact, _) = self.ensure_contact(&matter.client, false).await?;
        let found = self
            .provider
            .find_matters(&self.session, matter, &contact, since)
            .await?;
        match one_of(self.untaken(LinkKind::Matter, found).await?)? {
            Some(id) => {
                self.session.complete(link, Completed::Linked(&id)).await?;
                Ok(Some(id))
            }
            None => {
                self.found_nothing(link).await?;
                Ok(None)
            }
        }
    }

    async fn supersede(&self, link: LinkId) -> Result<(), CallError> {
        let mut db = self.execution.environment.database.worker().await?;
        links::supersede(&mut db, link).await?;
        db.commit().await?;
        Ok(())
    }

    /// The provider's practice area for the case type; none never blocks the sync, and the log says why there is none.
    async fn practice_area(
        &self,
        matter: &Matter,
        details: &mut Map<String, Value>,
    ) -> Result<Option<ExternalId>, CallError> {
        let mut note = |what: &str| {
            details.insert("practice_area".into(), json!(what));
        };
        let Some(case_type) = matter.case_type.as_deref().filter(|text| !text.is_empty()) else {
            note("no_case_type");
            return Ok(None);
        };
        let mappings = &self.connection.settings.case_type_mappings;
        let Some(name) = case_types::practice_area(case_type, mappings) else {
            note("unknown_case_type");
            return Ok(None);
        };
        let area = match self.cached_area(name, AREAS_HOLD).await? {
            Cached::Found(id) => Some(id),
            Cached::Lacking
                if matches!(self.cached_area(name, MISS_HOLDS).await?, Cached::Lacking) =>
            {
                None
            }
            Cached::Lacking | Cached::Stale => pick(&self.fetch_areas().await?, name),
        };
        if area.is_none() {
            note("missing_at_provider");
        }
        Ok(area)
    }

    async fn cached_area(&self, name: &str, max_age: Duration) -> Result<Cached, CallError> {
        let mut db = self
            .execution
            .environment
            .database
            .firm(self.account.firm_id)
            .await?;
        let found =
            provider_cache::find(&mut db, &self.connection, "practice_areas", max_age).await?;
        let areas: Option<Vec<PracticeArea>> =
            found.and_then(|value| serde_json::from_value(value).ok());
        Ok(match areas {
            None => Cached::Stale,
            Some(areas) => pick(&areas, name).map_or(Cached::Lacking, Cached::Found),
        })
    }

    async fn fetch_areas(&self) -> Result<Vec<PracticeArea>, CallError> {
        let areas = self.provider.practice_areas(&self.session).await?;
        let mut db = self.execution.environment.database.worker().await?;
        provider_cache::upsert(&mut db, &self.connection, "practice_areas", &json!(areas)).await?;
        db.commit().await?;
        Ok(areas)
    }

    async fn missing_documents(
        &self,
        matter: MatterId,
    ) -> Result<Vec<shared::domain::job::NewJob>, CallError> {
        if self.provider.documents().is_none() {
            return Ok(Vec::new());
        }
        let mut db = self
            .execution
            .environment
            .database
            .firm(self.account.firm_id)
            .await?;
        let uploads = matters::list_unlinked_uploads(&mut db, &self.account, matter).await?;
        let run = self.execution.job.run_context();
        Ok(uploads
            .into_iter()
            .map(|upload| run.sync_document(matter, upload))
            .collect())
    }
}

enum Cached {
    Found(ExternalId),
    Lacking,
    Stale,
}

fn pick(areas: &[PracticeArea], name: &str) -> Option<ExternalId> {
    let wanted = name.trim().to_lowercase();
    areas
        .iter()
        .find(|area| area.name.trim().to_lowercase() == wanted)
        .map(|area| area.id.clone())
}
