//! The provider's practice area for a case type, from a list that is kept for a day.

use std::time::Duration;

use serde_json::json;
use shared::db::provider_cache;
use shared::domain::ExternalId;
use shared::domain::case_types;
use shared::domain::records::Matter;
use shared::providers::{CallError, PracticeArea};

use crate::context::Context;

/// A list of practice areas is good for a day; one that lacks what is sought, for ten minutes.
const AREAS_HOLD: Duration = Duration::from_hours(24);
const MISS_HOLDS: Duration = Duration::from_mins(10);

/// A matter's practice area; none never blocks the sync, and the note says why there is none.
pub(super) struct Area {
    pub(super) id: Option<ExternalId>,
    pub(super) note: Option<&'static str>,
    from: Source,
}

#[derive(PartialEq, Eq)]
enum Source {
    /// No list was needed.
    Nowhere,
    Cache,
    Provider,
}

impl Area {
    /// It may be gone at the provider by now.
    pub(super) fn is_from_cache(&self) -> bool {
        self.from == Source::Cache && self.id.is_some()
    }

    fn none(note: &'static str) -> Self {
        Self {
            id: None,
            note: Some(note),
            from: Source::Nowhere,
        }
    }

    fn picked(id: Option<ExternalId>, from: Source) -> Self {
        let note = id.is_none().then_some("missing_at_provider");
        Self { id, note, from }
    }
}

impl Context<'_> {
    pub(super) async fn practice_area(&self, matter: &Matter) -> Result<Area, CallError> {
        let name = match self.area_name(matter) {
            Ok(name) => name,
            Err(note) => return Ok(Area::none(note)),
        };
        match self.cached_area(name, AREAS_HOLD).await? {
            Cached::Found(id) => Ok(Area::picked(Some(id), Source::Cache)),
            Cached::Lacking
                if matches!(self.cached_area(name, MISS_HOLDS).await?, Cached::Lacking) =>
            {
                Ok(Area::picked(None, Source::Cache))
            }
            Cached::Lacking | Cached::Stale => self.listed_area(name).await,
        }
    }

    /// The same from a list that is fetched now.
    pub(super) async fn list_area_anew(&self, matter: &Matter) -> Result<Area, CallError> {
        match self.area_name(matter) {
            Ok(name) => self.listed_area(name).await,
            Err(note) => Ok(Area::none(note)),
        }
    }

    async fn listed_area(&self, name: &str) -> Result<Area, CallError> {
        let areas = self.fetch_areas().await?;
        Ok(Area::picked(pick(&areas, name), Source::Provider))
    }

    /// What the firm calls it; or why there is none.
    fn area_name<'m>(&'m self, matter: &'m Matter) -> Result<&'m str, &'static str> {
        let case_type = matter.case_type.as_deref().filter(|text| !text.is_empty());
        let case_type = case_type.ok_or("no_case_type")?;
        let mappings = &self.connection.settings.case_type_mappings;
        case_types::practice_area(case_type, mappings).ok_or("unknown_case_type")
    }

    async fn cached_area(&self, name: &str, max_age: Duration) -> Result<Cached, CallError> {
        let database = &self.execution.environment.database;
        let mut db = database.firm(self.account.firm_id).await?;
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
