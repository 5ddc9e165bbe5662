//! `firm_integrations`: connections and their state.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;

use crate::db::{
    corrupt,
    tokens::{Grant, millis},
};
use crate::domain::{
    ConnectionId, FirmId, Platform, Region,
    connection::{Connection, ConnectionState, Identity, Lost, Settings},
};

struct Row {
    id: ConnectionId,
    firm_id: FirmId,
    platform: String,
    region: String,
    account_id: String,
    account_label: String,
    account_user: Value,
    settings: Value,
    is_active: bool,
    needs_reconnect_reason: Option<String>,
    parked_by: Option<String>,
    refusals: i16,
    epoch: i64,
    last_sync_at: Option<DateTime<Utc>>,
    sync_status: String,
    disconnected: bool,
}

impl TryFrom<Row> for Connection {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let state = match (
            row.disconnected || !row.is_active,
            row.needs_reconnect_reason,
        ) {
            (true, _) => ConnectionState::Disconnected,
            (false, Some(reason)) => {
                let by_refusals = row.parked_by.as_deref() == Some(Lost::Refusals.as_str());
                let lost = if by_refusals {
                    Lost::Refusals
                } else {
                    Lost::Grant
                };
                ConnectionState::NeedsReconnect { reason, lost }
            }
            (false, None) => ConnectionState::Active,
        };
        let (settings, unreadable_settings) = Settings::read(&row.settings);
        if !unreadable_settings.is_empty() {
            tracing::error!(connection.id = %row.id, settings = ?unreadable_settings, "settings cannot be read and count as not set");
            metrics::counter!("casehug_unreadable_rows_total").increment(1);
        }
        Ok(Self {
            id: row.id,
            firm_id: row.firm_id,
            platform: parse_platform(&row.platform)?,
            region: row
                .region
                .parse()
                .map_err(|_| corrupt("firm_integrations.region"))?,
            account_id: row.account_id,
            account_label: row.account_label,
            account_user: row.account_user,
            settings,
            unreadable_settings,
            state,
            epoch: row.epoch,
            refusals: row.refusals,
            last_sync_at: row.last_sync_at,
            sync_status: row.sync_status,
        })
    }
}

fn parse_platform(text: &str) -> Result<Platform, sqlx::Error> {
    text.parse()
        .map_err(|_| corrupt("firm_integrations.platform"))
}

/// The firm's connection to a platform, unless it was disconnected.
pub async fn find_by_platform(
    db: &mut PgConnection,
    firm: FirmId,
    platform: Platform,
) -> Result<Option<Connection>, sqlx::Error> {
    let row = sqlx::query_as!(
        Row,
        r#"select id as "id: ConnectionId", firm_id as "firm_id: FirmId", platform, region, account_id, account_label, account_user,
             settings, is_active, needs_reconnect_reason, parked_by, refusals, epoch, last_sync_at, sync_status, disconnected_at is not null as "disconnected!"
           from firm_integrations where firm_id = $1 and platform = $2 and disconnected_at is null"#,
        firm.0,
        platform.as_str(),
    )
    .fetch_optional(db)
    .await?;
    row.map(Connection::try_from).transpose()
}

/// One connection of a firm, whatever its state.
pub async fn find(
    db: &mut PgConnection,
    firm: FirmId,
    id: ConnectionId,
) -> Result<Option<Connection>, sqlx::Error> {
    let row = sqlx::query_as!(
        Row,
        r#"select id as "id: ConnectionId", firm_id as "firm_id: FirmId", platform, region, account_id, account_label, account_user,
             settings, is_active, needs_reconnect_reason, parked_by, refusals, epoch, last_sync_at, sync_status, disconnected_at is not null as "disconnected!"
           from firm_integrations where firm_id = $1 and id = $2"#,
        firm.0,
        id.0,
    )
    .fetch_optional(db)
    .await?;
    row.map(Connection::try_from).transpose()
}

/// The firm that a connection belongs to.
pub async fn find_firm(
    db: &mut PgConnection,
    id: ConnectionId,
) -> Result<Option<FirmId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select firm_id as "firm_id: FirmId" from firm_integrations where id = $1"#,
        id.0
    )
    .fetch_optional(db)
    .await
}

