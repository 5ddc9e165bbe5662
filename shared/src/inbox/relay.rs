//! The relay: takes events from the inbox and fans each out to jobs in lanes.
//!
//! States of an event: waiting → done (its runs are named) or rejected (its reason is named). Only the relay moves it.
//! A relay lives in every worker, and one acts at a time, by a transaction-level advisory lock: the order of a firm's events
//! is the order of their jobs. The transaction is short: read a batch, check the records, append the jobs, mark the events.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use sqlx::PgConnection;

use crate::clock::{self, Moment};
use crate::db::{Database, connections, links, matters};
use crate::domain::{
    ConnectionId, FirmId, MatterId, RunId, UploadId,
    connection::Connection,
    event::{EventKind, SyncAction, SyncWish},
    job::{NewJob, Priority, RunContext},
};
use crate::inbox::postgres::{self, Decided, Waiting};
use crate::queue;

const BATCH: i64 = 200;
/// An event whose commit came later than this behind its position waits for the next look at all.
const SLACK: Duration = Duration::from_secs(10);
const LOOK_AT_ALL: Duration = Duration::from_secs(20);
const NOTE_EVERY: Duration = Duration::from_secs(1);
/// The advisory lock of the acting relay.
const RELAY_LOCK: i64 = 0x6361_7365_0001;

/// What one pass did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Relayed {
    pub events: usize,
    pub rejected: usize,
    /// Connections of lanes that became ready: the leaser wants to know.
    pub ready: Vec<ConnectionId>,
    /// The batch was full: there may be more.
    pub more: bool,
}

/// Takes events from the inbox and fans them out.
#[derive(Debug)]
pub struct Relay {
    database: Database,
    passed: Passed,
}

impl Relay {
    /// A relay of this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            database,
            passed: Passed::default(),
        }
    }

    /// One pass over at most one batch; does nothing when another worker's relay is acting.
    ///
    /// # Errors
    /// The database refused: nothing was taken, the next pass sees the same events.
    pub async fn run_once(&mut self) -> Result<Relayed, sqlx::Error> {
        let mut db = self.database.worker().await?;
        let row = sqlx::query!(
            r#"select pg_try_advisory_xact_lock($1) as "acting!", coalesce(pg_sequence_last_value('events_position_seq'), 0) as "newest!""#,
            RELAY_LOCK
        )
        .fetch_one(&mut *db)
        .await?;
        if !row.acting {
            return Ok(Relayed::default());
        }
        let now = Moment::now();
        let waiting = postgres::list_waiting(&mut db, self.passed.floor(now), BATCH).await?;
        let more = i64::try_from(waiting.len()).is_ok_and(|n| n == BATCH);
        let Some(last) = waiting.last() else {
            self.passed.note(row.newest, now);
            return Ok(Relayed::default());
        };
        let fan_out = fan_out(&mut db, &waiting).await?;
        let ready = queue::enqueue(&mut db, &fan_out.jobs).await?;
        postgres::set_decided(&mut db, &fan_out.decided).await?;
        db.commit().await?;
        if more {
            self.passed.go_on(last.position);
        } else {
            self.passed.note(row.newest, now);
        }
        Ok(Relayed {
            events: waiting.len(),
            rejected: fan_out
                .decided
                .iter()
                .filter(|d| d.rejected.is_some())
                .count(),
            ready,
            more,
        })
    }
}

/// How far the inbox was empty, so that a look does not begin with all that has gone: an old transaction can keep it from
/// being removed. Positions are given before their commits, so a look begins some time behind, and now and then at the beginning.
#[derive(Debug, Default)]
struct Passed {
    notes: VecDeque<(Moment, i64)>,
    looked_at_all: Option<Moment>,
    /// A look has taken all up to here, and there was more.
    go_on: Option<i64>,
}

impl Passed {
    /// Behind which position the next look begins.
    fn floor(&mut self, now: Moment) -> i64 {
        if self.looked_at_all.is_none_or(|at| at + LOOK_AT_ALL <= now) {
            self.looked_at_all = Some(now);
            return 0;
        }
        if let Some(position) = self.go_on {
            return position;
        }
        let is_old = |(at, _): &(Moment, i64)| *at + SLACK <= now;
        while self.notes.get(1).is_some_and(is_old) {
            self.notes.pop_front();
        }
        let oldest = self.notes.front().filter(|note| is_old(note));
        oldest.map_or(0, |(_, position)| *position)
    }

