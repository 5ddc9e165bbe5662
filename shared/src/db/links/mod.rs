//! `links`: the exactly-once ledger. The steps that lock before they read are functions of the schema.

mod claim;
mod doubts;
mod write;

use std::time::Duration;

use sqlx::PgConnection;

pub use claim::{claim, find_other_doubt};
pub use doubts::{Doubted, list_connections_to_sweep, list_doubted, set_swept};
pub use write::{complete, found_nothing, not_sent, note_missing, set_bytes, supersede};

use crate::db::{Database, corrupt};
use crate::domain::{
    ExternalId, LinkId,
    job::LeasedJob,
    link::{Account, LinkKind, Sent},
};

/// The standing link of one of our records, if it is complete.
pub async fn find(
    db: &mut PgConnection,
    account: &Account,
    kind: LinkKind,
    effect_key: &str,
) -> Result<Option<(LinkId, ExternalId)>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select id, external_id from links
           where firm_id = $1 and platform = $2 and region = $3 and account_id = $4 and kind = $5 and effect_key = $6
             and state = 'linked' and superseded_at is null"#,
        account.firm_id.0,
        account.platform.as_str(),
        account.region.as_str(),
        account.id,
        kind.as_str(),
        effect_key,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.and_then(|row| Some((LinkId(row.id), ExternalId(row.external_id?)))))
}

/// Which of these matters are linked in this account, for the relay: `(firm, platform, region, account, matter)` by position.
pub async fn are_linked(
    db: &mut PgConnection,
    accounts: &[Account],
    matters: &[uuid::Uuid],
) -> Result<Vec<bool>, sqlx::Error> {
    let firms: Vec<_> = accounts.iter().map(|a| a.firm_id.0).collect();
    let platforms: Vec<_> = accounts
        .iter()
        .map(|a| a.platform.as_str().to_owned())
        .collect();
    let regions: Vec<_> = accounts
        .iter()
        .map(|a| a.region.as_str().to_owned())
        .collect();
    let ids: Vec<_> = accounts.iter().map(|a| a.id.clone()).collect();
    sqlx::query_scalar!(
        // One step in an index for each, with `limit`: an `exists` may read all links once instead.
        r#"select (select k.id from links k where k.firm_id = w.firm_id and k.platform = w.platform and k.region = w.region
             and k.account_id = w.account_id and k.kind = 'matter' and k.effect_key = w.matter_id::text and k.state = 'linked'
             and k.superseded_at is null limit 1) is not null as "linked!"
           from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[]) with ordinality
             w(firm_id, platform, region, account_id, matter_id, o) order by w.o"#,
        &firms,
        &platforms,
        &regions,
        &ids,
        matters,
    )
    .fetch_all(db)
    .await
}

/// A document of the same matter with the same bytes.
#[derive(Debug, Clone)]
pub struct SameBytes {
    pub link: LinkId,
    /// The upload that it stands for.
    pub upload: uuid::Uuid,
    pub external_id: ExternalId,
    /// It stood before the job was asked for.
    pub before: bool,
    /// The last read did not find it.
    pub missing: bool,
}

/// Another document of the same matter with the same bytes, already at the provider; none when the document itself is there.
pub async fn find_same_bytes(
    database: &Database,
    matter_link: LinkId,
    sha256: &str,
    effect_key: &str,
    job: &LeasedJob,
) -> Result<Option<SameBytes>, sqlx::Error> {
    let same = sqlx::query!(
        "select link_id, record_id, external_id, linked_before, missing from link_find_same_bytes($1, $2, $3, $4, $5)",
        matter_link.0,
        sha256,
        effect_key,
        job.lane,
        job.fence,
    )
    .fetch_one(database.single())
    .await?;
    Ok((|| {
        Some(SameBytes {
            link: LinkId(same.link_id?),
            upload: same.record_id?,
            external_id: ExternalId(same.external_id?),
            before: same.linked_before?,
            missing: same.missing?,
        })
    })())
}

/// True when some link of this kind already stands for the provider's record: a look must not adopt it for another record of CaseHug.
pub async fn is_taken(
    db: &mut PgConnection,
    account: &Account,
    kind: LinkKind,
    external_id: &ExternalId,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (select 1 from links where firm_id = $1 and platform = $2 and region = $3 and account_id = $4 and kind = $5
             and external_id = $6 and superseded_at is null) as "taken!""#,
        account.firm_id.0,
        account.platform.as_str(),
        account.region.as_str(),
        account.id,
        kind.as_str(),
        external_id.0,
    )
    .fetch_one(db)
    .await
}

fn milliseconds(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// A link without it was never sent.
fn read_sent(sent: Option<serde_json::Value>) -> Result<Sent, sqlx::Error> {
    let read = sent.map(serde_json::from_value).transpose();
    Ok(read.map_err(|_| corrupt("links.sent"))?.unwrap_or_default())
}
