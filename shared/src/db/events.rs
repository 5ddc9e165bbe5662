//! `events` as callers read them; appending is the inbox's.

use sqlx::PgConnection;

use crate::domain::{FirmId, RunId};

/// What became of an event.
#[derive(Debug, Clone)]
pub struct EventStatus {
    pub id: String,
    pub status: String,
    pub reason: Option<String>,
    /// When it is looked at next, while it waits for a record.
    pub look_at: Option<chrono::DateTime<chrono::Utc>>,
    pub runs: Vec<RunId>,
    pub data: serde_json::Value,
}

/// One event of a firm.
pub async fn find(
    db: &mut PgConnection,
    firm: FirmId,
    id: &str,
) -> Result<Option<EventStatus>, sqlx::Error> {
    let row = sqlx::query!(
        "select id, status, reason, look_at, runs, data from events where firm_id = $1 and id = $2",
        firm.0,
        id
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| EventStatus {
        id: row.id,
        status: row.status,
        reason: row.reason,
        look_at: row.look_at,
        runs: row.runs.into_iter().map(RunId).collect(),
        data: row.data,
    }))
}
