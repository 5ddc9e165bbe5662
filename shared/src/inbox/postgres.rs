//! Appending to and taking from the `events` table.

use sqlx::PgConnection;
use tokio::sync::mpsc;

use crate::db::{Database, DbError, channels::INBOX_CHANNEL, is_deadlock};
use crate::domain::{FirmId, RunId, event::NewEvent};
use crate::inbox::{Appending, Inbox, count_appended};

/// The inbox in Postgres: the one that the relay takes from.
#[derive(Debug, Clone)]
pub struct PostgresInbox {
    database: Database,
    wakeup: mpsc::Sender<()>,
}

impl PostgresInbox {
    /// The inbox of this database. It needs a runtime: the relays are woken beside its answers.
    #[must_use]
    pub fn new(database: Database) -> Self {
        // One wakeup stands for all that was committed before it.
        let (wakeup, wakeups) = mpsc::channel(1);
        tokio::spawn(wake_relays(database.clone(), wakeups));
        Self { database, wakeup }
    }

    async fn commit(&self, events: &[NewEvent]) -> Result<Vec<bool>, DbError> {
        let mut worker = self.database.worker().await?;
        let new = insert(&mut worker, events).await?;
        worker.commit().await?;
        Ok(new)
    }
}

async fn wake_relays(database: Database, mut wakeups: mpsc::Receiver<()>) {
    while wakeups.recv().await.is_some() {
        if let Err(error) = database.notify(INBOX_CHANNEL).await {
            tracing::debug!(error = %error, "the relays were not notified and look by themselves");
        }
    }
}

impl Inbox for PostgresInbox {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn append<'a>(&'a self, events: &'a [NewEvent]) -> Appending<'a> {
        Box::pin(async {
            let new = loop {
                match self.commit(events).await {
                    // Two batches with the same events in another order; the other one is committed now.
                    Err(error) if is_deadlock(&error) => {}
                    other => break other?,
                }
            };
            // A full channel: the relays are about to be woken.
            let _ = self.wakeup.try_send(());
            count_appended(self, events.len());
            Ok(new)
        })
    }
}

/// Appends events in one statement. Returns, by position, which of them are new:
/// the first of an id wins, in the table and within the batch.
pub(super) async fn insert(
    db: &mut PgConnection,
    events: &[NewEvent],
) -> Result<Vec<bool>, sqlx::Error> {
    let firms: Vec<_> = events.iter().map(|e| e.firm_id.0).collect();
    let ids: Vec<_> = events.iter().map(|e| e.id.clone()).collect();
    let types: Vec<_> = events.iter().map(|e| e.event_type.clone()).collect();
    let data: Vec<_> = events.iter().map(|e| e.data.clone()).collect();
    let requests: Vec<_> = events.iter().map(|e| e.requested_by_person).collect();
    let created: Vec<_> = events.iter().map(|e| e.created_at).collect();
    let inserted = sqlx::query!(
        r#"insert into events (firm_id, id, type, data, requested_by_person, created_at)
           select * from unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::bool[], $6::timestamptz[])
           on conflict (firm_id, id) do nothing returning firm_id, id"#,
        &firms,
        &ids,
        &types,
        &data,
        &requests,
        &created as &[Option<chrono::DateTime<chrono::Utc>>],
    )
      .fetch_all(db)
    .await?;
    let mut new: std::collections::HashSet<_> = inserted
        .into_iter()
        .map(|row| (FirmId(row.firm_id), row.id))
        .collect();
    Ok(events
        .iter()
        .map(|event| new.remove(&(event.firm_id, event.id.clone())))
        .collect())
}

/// An event as the relay takes it.
pub(super) struct Waiting {
    pub(super) position: i64,
    pub(super) firm_id: FirmId,
    pub(super) id: String,
    pub(super) event_type: String,
    pub(super) data: serde_json::Value,
    pub(super) requested_by_person: bool,
}

/// The oldest events that wait behind a position.
pub(super) async fn list_waiting(
    db: &mut PgConnection,
    after: i64,
    limit: i64,
) -> Result<Vec<Waiting>, sqlx::Error> {
    sqlx::query_as!(
        Waiting,
        r#"select position, firm_id as "firm_id: FirmId", id, type as event_type, data, requested_by_person
           from events where status = 'waiting' and position > $1 order by position limit $2"#,
        after,
        limit
    )
    .fetch_all(db)
    .await
}

/// What the relay decided about one event.
pub(super) struct Decided {
    pub(super) firm_id: FirmId,
    pub(super) id: String,
    pub(super) rejected: Option<&'static str>,
    pub(super) runs: Vec<RunId>,
}

/// Writes what became of the events.
pub(super) async fn set_decided(
    db: &mut PgConnection,
    decided: &[Decided],
) -> Result<(), sqlx::Error> {
    let rows: Vec<serde_json::Value> = decided
        .iter()
        .map(|d| {
            serde_json::json!({
                "firm_id": d.firm_id, "id": d.id, "reason": d.rejected, "runs": d.runs,
                "status": if d.rejected.is_some() { "rejected" } else { "done" },
            })
        })
        .collect();
    sqlx::query!(
        r#"update events e set status = d.status, reason = d.reason, runs = d.runs
           from jsonb_to_recordset($1) d(firm_id uuid, id text, status text, reason text, runs uuid[])
           where e.firm_id = d.firm_id and e.id = d.id"#,
        serde_json::Value::from(rows)
    )
    .execute(db)
    .await?;
    Ok(())
}
