//! `provider_cache`: lists of a provider that seldom change.

use std::time::Duration;

use serde_json::Value;
use sqlx::PgConnection;

use crate::domain::connection::Connection;

/// The cached list, unless it is older than `max_age`.
pub async fn find(
    db: &mut PgConnection,
    connection: &Connection,
    kind: &str,
    max_age: Duration,
) -> Result<Option<Value>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select value from provider_cache
           where connection_id = $1 and account_id = $2 and kind = $3 and fetched_at > app_now() - $4::bigint * interval '1 ms'"#,
        connection.id.0,
        connection.account_id,
        kind,
        i64::try_from(max_age.as_millis()).unwrap_or(i64::MAX),
    )
    .fetch_optional(db)
    .await
}

/// Replaces the cached list.
pub async fn upsert(
    db: &mut PgConnection,
    connection: &Connection,
    kind: &str,
    value: &Value,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"insert into provider_cache (firm_id, connection_id, account_id, kind, value, fetched_at)
           values ($1, $2, $3, $4, $5, app_now())
           on conflict (connection_id, account_id, kind) do update set value = excluded.value, fetched_at = excluded.fetched_at"#,
        connection.firm_id.0,
        connection.id.0,
        connection.account_id,
        kind,
        value,
    )
    .execute(db)
    .await?;
    Ok(())
}
