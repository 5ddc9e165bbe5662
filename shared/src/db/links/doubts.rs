//! Doubted links, for the sweep.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::read_sent;
use crate::db::corrupt;
use crate::domain::{
    ExternalId, LinkId,
    job::LeasedJob,
    link::{Account, LinkKind, Sent},
};

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