    /// The batch was full: the next look begins behind it. Not where a note says that nothing was left: many events may have been
    /// committed together, long after their positions were given.
    fn go_on(&mut self, position: i64) {
        self.go_on = Some(position);
    }

    /// Nothing was left up to this position that had been committed before the look.
    fn note(&mut self, position: i64, now: Moment) {
        self.go_on = None;
        let is_fresh = |(at, _): &(Moment, i64)| *at + NOTE_EVERY > now;
        if !self.notes.back().is_some_and(is_fresh) {
            self.notes.push_back((now, position));
        }
    }
}

struct FanOut {
    decided: Vec<Decided>,
    jobs: Vec<NewJob>,
}

/// Everything that deciding a batch needs, read in a few statements for the whole batch.
struct Facts {
    known: matters::Known,
    connections: HashMap<FirmId, Vec<Connection>>,
}

async fn fan_out(db: &mut PgConnection, waiting: &[Waiting]) -> Result<FanOut, sqlx::Error> {
    let parsed: Vec<(&Waiting, EventKind)> = waiting
        .iter()
        .map(|event| {
            (
                event,
                EventKind::parse(&event.event_type, &event.data, event.wish),
            )
        })
        .collect();
    let facts = read_facts(db, &parsed).await?;
    let mut result = FanOut {
        decided: Vec::new(),
        jobs: Vec::new(),
    };
    for (event, kind) in &parsed {
        let verdict = decide(db, event, kind, &facts).await?;
        let (rejected, jobs) = match verdict {
            Ok(jobs) => (None, jobs),
            Err(reason) => (Some(reason), Vec::new()),
        };
        let mut runs: Vec<RunId> = jobs.iter().map(|job| job.run_id).collect();
        runs.dedup();
        result.decided.push(Decided {
            firm_id: event.firm_id,
            id: event.id.clone(),
            rejected,
            runs,
        });
        result.jobs.extend(jobs);
    }
    Ok(result)
}

async fn read_facts(
    db: &mut PgConnection,
    parsed: &[(&Waiting, EventKind)],
) -> Result<Facts, sqlx::Error> {
    let firms: Vec<_> = parsed.iter().map(|(event, _)| event.firm_id.0).collect();
    let matter_ids: Vec<_> = parsed
        .iter()
        .filter_map(|(_, kind)| matter_of(kind))
        .map(|id| id.0)
        .collect();
    let upload_ids: Vec<_> = parsed
        .iter()
        .filter_map(|(_, kind)| upload_of(kind))
        .map(|id| id.0)
        .collect();
    let known = matters::list_known(db, &firms, &matter_ids, &upload_ids).await?;
    let mut by_firm: HashMap<FirmId, Vec<Connection>> = HashMap::new();
    for connection in connections::list_of_firms(db, &firms).await? {
        by_firm
            .entry(connection.firm_id)
            .or_default()
            .push(connection);
    }
    Ok(Facts {
        known,
        connections: by_firm,
    })
}

fn matter_of(kind: &EventKind) -> Option<MatterId> {
    match kind {
        EventKind::DocumentApproved { matter_id, .. }
        | EventKind::MatterCreated { matter_id }
        | EventKind::IntakeCompleted { matter_id } => Some(*matter_id),
        EventKind::SyncRequested(wish) => Some(wish.matter_id),
        EventKind::Other | EventKind::Malformed => None,
    }
}

fn upload_of(kind: &EventKind) -> Option<UploadId> {
    match kind {
        EventKind::DocumentApproved { upload_id, .. } => Some(*upload_id),
        EventKind::MatterCreated { .. }
        | EventKind::IntakeCompleted { .. }
        | EventKind::SyncRequested(_)
        | EventKind::Other
        | EventKind::Malformed => None,
    }
}