/// The connections of several firms that are not disconnected, for the relay; and the firms of which one cannot be read (a platform that
/// only a newer release knows).
pub async fn list_of_firms(
    db: &mut PgConnection,
    firms: &[uuid::Uuid],
) -> Result<(Vec<Connection>, HashSet<FirmId>), sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id as "id: ConnectionId", firm_id as "firm_id: FirmId", platform, region, account_id, account_label, account_user,
             settings, is_active, needs_reconnect_reason, parked_by, refusals, epoch, last_sync_at, sync_status, disconnected_at is not null as "disconnected!"
           from firm_integrations where firm_id = any($1) and disconnected_at is null and is_active order by id"#,
        firms,
    )
    .fetch_all(db)
    .await?;
    let (mut connections, mut unreadable) = (Vec::new(), HashSet::new());
    for row in rows {
        let (id, firm) = (row.id, row.firm_id);
        match Connection::try_from(row) {
            Ok(connection) => connections.push(connection),
            Err(error) => {
                tracing::error!(error = %error, connection.id = %id, "a connection cannot be read: its firm's events wait");
                metrics::counter!("casehug_unreadable_rows_total").increment(1);
                unreadable.insert(firm);
            }
        }
    }
    Ok((connections, unreadable))
}

/// Writes a fresh authorisation: a new row, or the firm's present one with a new epoch. Links are not touched:
/// they belong to the account.
pub async fn upsert(
    db: &mut PgConnection,
    id: ConnectionId,
    firm: FirmId,
    platform: Platform,
    region: Region,
    identity: &Identity,
    grant: &Grant<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"insert into firm_integrations as c (id, firm_id, platform, region, account_id, account_label, account_user,
             access_token, refresh_token, token_expires_at, connected_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, app_now() + $10::bigint * interval '1 ms', app_now())
           on conflict (id) do update set region = excluded.region, account_id = excluded.account_id,
             account_label = excluded.account_label, account_user = excluded.account_user, access_token = excluded.access_token,
             refresh_token = excluded.refresh_token, token_expires_at = excluded.token_expires_at, connected_at = excluded.connected_at,
             token_version = c.token_version + 1, epoch = c.epoch + 1, is_active = true, refreshing_until = null,
             needs_reconnect_reason = null, parked_by = null, refused_version = null, refusals = 0, refused_at = null, sync_status = 'idle'"#,
        id.0,
        firm.0,
        platform.as_str(),
        region.as_str(),
        identity.account_id,
        identity.account_label,
        identity.user,
        grant.access,
        grant.refresh,
        millis(grant.expires_in),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Pauses a connection for a while, for a reason of the table `pauses`; a later end wins.
pub async fn pause(
    db: &mut PgConnection,
    firm: FirmId,
    id: ConnectionId,
    reason: &str,
    wait: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"insert into pauses as p (scope, reason, firm_id, until, author, created_at)
           values ('connection:' || $1::uuid, $4, $2, app_now() + $3::bigint * interval '1 ms', 'worker', app_now())
           on conflict (scope, reason) do update set until = greatest(p.until, excluded.until)"#,
        id.0,
        firm.0,
        millis(Some(wait)),
        reason,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Makes `sync_status` true: `error` without authorisation or after a failure, `syncing` while a lane is held or due, else `idle`.
/// Looks closely only at connections where something went on lately.
pub async fn set_sync_statuses(db: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        r#"with recent as (
             select c.id from firm_integrations c where c.sync_status = 'syncing' or c.last_outcome_at > app_now() - interval '10 seconds'
             union select l.connection_id from lanes l where l.worker is not null),
           told as (
             select c.id, case
               when c.needs_reconnect_reason is not null then 'error'
               when h.first_fence is not null or d.ready_at is not null then 'syncing'
               when c.last_outcome = 'failed' then 'error'
               else 'idle' end as sync_status
             from firm_integrations c join recent r on r.id = c.id
             -- Ordered, so that no plan reads the table: each is one step in an index. The latest first, for the earliest are long dead.
             left join lateral (
               select l.first_fence from lanes l where l.worker is not null and l.connection_id = c.id order by l.first_fence desc limit 1) h on true
             left join lateral (
               select x.ready_at from (values (0::smallint), (1::smallint), (2::smallint)) p(priority) cross join lateral (
                 select l.ready_at from lanes l where l.connection_id = c.id and l.priority = p.priority and l.ready_at <= app_now()
                 order by l.ready_at desc limit 1) x
               limit 1) d on h.first_fence is null),
           changed as (
             select c.id, t.sync_status from firm_integrations c join told t on t.id = c.id
             where c.sync_status <> t.sync_status order by c.id for no key update of c)
           update firm_integrations c set sync_status = x.sync_status from changed x where c.id = x.id"#
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
