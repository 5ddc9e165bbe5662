//! Appending to and taking from the `events` table.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;
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

/// Appends events. Returns, by position, which of them are new: the first of an id wins, in the table and within the batch. One that was
/// rejected is replaced: it is tried anew.
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
    .fetch_all(&mut *db)
    .await?;
    let mut new: HashSet<_> = inserted
        .into_iter()
        .map(|row| (FirmId(row.firm_id), row.id))
        .collect();
    if new.len() < events.len() {
        let known: Vec<_> = events
            .iter()
            .filter(|event| !new.contains(&(event.firm_id, event.id.clone())))
            .collect();
        new.extend(replace_rejected(db, &known).await?);
    }
    Ok(events
        .iter()
        .map(|event| new.remove(&(event.firm_id, event.id.clone())))
        .collect())
}

/// Those of these events that were rejected before wait again, as they are now.
async fn replace_rejected(
    db: &mut PgConnection,
    events: &[&NewEvent],
) -> Result<Vec<(FirmId, String)>, sqlx::Error> {
    let firms: Vec<_> = events.iter().map(|e| e.firm_id.0).collect();
    let ids: Vec<_> = events.iter().map(|e| e.id.clone()).collect();
    let types: Vec<_> = events.iter().map(|e| e.event_type.clone()).collect();
    let data: Vec<_> = events.iter().map(|e| e.data.clone()).collect();
    let created: Vec<_> = events.iter().map(|e| e.created_at).collect();
    let replaced = sqlx::query!(
        r#"update events e set position = default, type = n.type, data = n.data, created_at = n.created_at,
             received_at = clock_timestamp(), status = 'waiting', reason = null, look_at = null, looks = 0
           from (
             select distinct on (firm_id, id) * from unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::timestamptz[])
               with ordinality x(firm_id, id, type, data, created_at, place)
             order by firm_id, id, place) n
           where e.firm_id = n.firm_id and e.id = n.id and e.status = 'rejected' and not e.requested_by_person
           returning e.firm_id, e.id"#,
        &firms,
        &ids,
        &types,
        &data,
        &created as &[Option<chrono::DateTime<chrono::Utc>>],
    )
    .fetch_all(db)
    .await?;
    Ok(replaced
        .into_iter()
        .map(|row| (FirmId(row.firm_id), row.id))
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
    /// How often it was looked at.
    pub(super) looks: i32,
    /// Since it was received.
    pub(super) age_ms: i64,
}

/// How long an event waits for its records, and for their approval.
const PATIENCE: Duration = Duration::from_mins(2);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

impl Waiting {
    /// After which pause it is looked at again; nothing when it has waited long enough.
    pub(super) fn next_look(&self) -> Option<Duration> {
        let age = Duration::from_millis(u64::try_from(self.age_ms).unwrap_or(0));
        if age >= PATIENCE {
            return None;
        }
        let doublings = u32::try_from(self.looks).unwrap_or(0).min(16);
        let pause = FIRST_PAUSE * 2_u32.pow(doublings);
        // The last look comes when the patience ends.
        Some(pause.min(LONGEST_PAUSE).min(PATIENCE - age))
    }
}

/// The members of an event's data that the relay reads. Ingress keeps no others, but CaseHug may insert events by itself.
const READ: [&str; 7] = [
    "matter_id",
    "upload_id",
    "platform",
    "action",
    "run_id",
    "log_id",
    "actor",
];
/// Data that takes more bytes in its row, compressed as it may be, is not read: the event counts as one without data.
const LARGEST_DATA: i32 = 8 * 1024;

/// Events as the relay reads them; `$tail` says which ones, by `$3` and `$4`.
macro_rules! waiting_events {
    ($db:expr, $tail:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            Waiting,
            r#"select position, firm_id as "firm_id: FirmId", id, type as event_type, read.data as "data!", requested_by_person, looks,
                 (extract(epoch from clock_timestamp() - received_at) * 1000)::bigint as "age_ms!"
               from events cross join lateral (
                 select coalesce(jsonb_object_agg(m.key, left(m.value, 200)), '{}') as data
                 from jsonb_each_text(case when pg_column_size(events.data) < $1 and jsonb_typeof(events.data) = 'object' then events.data end) m
                 where m.key = any($2)) read
               where status = 'waiting' and "# + $tail,
            LARGEST_DATA,
            &READ.map(str::to_owned),
            $($argument),+
        )
        .fetch_all($db)
        .await
    };
}