/// The jobs of one event, or why it is rejected.
async fn decide(
    db: &mut PgConnection,
    event: &Waiting,
    kind: &EventKind,
    facts: &Facts,
) -> Result<Result<Vec<NewJob>, &'static str>, sqlx::Error> {
    if let Some(reason) = rejection(event.firm_id, kind, &facts.known) {
        return Ok(Err(reason));
    }
    let none = Vec::new();
    let connections = facts.connections.get(&event.firm_id).unwrap_or(&none);
    Ok(Ok(match kind {
        EventKind::DocumentApproved {
            matter_id,
            upload_id,
        } => {
            let chosen: Vec<&Connection> = connections
                .iter()
                .filter(|c| c.settings.auto_sync_on_approval)
                .collect();
            document_jobs(db, event, &chosen, *matter_id, *upload_id).await?
        }
        EventKind::MatterCreated { matter_id } => connections
            .iter()
            .filter(|c| c.settings.auto_sync_on_matter_created)
            .map(|c| run_context(event, c).sync_matter(*matter_id))
            .collect(),
        EventKind::SyncRequested(wish) => {
            wished_job(event, connections, wish).into_iter().collect()
        }
        EventKind::IntakeCompleted { .. } | EventKind::Other | EventKind::Malformed => Vec::new(),
    }))
}

fn rejection(firm: FirmId, kind: &EventKind, known: &matters::Known) -> Option<&'static str> {
    if !known.firms.contains(&firm) {
        return Some("unknown_firm");
    }
    if matches!(kind, EventKind::Malformed) {
        return Some("malformed_data");
    }
    let matter_id = matter_of(kind)?;
    if !known.matters.contains(&(firm, matter_id)) {
        return Some("unknown_matter");
    }
    let upload_id = upload_of(kind)?;
    (!known.uploads.contains(&(firm, matter_id, upload_id))).then_some("unknown_upload")
}

/// `sync_matter` first where the matter is not linked, then `sync_document`; one run a connection.
async fn document_jobs(
    db: &mut PgConnection,
    event: &Waiting,
    connections: &[&Connection],
    matter_id: MatterId,
    upload_id: UploadId,
) -> Result<Vec<NewJob>, sqlx::Error> {
    let accounts: Vec<_> = connections.iter().map(|c| c.account()).collect();
    let linked = links::are_linked(db, &accounts, &vec![matter_id.0; accounts.len()]).await?;
    let mut jobs = Vec::new();
    for (connection, linked) in connections.iter().zip(linked) {
        let run = run_context(event, connection);
        if !linked {
            jobs.push(run.sync_matter(matter_id));
        }
        jobs.push(run.sync_document(matter_id, upload_id));
    }
    Ok(jobs)
}

/// The wished-for job, under the ids that ingress answered with. Without a connection there is nothing to do:
/// ingress has refused the wish before, so it was disconnected meanwhile.
fn wished_job(event: &Waiting, connections: &[Connection], wish: &SyncWish) -> Option<NewJob> {
    let connection = connections.iter().find(|c| c.platform == wish.platform)?;
    let run = RunContext {
        run_id: wish.run_id,
        priority: Priority::Person,
        explicit: true,
        ..run_context(event, connection)
    };
    match wish.action {
        SyncAction::SyncMatter => Some(NewJob {
            id: wish.log_id,
            ..run.sync_matter(wish.matter_id)
        }),
        SyncAction::PullMatters => None,
    }
}

fn run_context(event: &Waiting, connection: &Connection) -> RunContext {
    RunContext {
        firm_id: event.firm_id,
        connection_id: connection.id,
        run_id: RunId(clock::new_id()),
        priority: Priority::Event,
        explicit: false,
        event_ids: vec![event.id.clone()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_begins_some_time_behind_and_now_and_then_at_the_beginning() {
        let mut passed = Passed::default();
        let start = Moment::now();
        let at = |seconds| start + Duration::from_secs(seconds);

        assert_eq!(passed.floor(at(0)), 0);
        for second in 0..18 {
            passed.note(i64::try_from(second).unwrap() * 100, at(second));
        }
        assert_eq!(passed.floor(at(9)), 0, "commits may still come");
        assert_eq!(passed.floor(at(15)), 500);
        assert_eq!(passed.floor(at(18)), 800);
        assert_eq!(passed.floor(at(20)), 0, "all of it");
        assert_eq!(passed.floor(at(21)), 1_100);

        assert_eq!(passed.floor(at(40)), 0);
        passed.go_on(200);
        assert_eq!(passed.floor(at(41)), 200, "the rest of all");
        assert_eq!(passed.floor(at(60)), 0, "all of it");
        passed.note(2_000, at(60));
        assert_eq!(passed.floor(at(61)), 1_700);
    }
}
