//! Records that are not found any more, or not yet.

use std::time::Duration;

use shared::clock::Moment;
use shared::db::links;
use shared::domain::LinkId;
use shared::domain::link::Superseded;
use shared::domain::outcome::{Failure, Instruction};
use shared::providers::{CallError, Presence, Words};
use shared::queue::StopReason;

use crate::context::Context;

/// Between the two answers that a missing record is proved by, at most.
const BETWEEN: Duration = Duration::from_secs(10);
/// And at least, however short the visibility delay is set.
const LEAST_BETWEEN: Duration = Duration::from_secs(1);

impl Context<'_> {
    /// What a read of a record that stood, begun at `read_at`, says: true when it is gone for certain, and its link retired. `missing`: the
    /// last read did not find it either.
    pub(crate) async fn is_gone(
        &self,
        link: LinkId,
        missing: bool,
        read_at: Moment,
        presence: Presence,
    ) -> Result<bool, CallError> {
        match presence {
            Presence::There | Presence::Incomplete => {
                if missing {
                    self.note_missing(link, false, read_at).await?;
                }
                Ok(false)
            }
            Presence::Rejected(words) => {
                self.supersede(link, Superseded::Rejected).await?;
                Err(self.rejected(words))
            }
            Presence::Missing => {
                let wait = self.note_missing(link, true, read_at).await?;
                if !wait.is_zero() {
                    let first = !missing;
                    return Err(CallError::NotSeen { wait, first });
                }
                if !self.provider.sees_account(&self.session).await? {
                    return Err(self.unseen());
                }
                self.supersede(link, Superseded::Gone).await?;
                Ok(true)
            }
        }
    }

    async fn note_missing(
        &self,
        link: LinkId,
        missing: bool,
        read_at: Moment,
    ) -> Result<Duration, CallError> {
        let between = self
            .configured
            .visibility_delay
            .clamp(LEAST_BETWEEN, BETWEEN);
        let job = &self.execution.job;
        let mut db = self.execution.environment.database.worker().await?;
        let wait = links::note_missing(&mut db, link, job, missing, read_at, between).await?;
        db.commit().await?;
        wait.ok_or(CallError::Stopped(StopReason::LeaseLost))
    }

    /// The provider accepted a record first and refused it then.
    pub(super) fn rejected(&self, words: Words) -> CallError {
        let name = self.configured.profile().names().title;
        let said = words.after(format!(
            "{name} accepted the data first and refused it then"
        ));
        Instruction::Fail(Failure {
            provider_words: words.sealed,
            ..Failure::new(
                "provider_invalid",
                said,
                "correct the named fields in CaseHug and retry",
            )
        })
        .into()
    }

    fn unseen(&self) -> CallError {
        let name = self.configured.profile().names().title;
        Instruction::Fail(Failure::new(
            "provider_forbidden",
            format!("the connected user does not see the account at {name} any more"),
            format!("reconnect {name} with a user that sees the firm's records"),
        ))
        .into()
    }
}
