//! `activity`, as far as people act: who did what, to what, and when.

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::clock;
use crate::domain::{ConnectionId, FirmId};

/// One administrative act.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Nothing when it concerned all firms.
    pub firm_id: Option<FirmId>,
    pub connection_id: Option<ConnectionId>,
    pub act: &'static str,
    pub author: &'a str,
    /// The job or batch it was done to.
    pub subject: Option<Uuid>,
    pub details: Value,
}

/// Records an act, in the transaction that does it.
pub async fn insert(db: &mut PgConnection, entry: &Entry<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"insert into activity (id, firm_id, connection_id, kind, status, author, subject_id, details, created_at, finished_at)
           values ($1, $2, $3, $4, 'success', $5, $6, $7, app_now(), app_now())"#,
        clock::new_id(),
        entry.firm_id.map(|firm| firm.0),
        entry.connection_id.map(|id| id.0),
        entry.act,
        entry.author,
        entry.subject,
        entry.details,
    )
    .execute(db)
    .await?;
    Ok(())
}
