//! Claims: what a link leaves to be done.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::clock::Moment;
use shared::db::links;
use shared::domain::LinkId;
use shared::domain::link::{Claim, Effect, Existing, Sent, Superseded};
use shared::providers::CallError;
use shared::queue::StopReason;

use crate::context::{Context, Execution};

/// A search that found nothing is believed for 10 minutes: a job that was postponed between search and create need not search again.
const SEARCH_HOLDS: Duration = Duration::from_mins(10);
/// Another lane is creating the same record: it takes a call or two.
const BUSY_AT_LEAST: Duration = Duration::from_millis(200);

/// What a claim leaves to be done.
pub(super) enum Step {
    /// Create it; a search that found nothing is still good.
    Create(LinkId),
    /// Search first.
    Search(LinkId),
    /// It may have been created: look for it.
    Look(Look),
    /// It exists.
    Exists(Existing),
}

/// What to look for: what was sent, and not what CaseHug says now.
pub(crate) struct Look {
    pub(crate) link: LinkId,
    /// It cannot be older than this, by the database's clock.
    pub(crate) since: DateTime<Utc>,
    pub(crate) sent: Sent,
}

impl Context<'_> {
    /// Claims an effect and says the next step. A wait becomes a snooze.
    pub(super) async fn claim(&self, effect: &Effect) -> Result<Step, CallError> {
        let Execution {
            environment, job, ..
        } = self.execution;
        let delay = self.configured.visibility_delay;
        let claim = links::claim(&environment.database, &self.account, effect, job, delay).await?;
        match claim {
            Claim::Mine {
                link,
                looked_ago: Some(ago),
            } if ago < SEARCH_HOLDS => Ok(Step::Create(link)),
            Claim::Mine { link, .. } => Ok(Step::Search(link)),
            Claim::Have(existing) => Ok(Step::Exists(existing)),
            Claim::Look { link, since, sent } => Ok(Step::Look(Look { link, since, sent })),
            Claim::Wait { wait, reason } => Err(CallError::Later {
                wait: wait.max(BUSY_AT_LEAST),
                reason,
            }),
            Claim::Lost => Err(CallError::Stopped(StopReason::LeaseLost)),
        }
    }

    /// The key of another creation of this record that is in doubt: the record, and its key with it, was edited since.
    pub(super) async fn old_key(&self, effect: &Effect) -> Result<Option<String>, CallError> {
        let mut db = self.execution.environment.database.worker().await?;
        Ok(links::find_other_doubt(&mut db, &self.account, effect).await?)
    }

    /// Notes that nothing was found: by a search that began at `searched`, or by a look for what was sent alone.
    pub(super) async fn found_nothing(
        &self,
        link: LinkId,
        searched: Option<Moment>,
    ) -> Result<(), CallError> {
        let mut db = self.execution.environment.database.worker().await?;
        let held = links::found_nothing(&mut db, link, &self.execution.job, searched).await?;
        db.commit().await?;
        held.then_some(())
            .ok_or(CallError::Stopped(StopReason::LeaseLost))
    }

    /// Retires a link.
    pub(super) async fn supersede(
        &self,
        link: LinkId,
        reason: Superseded,
    ) -> Result<(), CallError> {
        let mut db = self.execution.environment.database.worker().await?;
        let held = links::supersede(&mut db, link, &self.execution.job, reason).await?;
        db.commit().await?;
        held.then_some(())
            .ok_or(CallError::Stopped(StopReason::LeaseLost))
    }
}
