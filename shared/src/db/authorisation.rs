//! What a platform said of a connection's authorisation, and whether its work waits for a person.
//!
//! A caller who writes here names the epoch and the version of the tokens that he has used: a grant or a token that came
//! meanwhile is not touched by what was said of the one before.

use std::time::Duration;

use sqlx::PgConnection;

use crate::db::tokens::millis;
use crate::domain::{
    ConnectionId, FirmId,
    connection::{Connection, Lost},
};

/// After so many refusals in a row of tokens that it has just given out, a platform means it.
pub const REFUSALS: i16 = 4;
/// Refusals that come closer together are one: a connection's jobs run side by side.
const APART: Duration = Duration::from_secs(5);
/// A connection that was parked by refusals is tried again after this time.
const PROBED_AFTER: Duration = Duration::from_hours(1);

/// The authorisation that was used.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    pub firm: FirmId,
    pub connection: ConnectionId,
    pub epoch: i64,
    pub token_version: i64,
}

impl Used {
    /// A connection's, with this version of its tokens.
    #[must_use]
    pub fn of(connection: &Connection, token_version: i64) -> Self {
        Self {
            firm: connection.firm_id,
            connection: connection.id,
            epoch: connection.epoch,
            token_version,
        }
    }
}

/// Parks a connection: its lanes are not visited until a person reconnects, or until the next hourly try where refusals
/// parked it.
pub async fn park(
    db: &mut PgConnection,
    used: Used,
    lost: Lost,
    reason: &str,
) -> Result<bool, sqlx::Error> {
    let parked = sqlx::query!(
        r#"update firm_integrations c set needs_reconnect_reason = $4, parked_by = $5, sync_status = 'error'
           where c.id = $1 and c.epoch = $2 and c.token_version = $3
             and (c.needs_reconnect_reason is null or c.parked_by = 'refusals')"#,
        used.connection.0,
        used.epoch,
        used.token_version,
        reason,
        lost.as_str(),
    )
    .execute(&mut *db)
    .await?;
    if parked.rows_affected() == 0 {
        return Ok(false);
    }
    let length = match lost {
        Lost::Grant => None,
        Lost::Refusals => Some(PROBED_AFTER),
    };
    sqlx::query!(
        r#"insert into pauses (scope, reason, firm_id, until, author, note, created_at)
           values ('connection:' || $1::uuid, 'needs_reconnect', $2, coalesce(app_now() + $3::bigint * interval '1 ms', 'infinity'),
             'worker', $4, app_now())
           on conflict (scope, reason) do update set until = excluded.until, note = excluded.note"#,
        used.connection.0,
        used.firm.0,
        millis(length),
        reason,
    )
    .execute(db)
    .await?;
    Ok(true)
}

/// Lifts the pause of a lost authorisation.
pub async fn unpark(db: &mut PgConnection, id: ConnectionId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "delete from pauses where scope = 'connection:' || $1::uuid and reason = 'needs_reconnect'",
        id.0
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Notes that the platform refused a token: no job uses it again.
pub async fn refuse_token(db: &mut PgConnection, used: Used) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"update firm_integrations set refused_version = $3
           where id = $1 and epoch = $2 and token_version = $3 and refused_version is distinct from $3"#,
        used.connection.0,
        used.epoch,
        used.token_version,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Counts that the platform refused a token that it had just given out. Returns how often in a row it has done so; nothing
/// where the tokens are others by now.
pub async fn count_refusal(db: &mut PgConnection, used: Used) -> Result<Option<i16>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"update firm_integrations c set
             refusals = least(c.refusals + (c.refused_at is null or c.refused_at < app_now() - $4::bigint * interval '1 ms')::integer, 1000),
             refused_at = app_now()
           where c.id = $1 and c.epoch = $2 and c.token_version = $3
           returning c.refusals"#,
        used.connection.0,
        used.epoch,
        used.token_version,
        millis(Some(APART)),
    )
    .fetch_optional(db)
    .await
}

/// The platform takes the connection's token again: what it refused before has passed.
pub async fn heal(db: &mut PgConnection, connection: &Connection) -> Result<(), sqlx::Error> {
    let healed = sqlx::query!(
        r#"update firm_integrations c set refusals = 0, refused_at = null, needs_reconnect_reason = null, parked_by = null,
             sync_status = case when c.needs_reconnect_reason is null then c.sync_status else 'idle' end
           where c.id = $1 and c.epoch = $2 and (c.needs_reconnect_reason is null or c.parked_by = 'refusals')"#,
        connection.id.0,
        connection.epoch,
    )
    .execute(&mut *db)
    .await?;
    if healed.rows_affected() == 1 {
        unpark(db, connection.id).await?;
    }
    Ok(())
}
