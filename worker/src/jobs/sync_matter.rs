//! `sync_matter`: ensures contact and matter, then appends a `sync_document` for every approved file without a link.
//!
//! Safe to run twice: each creation is guarded by its link; a linked matter is not written again.

use std::time::Duration;

use serde_json::{Map, Value, json};
use shared::clock::Moment;
use shared::db::{Transaction, matters, provider_cache};
use shared::domain::case_types;
use shared::domain::link::{Completed, Creation, Effect, LinkKind, Sent};
use shared::domain::outcome::{Instruction, MATTER_NOT_SYNCED, Report, SkipReason};
use shared::domain::records::Matter;
use shared::domain::{ExternalId, LinkId, MatterId};
use shared::providers::{CallError, PracticeArea};

use super::contact::How;
use super::execution::{Context, Execution, Look, Step};

/// A list of practice areas is good for a day; one that lacks what is sought, for ten minutes.
const AREAS_HOLD: Duration = Duration::from_hours(24);
const MISS_HOLDS: Duration = Duration::from_mins(10);

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
        let mut details = Map::new();
        let external_id = self.ensure_matter(&matter, &mut details).await?;
        Ok(Report {
            external_id: Some(external_id),
            details,
            follow_ups: self.missing_documents(matter.id).await?,
            requeue_code: Some(MATTER_NOT_SYNCED),
        })
    }

    async fn read_matter(&self, mut db: Transaction, id: MatterId) -> Result<Matter, CallError> {
        let matter = matters::find(&mut db, self.account.firm_id, id).await?;
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
                Step::Search(link) => {
                    let (contact, how) = self.contact_of(matter).await?;
                    if let Some(since) = self.doubt_since() {
                        let sent = Sent::of_matter(self.session.digests(), matter, &contact);
                        let lost = Look { link, since, sent };
                        if let Some(id) = self.look_for_matter(&lost).await? {
                            details.insert("matter".into(), json!("found"));
                            return Ok(id);
                        }
                    }
                    details.insert("contact".into(), json!(how.as_str()));
                    return self.create_matter(link, matter, &contact, details).await;
                }
                Step::Create(link) => {
                    let (contact, how) = self.contact_of(matter).await?;
                    details.insert("contact".into(), json!(how.as_str()));
                    return self.create_matter(link, matter, &contact, details).await;
                }
                Step::Look(look) => {
                    if let Some(id) = self.look_for_matter(&look).await? {
                        details.insert("matter".into(), json!("found"));
                        return Ok(id);
                    }
                }
            }
        }
    }

    async fn contact_of(&self, matter: &Matter) -> Result<(ExternalId, How), CallError> {
        let verify = self.execution.job.explicit;
        self.ensure_contact(&matter.client, verify).await
    }

    async fn create_matter(
        &self,
        link: LinkId,
        matter: &Matter,
        contact: &ExternalId,
        details: &mut Map<String, Value>,
    ) -> Result<ExternalId, CallError> {
        let area = self.practice_area(matter, details).await?;
        let sent = Sent::of_matter(self.session.digests(), matter, contact);
        let creation = Creation { link, sent };
        let id = self
            .provider
            .create_matter(&self.session, creation, matter, contact, area.as_ref())
            .await?;
        self.session.complete(link, Completed::Linked(&id)).await?;
        details.insert("matter".into(), json!("created"));
        Ok(id)
    }

    /// Looks for a matter that a lost call may have created, and adopts it. It asks under the contact that was sent: the client, or his
    /// e-mail, may be another by now, and nothing is created on the way of a look.
    async fn look_for_matter(&self, look: &Look) -> Result<Option<ExternalId>, CallError> {
        let asked = Moment::now();
        let found = self
            .provider
            .look_for_matter(&self.session, &look.sent, look.since)
            .await?;
        self.adopt(LinkKind::Matter, look.link, found, asked).await
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
