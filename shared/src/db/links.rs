//! `links`: the exactly-once ledger. The steps that lock before they read are functions of the schema.

use std::time::Duration;

use chrono::{DateTime, Utc};

use sqlx::PgConnection;

use crate::clock::Moment;
use crate::db::{Database, corrupt};
use crate::domain::{
    ExternalId, LinkId,
    job::LeasedJob,
    link::{Account, Claim, Completed, Effect, Existing, LinkKind, Sent},
};

/// Claims the right to create one record, or says what stands in the way.
pub async fn claim(
    database: &Database,
    account: &Account,
    effect: &Effect,
    job: &LeasedJob,
    visibility_delay: Duration,
) -> Result<Claim, sqlx::Error> {
    let row = sqlx::query!(
        r#"select verdict as "verdict!", link_id, external_id, state, wait_ms as "wait_ms!", looked_ago_ms,
             transferred as "transferred!", version, created_at, sent
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
    let link = || {
        row.link_id
            .map(LinkId)
            .ok_or_else(|| corrupt("link_claim.link_id"))
    };
    let wait = Duration::from_millis(u64::try_from(row.wait_ms).unwrap_or(0));
    let ago = row
        .looked_ago_ms
        .map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
    Ok(match row.verdict.as_str() {
        "mine" => Claim::Mine {
            link: link()?,
            looked_ago: ago,
        },
        "have" => Claim::Have(Existing {
            link: link()?,
            external_id: ExternalId(
                row.external_id
                    .ok_or_else(|| corrupt("links.external_id"))?,
            ),
            complete: row.state.as_deref() == Some("linked"),
            transferred: row.transferred,
            version: row.version,
        }),
        "busy" => Claim::Wait {
            wait,
            in_doubt: false,
        },
        "in_doubt" => Claim::Wait {
            wait,
            in_doubt: true,
        },
        "look" => Claim::Look {
            link: link()?,
            since: row
                .created_at
                .ok_or_else(|| corrupt("link_claim.created_at"))?,
            sent: read_sent(row.sent)?,
        },
        "lost" => Claim::Lost,
        _ => return Err(corrupt("link_claim.verdict")),
    })
}

/// A link without it was never sent.
fn read_sent(sent: Option<serde_json::Value>) -> Result<Sent, sqlx::Error> {
    let read = sent.map(serde_json::from_value).transpose();
    Ok(read.map_err(|_| corrupt("links.sent"))?.unwrap_or_default())
}

/// Writes the end of a creation, or a record that was found. False: the caller's lease does not hold the link any more.
pub async fn complete(
    database: &Database,
    link: LinkId,
    job: &LeasedJob,
    settled: Completed<'_>,
) -> Result<bool, sqlx::Error> {
    let (state, external_id, version) = match settled {
        Completed::Linked(id) => ("linked", id, None),
        Completed::Accepted { id, version } => ("accepted", id, version),
    };
    sqlx::query_scalar!(
        r#"select link_complete($1, $2, $3, $4, $5, $6) as "held!""#,
        link.0,
        job.lane,
        job.fence,
        state,
        external_id.0,
        version,
    )
    .fetch_one(database.single())
    .await
}

/// Nothing of ours was at the provider when it was asked: a search said so, or the provider refused. The key stays claimed by the caller.
pub async fn found_nothing(
    db: &mut PgConnection,
    link: LinkId,
    job: &LeasedJob,
    asked: Moment,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select link_found_nothing($1, $2, $3, $4) as "held!""#,
        link.0,
        job.lane,
        job.fence,
        i64::try_from(asked.elapsed().as_millis()).unwrap_or(i64::MAX),
    )
    .fetch_one(db)
    .await
}

/// Notes that a document's bytes have been transferred, so that a later execution need not send them again.
pub async fn set_transferred(
    database: &Database,
    link: LinkId,
    job: &LeasedJob,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select link_set_transferred($1, $2, $3) as "held!""#,
        link.0,
        job.lane,
        job.fence
    )
    .fetch_one(database.single())
    .await
}

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

