//! Claims: the right to create one record.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{milliseconds, read_sent};
use crate::db::{Database, corrupt};
use crate::domain::{
    ExternalId, LinkId,
    job::LeasedJob,
    link::{Account, Claim, Effect, Existing, Standing},
    outcome::Waiting,
};

/// Claims the right to create one record, or says what stands in the way.
pub async fn claim(
    database: &Database,
    account: &Account,
    effect: &Effect,
    job: &LeasedJob,
    visibility_delay: Duration,
) -> Result<Claim, sqlx::Error> {
    let row = sqlx::query_as!(
        ClaimRow,
        r#"select verdict as "verdict!", link_id, external_id, state, wait_ms as "wait_ms!", looked_ago_ms,
             transferred_ago_ms, version, created_at, sent, sha256, linked_before as "linked_before!", next_look_ms,
             missing as "missing!"
           from link_claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"#,
        account.firm_id.0,
        account.platform.as_str(),
        account.region.as_str(),
        account.id,
        effect.kind.as_str(),
        effect.key,
        effect.record_id,
        effect.parent.map(|id| id.0),
        effect.sha256,
        job.lane,
        job.fence,
        i32::try_from(visibility_delay.as_millis()).unwrap_or(i32::MAX),
    )
    .fetch_one(database.single())
    .await?;
    row.claim()
}

struct ClaimRow {
    verdict: String,
    link_id: Option<uuid::Uuid>,
    external_id: Option<String>,
    state: Option<String>,
    wait_ms: i32,
    looked_ago_ms: Option<i64>,
    transferred_ago_ms: Option<i64>,
    version: Option<String>,
    created_at: Option<DateTime<Utc>>,
    sent: Option<serde_json::Value>,
    sha256: Option<String>,
    linked_before: bool,
    next_look_ms: Option<i64>,
    missing: bool,
}

impl ClaimRow {
    fn claim(self) -> Result<Claim, sqlx::Error> {
        let waiting = |reason| Claim::Wait {
            wait: milliseconds(self.wait_ms.into()),
            reason,
        };
        Ok(match self.verdict.as_str() {
            "mine" => Claim::Mine {
                link: self.link()?,
                looked_ago: self.looked_ago_ms.map(milliseconds),
            },
            "have" => Claim::Have(self.existing()?),
            "busy" => waiting(Waiting::Contact),
            "in_doubt" => waiting(Waiting::Doubt),
            "not_visible" => waiting(Waiting::Provider),
            "look" => Claim::Look {
                link: self.link()?,
                since: self
                    .created_at
                    .ok_or_else(|| corrupt("link_claim.created_at"))?,
                sent: read_sent(self.sent)?,
            },
            "lost" => Claim::Lost,
            _ => return Err(corrupt("link_claim.verdict")),
        })
    }

    fn link(&self) -> Result<LinkId, sqlx::Error> {
        let link = self.link_id.map(LinkId);
        link.ok_or_else(|| corrupt("link_claim.link_id"))
    }

    fn existing(self) -> Result<Existing, sqlx::Error> {
        Ok(Existing {
            link: self.link()?,
            standing: match (self.state.as_deref(), self.next_look_ms) {
                (Some("linked"), _) => Standing::Complete,
                (_, Some(ms)) => Standing::NotSeen {
                    next_look: milliseconds(ms),
                },
                (_, None) => Standing::Unfinished,
            },
            external_id: ExternalId(
                self.external_id
                    .ok_or_else(|| corrupt("links.external_id"))?,
            ),
            before: self.linked_before,
            missing: self.missing,
            transferred_ago: self.transferred_ago_ms.map(milliseconds),
            version: self.version,
            sha256: self.sha256,
        })
    }
}

/// The key of another creation of this very record that is in doubt: of a contact, when the client's e-mail has changed since.
pub async fn find_other_doubt(
    db: &mut PgConnection,
    account: &Account,
    effect: &Effect,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select effect_key from links
           where firm_id = $1 and platform = $2 and region = $3 and account_id = $4 and kind = $5 and record_id = $6
             and effect_key <> $7 and state in ('creating', 'accepted') and num_nulls(superseded_at) = 1
           order by created_at limit 1"#,
        account.firm_id.0,
        account.platform.as_str(),
        account.region.as_str(),
        account.id,
        effect.kind.as_str(),
        effect.record_id,
        effect.key,
    )
    .fetch_optional(db)
    .await
}