/// The oldest events that wait behind a position, and have not been looked at yet.
pub(super) async fn list_waiting(
    db: &mut PgConnection,
    after: i64,
    limit: i64,
) -> Result<Vec<Waiting>, sqlx::Error> {
    waiting_events!(
        db,
        "look_at is null and position > $3 order by position limit $4",
        after,
        limit
    )
}

/// Events that came before their records, and whose next look is due.
pub(super) async fn list_early(
    db: &mut PgConnection,
    limit: i64,
) -> Result<Vec<Waiting>, sqlx::Error> {
    waiting_events!(
        db,
        "look_at <= clock_timestamp() order by look_at limit $3",
        limit
    )
}

/// What the relay decided about one event.
pub(super) struct Decided {
    pub(super) firm_id: FirmId,
    pub(super) id: String,
    pub(super) fate: Fate,
}

/// What becomes of an event.
pub(super) enum Fate {
    Done {
        runs: Vec<RunId>,
    },
    Rejected {
        reason: &'static str,
    },
    /// It is looked at again: its record may come.
    Early {
        reason: &'static str,
        wait: Duration,
    },
}

impl Fate {
    /// Until the event is looked at again.
    pub(super) fn wait(&self) -> Option<Duration> {
        match self {
            Self::Early { wait, .. } => Some(*wait),
            Self::Done { .. } | Self::Rejected { .. } => None,
        }
    }
}

/// Writes what became of the events.
pub(super) async fn set_decided(
    db: &mut PgConnection,
    decided: &[Decided],
) -> Result<(), sqlx::Error> {
    let rows: Vec<serde_json::Value> = decided.iter().map(row).collect();
    sqlx::query!(
        r#"update events e set status = d.status, reason = d.reason, runs = d.runs,
             look_at = clock_timestamp() + d.wait_ms * interval '1 ms', looks = e.looks + (d.wait_ms is not null)::integer
           from jsonb_to_recordset($1) d(firm_id uuid, id text, status text, reason text, runs uuid[], wait_ms bigint)
           where e.firm_id = d.firm_id and e.id = d.id"#,
        serde_json::Value::from(rows)
    )
    .execute(db)
    .await?;
    Ok(())
}

fn row(decided: &Decided) -> serde_json::Value {
    let Decided { firm_id, id, fate } = decided;
    match fate {
        Fate::Done { runs } => {
            json!({ "firm_id": firm_id, "id": id, "status": "done", "runs": runs })
        }
        Fate::Rejected { reason } => {
            json!({ "firm_id": firm_id, "id": id, "status": "rejected", "reason": reason, "runs": [] })
        }
        Fate::Early { reason, wait } => {
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            json!({ "firm_id": firm_id, "id": id, "status": "waiting", "reason": reason, "runs": [], "wait_ms": wait_ms })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_early_event_is_looked_at_after_growing_pauses_for_two_minutes() {
        let (mut age, mut pauses) = (Duration::ZERO, Vec::new());
        for looks in 0.. {
            let event = Waiting {
                position: 1,
                firm_id: FirmId(uuid::Uuid::nil()),
                id: String::new(),
                event_type: String::new(),
                data: json!({}),
                requested_by_person: false,
                looks,
                age_ms: i64::try_from(age.as_millis()).unwrap(),
            };
            let Some(pause) = event.next_look() else {
                break;
            };
            age += pause;
            pauses.push(pause);
        }
        assert_eq!(age, PATIENCE);
        assert_eq!(
            pauses[..3].iter().sum::<Duration>(),
            Duration::from_millis(1_400)
        );
        assert!(pauses.len() < 16, "{} looks", pauses.len());
    }
}