/// Another document of the same matter with the same bytes, already at the provider; none when the document itself is there.
pub async fn find_same_bytes(
    database: &Database,
    matter_link: LinkId,
    sha256: &str,
    effect_key: &str,
) -> Result<Option<(uuid::Uuid, ExternalId)>, sqlx::Error> {
    let same = sqlx::query!(
        "select record_id, external_id from link_find_same_bytes($1, $2, $3)",
        matter_link.0,
        sha256,
        effect_key,
    )
    .fetch_one(database.single())
    .await?;
    Ok(same.record_id.zip(same.external_id.map(ExternalId)))
}

/// True when some link of this kind already stands for the provider's record: a look must not adopt it for another record of ours.
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

/// Retires a link whose record is gone at the provider, with its children; all are kept as history. False: the caller's lease is gone.
pub async fn supersede(
    db: &mut PgConnection,
    link: LinkId,
    job: &LeasedJob,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select link_supersede($1, $2, $3) as "held!""#,
        link.0,
        job.lane,
        job.fence
    )
    .fetch_one(db)
    .await
}

/// The key of the hashes that stand for e-mail addresses.
pub async fn hash_key(db: &mut PgConnection) -> Result<uuid::Uuid, sqlx::Error> {
    sqlx::query_scalar!("select link_hash_key from schema_info")
        .fetch_one(db)
        .await
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
             and effect_key <> $7 and state = 'creating' and num_nulls(superseded_at) = 1
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

/// A link that was in doubt, for the sweep.
#[derive(Debug, Clone)]
pub struct Doubted {
    pub link: LinkId,
    pub kind: LinkKind,
    /// Our record's id.
    pub record_id: uuid::Uuid,
    pub external_id: Option<ExternalId>,
    /// The provider's record above it: a document's matter.
    pub parent: Option<ExternalId>,
    pub sent: Sent,
    /// When it was claimed, by the database's clock.
    pub since: DateTime<Utc>,
    /// How often it was looked at since the doubt.
    pub swept: i16,
}

/// Connections with doubted links whose look is due: ten minutes after the doubt, and a day after it.
pub async fn list_connections_to_sweep(
    db: &mut PgConnection,
) -> Result<Vec<(uuid::Uuid, uuid::Uuid)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select distinct c.firm_id, c.id from firm_integrations c join links k on c.firm_id = k.firm_id and c.platform = k.platform
             and c.region = k.region and c.account_id = k.account_id and c.is_active and c.disconnected_at is null
           where k.swept < 2 and (k.doubted_at is not null or k.state = 'creating')
             and link_doubted_since(k.doubted_at, k.state, k.send_until)
               < app_now() - case k.swept when 0 then interval '10 minutes' else interval '1 day' end"#
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.firm_id, row.id)).collect())
}

/// Doubted links of an account whose look is due.
pub async fn list_doubted(
    db: &mut PgConnection,
    account: &Account,
    limit: i64,
) -> Result<Vec<Doubted>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select id, kind, record_id, external_id, created_at, swept, sent,
             (select p.external_id from links p where p.id = k.parent_id) as parent
           from links k
           where firm_id = $1 and platform = $2 and region = $3 and account_id = $4 and swept < 2
             and (doubted_at is not null or state = 'creating')
             and link_doubted_since(doubted_at, state, send_until)
               < app_now() - case swept when 0 then interval '10 minutes' else interval '1 day' end
           order by link_doubted_since(doubted_at, state, send_until) limit $5"#,
        account.firm_id.0,
        account.platform.as_str(),
        account.region.as_str(),
        account.id,
        limit,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Doubted {
                link: LinkId(row.id),
                kind: LinkKind::parse(&row.kind).ok_or_else(|| corrupt("links.kind"))?,
                record_id: row.record_id,
                external_id: row.external_id.map(ExternalId),
                parent: row.parent.map(ExternalId),
                sent: read_sent(row.sent)?,
                since: row.created_at,
                swept: row.swept,
            })
        })
        .collect()
}

/// Notes that a doubted link was looked at once more. False: the caller's lease is gone.
pub async fn set_swept(
    db: &mut PgConnection,
    link: &Doubted,
    job: &LeasedJob,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select link_set_swept($1, $2, $3, $4) as "held!""#,
        link.link.0,
        link.swept,
        job.lane,
        job.fence
    )
    .fetch_one(db)
    .await
}
