//! `links`: the exactly-once ledger. The steps that lock before they read are functions of the schema.

use std::time::Duration;

use chrono::{DateTime, Utc};

use sqlx::PgConnection;

use crate::clock::Moment;
use crate::db::{Database, corrupt};
use crate::domain::{
    ExternalId, LinkId,
    digest::Digests,
    job::LeasedJob,
    link::{
        Account, Bytes, Claim, Completed, Effect, Existing, LinkKind, Sent, Standing, Superseded,
    },
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

fn milliseconds(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
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
    completed: Completed<'_>,
) -> Result<bool, sqlx::Error> {
    let (state, external_id, version, visible) = match completed {
        Completed::Linked(id) => ("linked", id, None, true),
        Completed::NotSeen(id) => ("accepted", id, None, false),
        Completed::Unfinished {
            id,
            version,
            visible,
        } => ("accepted", id, version, visible),
    };
    sqlx::query_scalar!(
        r#"select link_complete($1, $2, $3, $4, $5, $6, $7) as "held!""#,
        link.0,
        job.lane,
        job.fence,
        state,
        external_id.0,
        version,
        visible,
    )
    .fetch_one(database.single())
    .await
}

/// What was sent is not at the provider; the caller keeps its claim on the key. `searched` is when a search, or the provider's refusal, said
/// so. It is none when only what was sent was looked for: a search may then still find a record that already stands for CaseHug's.
pub async fn found_nothing(
    db: &mut PgConnection,
    link: LinkId,
    job: &LeasedJob,
    searched: Option<Moment>,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select link_found_nothing($1, $2, $3, $4) as "held!""#,
        link.0,
        job.lane,
        job.fence,
        searched.map(|at| i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX)),
    )
    .fetch_one(db)
    .await
}

/// Notes where the bytes of a document, whose hash is `sha256`, are: a later execution need not send them again, or must.
pub async fn set_bytes(
    database: &Database,
    link: LinkId,
    job: &LeasedJob,
    sha256: &str,
    bytes: Bytes,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select link_set_transferred($1, $2, $3, $4, $5, $6) as "held!""#,
        link.0,
        job.lane,
        job.fence,
        bytes != Bytes::Missing,
        sha256,
        bytes != Bytes::TransferredNotSeen,
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

/// A create was refused, or was never sent. False: the caller's lease does not hold the link any more.
pub async fn not_sent(
    db: &mut PgConnection,
    link: LinkId,
    job: &LeasedJob,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select link_not_sent($1, $2, $3) as "held!""#,
        link.0,
        job.lane,
        job.fence
    )
    .fetch_one(db)
    .await
}

/// Notes whether a read, begun at `read_at`, found a linked record. Returns how long to wait for the second answer that a missing record is proved by: zero when
/// this is it, or when it was found. None: the caller's lease is gone.
pub async fn note_missing(
    db: &mut PgConnection,
    link: LinkId,
    job: &LeasedJob,
    missing: bool,
    read_at: Moment,
    between: Duration,
) -> Result<Option<Duration>, sqlx::Error> {
    let noted = sqlx::query!(
        r#"select held as "held!", wait_ms from link_note_missing($1, $2, $3, $4, $5, $6)"#,
        link.0,
        job.lane,
        job.fence,
        missing,
        i64::try_from(read_at.elapsed().as_millis()).unwrap_or(i64::MAX),
        i32::try_from(between.as_millis()).unwrap_or(i32::MAX),
    )
    .fetch_one(db)
    .await?;
    let wait = noted.wait_ms.map_or(0, i64::from);
    Ok(noted.held.then(|| milliseconds(wait)))
}

/// Retires a link, with its children; all are kept as history. False: the caller's lease is gone.
pub async fn supersede(
    db: &mut PgConnection,
    link: LinkId,
    job: &LeasedJob,
    reason: Superseded,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select link_supersede($1, $2, $3, $4) as "held!""#,
        link.0,
        job.lane,
        job.fence,
        reason.as_str(),
    )
    .fetch_one(db)
    .await
}

/// Whether the digests on links are made with this key; the first worker's key is the one from then on.
pub async fn has_key_of(db: &mut PgConnection, digests: &Digests) -> Result<bool, sqlx::Error> {
    let check = digests.check();
    sqlx::query!(
        "update schema_info set digest_check = $1 where digest_check is null",
        check
    )
    .execute(&mut *db)
    .await?;
    sqlx::query_scalar!(
        r#"select digest_check = $1 as "same!" from schema_info"#,
        check
    )
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
    /// When a claim noted the doubt.
    pub doubted_at: Option<DateTime<Utc>>,
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
        r#"select id, kind, record_id, external_id, created_at, swept, sent, doubted_at,
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
                doubted_at: row.doubted_at,
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
        r#"select link_set_swept($1, $2, $3, $4, $5) as "held!""#,
        link.link.0,
        link.swept,
        link.doubted_at,
        job.lane,
        job.fence
    )
    .fetch_one(db)
    .await
}
