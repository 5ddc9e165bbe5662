//! The tokens of `firm_integrations`, sealed, and the right to refresh them.

use std::time::Duration;

use sqlx::PgConnection;

use crate::domain::{ConnectionId, FirmId};

/// Access and refresh token as they lie in their row.
#[derive(Debug, Clone)]
pub struct SealedTokens {
    pub access: String,
    pub refresh: Option<String>,
    pub version: i64,
    /// Until the access token ends; nothing when it never does.
    pub expires_in: Option<Duration>,
    /// The platform has refused the access token.
    pub refused: bool,
}

/// The sealed tokens of a connection; nothing when it has none any more.
pub async fn find(
    db: &mut PgConnection,
    id: ConnectionId,
) -> Result<Option<SealedTokens>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select access_token, refresh_token, token_version, coalesce(refused_version = token_version, false) as "refused!",
             (extract(epoch from token_expires_at - app_now()) * 1000)::bigint as expires_in_ms
           from firm_integrations where id = $1"#,
        id.0
    )
    .fetch_optional(db)
    .await?;
    Ok(row.and_then(|row| {
        Some(SealedTokens {
            access: row.access_token?,
            refresh: row.refresh_token,
            version: row.token_version,
            refused: row.refused,
            expires_in: row
                .expires_in_ms
                .map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0))),
        })
    }))
}

/// What a platform granted, sealed.
#[derive(Debug)]
pub struct Grant<'a> {
    pub access: &'a str,
    pub refresh: Option<&'a str>,
    pub expires_in: Option<Duration>,
}

/// Takes the right to refresh this version of the tokens, for as long as the call may take. False: another caller is
/// refreshing them, or has already done so.
pub async fn begin_refresh(
    db: &mut PgConnection,
    id: ConnectionId,
    version: i64,
    at_most: Duration,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        r#"update firm_integrations set refreshing_until = app_now() + $3::bigint * interval '1 ms'
           where id = $1 and token_version = $2 and (refreshing_until is null or refreshing_until < app_now())"#,
        id.0,
        version,
        millis(Some(at_most)),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Stores refreshed tokens (compare and set); the old refresh token stays when none came.
pub async fn set(
    db: &mut PgConnection,
    id: ConnectionId,
    version: i64,
    grant: &Grant<'_>,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        r#"update firm_integrations set access_token = $3, refresh_token = coalesce($4, refresh_token),
             token_expires_at = app_now() + $5::bigint * interval '1 ms', token_version = token_version + 1, refreshing_until = null
           where id = $1 and token_version = $2"#,
        id.0,
        version,
        grant.access,
        grant.refresh,
        millis(grant.expires_in),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives the right to refresh back after a call that failed.
pub async fn end_refresh(
    db: &mut PgConnection,
    id: ConnectionId,
    version: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update firm_integrations set refreshing_until = null where id = $1 and token_version = $2",
        id.0,
        version
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Connections whose access token ends within `ahead`, and that can have another one, and connections parked by refusals whose hour
/// is over, unless their refresh waits already. One whose refresh has failed for good lately rests for an hour.
pub async fn list_expiring(
    db: &mut PgConnection,
    ahead: Duration,
) -> Result<Vec<(FirmId, ConnectionId)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select c.firm_id as "firm_id: FirmId", c.id as "id: ConnectionId" from firm_integrations c
           where c.is_active and c.disconnected_at is null
             and (c.needs_reconnect_reason is null and c.refresh_token is not null and c.token_expires_at < app_now() + $1::bigint * interval '1 ms'
               -- The hourly try.
               or c.parked_by = 'refusals' and not exists (
                 select 1 from pauses p where p.scope = 'connection:' || c.id and p.reason = 'needs_reconnect' and p.until > app_now()))
             and not exists (select 1 from jobs j where j.lane = 'out:' || c.id || ':refresh_token' and j.state = 'queued')
             and not exists (select 1 from jobs j where j.lane = 'out:' || c.id || ':refresh_token' and j.state = 'failed'
               and j.failed_at > app_now() - interval '1 hour')"#,
        millis(Some(ahead)),
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.firm_id, row.id)).collect())
}

/// Key ids that some stored token was sealed with.
pub async fn list_key_ids(db: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select distinct split_part(t, '.', 2) as "key!" from firm_integrations c,
           lateral unnest(array[c.access_token, c.refresh_token, c.webhook_secret]) t where t like 'v1.%'"#
    )
    .fetch_all(db)
    .await
}

pub(super) fn millis(duration: Option<Duration>) -> Option<i64> {
    duration.map(|d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
