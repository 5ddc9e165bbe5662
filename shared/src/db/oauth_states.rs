//! `oauth_states`: a connect that has begun. A ticket becomes a state; each is used once, by `delete … returning`.

use std::time::Duration;

use sqlx::PgConnection;

use crate::crypto::token_hash;
use crate::domain::{FirmId, Platform, Region};

/// What a ticket or a state stands for.
#[derive(Debug, Clone)]
pub struct Begun {
    pub platform: Platform,
    pub region: Region,
    pub actor: String,
}

/// Stores a one-time ticket.
pub async fn insert_ticket(
    db: &mut PgConnection,
    firm: FirmId,
    begun: &Begun,
    ticket: &str,
    lifetime: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"insert into oauth_states (id, firm_id, platform, region, actor, ticket_hash, expires_at)
           values ($1, $2, $3, $4, $5, $6, app_now() + $7::bigint * interval '1 ms')"#,
        crate::clock::new_id(),
        firm.0,
        begun.platform.as_str(),
        begun.region.as_str(),
        begun.actor,
        token_hash(ticket),
        i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Uses a ticket up; nothing when it is unknown, used or expired.
pub async fn take_ticket(
    db: &mut PgConnection,
    firm: FirmId,
    platform: Platform,
    ticket: &str,
) -> Result<Option<Begun>, sqlx::Error> {
    let row = sqlx::query!(
        r#"delete from oauth_states where firm_id = $1 and platform = $2 and ticket_hash = $3
           returning region, actor, expires_at > app_now() as "fresh!""#,
        firm.0,
        platform.as_str(),
        token_hash(ticket),
    )
    .fetch_optional(db)
    .await?;
    row.filter(|row| row.fresh)
        .map(|row| begun(platform, &row.region, row.actor))
        .transpose()
}

/// Stores a state with the hash of the cookie that must come back with it.
pub async fn insert_state(
    db: &mut PgConnection,
    firm: FirmId,
    begun: &Begun,
    state: &str,
    cookie: &str,
    lifetime: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"insert into oauth_states (id, firm_id, platform, region, actor, state_hash, cookie_hash, expires_at)
           values ($1, $2, $3, $4, $5, $6, $7, app_now() + $8::bigint * interval '1 ms')"#,
        crate::clock::new_id(),
        firm.0,
        begun.platform.as_str(),
        begun.region.as_str(),
        begun.actor,
        token_hash(state),
        token_hash(cookie),
        i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Uses a state up; nothing when it is unknown, used, expired, or the cookie is another browser's.
/// The hashes are compared, so the comparison tells nothing about the tokens.
pub async fn take_state(
    db: &mut PgConnection,
    firm: FirmId,
    platform: Platform,
    state: &str,
    cookie: &str,
) -> Result<Option<Begun>, sqlx::Error> {
    let row = sqlx::query!(
        r#"delete from oauth_states where firm_id = $1 and platform = $2 and state_hash = $3 and cookie_hash = $4
           returning region, actor, expires_at > app_now() as "fresh!""#,
        firm.0,
        platform.as_str(),
        token_hash(state),
        token_hash(cookie),
    )
    .fetch_optional(db)
    .await?;
    row.filter(|row| row.fresh)
        .map(|row| begun(platform, &row.region, row.actor))
        .transpose()
}

/// Deletes what has expired, of all firms.
pub async fn delete_expired(db: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!("delete from oauth_states where expires_at < app_now()")
        .execute(db)
        .await?;
    Ok(done.rows_affected())
}

fn begun(platform: Platform, region: &str, actor: String) -> Result<Begun, sqlx::Error> {
    let region = region
        .parse()
        .map_err(|_| super::corrupt("oauth_states.region"))?;
    Ok(Begun {
        platform,
        region,
        actor,
    })
}
