//! The relay: takes events from the inbox and fans each out to jobs in lanes.
//!
//! States of an event: waiting → done (its runs are named) or rejected (its reason is named). Only the relay moves it.
//! A relay lives in every worker, and one acts at a time, by a transaction-level advisory lock: the order of a firm's events
//! is the order of their jobs. The transaction is short: read a batch, check the records, append the jobs, mark the events.
//!
//! An event whose record is not there yet is looked at again after growing pauses. Later events do not wait for it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Moment;
use crate::db::Database;
use crate::domain::{ConnectionId, capabilities::Offers};
use crate::inbox::fan_out::fan_out;
use crate::inbox::postgres::{self, Fate};
use crate::queue;

const BATCH: i64 = 200;
/// Early events of a batch, besides: however many there are, new ones go on.
const EARLY: i64 = 50;
/// A transaction may have drawn a position and not yet its number when a look began.
const LEAST_SLACK: Duration = Duration::from_secs(1);
/// An event whose commit came later than this behind its position waits for the next look at all.
const MOST_SLACK: Duration = Duration::from_secs(10);
const LOOK_AT_ALL: Duration = Duration::from_secs(20);
const NOTE_EVERY: Duration = Duration::from_millis(100);
/// The advisory lock of the acting relay.
const RELAY_LOCK: i64 = 0x6361_7365_0001;

/// What one pass did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Relayed {
    pub events: usize,
    pub rejected: usize,
    /// Connections of lanes that became ready: the leaser wants to know.
    pub ready: Vec<ConnectionId>,
    /// A batch was full: there may be more.
    pub more: bool,
    /// Until the next look at an event that came before its record.
    pub next_look: Option<Duration>,
}

/// Takes events from the inbox and fans them out.
#[derive(Debug)]
pub struct Relay {
    database: Database,
    offers: Offers,
    passed: ReadPosition,
}

impl Relay {
    /// A relay of this database, which names only work that the platforms offer.
    #[must_use]
    pub fn new(database: Database, offers: Offers) -> Self {
        Self {
            database,
            offers,
            passed: ReadPosition::default(),
        }
    }

    /// One pass over at most one batch; does nothing when another worker's relay is acting.
    ///
    /// # Errors
    /// The database refused: nothing was taken, the next pass sees the same events.
    pub async fn run_once(&mut self) -> Result<Relayed, sqlx::Error> {
        let mut db = self.database.worker().await?;
        let row = sqlx::query!(
            r#"select case when pg_try_advisory_xact_lock($1) then pg_current_xact_id()::text::bigint end as number, coalesce(pg_sequence_last_value('events_position_seq'), 0) as "newest!",
                 pg_snapshot_xmin(pg_current_snapshot())::text::bigint as "oldest_running!",
                 (select (extract(epoch from e.look_at - clock_timestamp()) * 1000)::bigint from events e
                  where e.status = 'waiting' and e.look_at is not null order by e.look_at limit 1) as next_look_ms"#,
            RELAY_LOCK
        )
        .fetch_one(&mut *db)
        .await?;
        let Some(number) = row.number else {
            return Ok(Relayed::default());
        };
        let now = Moment::now();
        let early = match row.next_look_ms {
            Some(..=0) => postgres::list_early(&mut db, EARLY).await?,
            Some(1..) | None => Vec::new(),
        };
        let floor = self.passed.floor(now);
        let waiting = postgres::list_waiting(&mut db, floor, BATCH).await?;
        let (full, full_early) = (is_full(&waiting, BATCH), is_full(&early, EARLY));
        let passed = Passed {
            at: now,
            position: waiting
                .last()
                .filter(|_| full)
                .map_or(row.newest, |last| last.position),
            oldest_running: row.oldest_running,
            number,
        };
        let batch: Vec<_> = early.into_iter().chain(waiting).collect();
        let next_look = row
            .next_look_ms
            .map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
        if batch.is_empty() {
            self.passed.note(passed);
            return Ok(Relayed {
                next_look,
                ..Relayed::default()
            });
        }
        let fan_out = fan_out(&mut db, &batch, &self.offers).await?;
        let ready = queue::enqueue(&mut db, &fan_out.jobs).await?;
        postgres::set_decided(&mut db, &fan_out.decided).await?;
        db.commit().await?;
        self.passed.note(passed);
        let decided = || fan_out.decided.iter().map(|decided| &decided.fate);
        let waits = decided().filter_map(Fate::wait);
        Ok(Relayed {
            events: batch.len(),
            rejected: decided()
                .filter(|fate| matches!(fate, Fate::Rejected { .. }))
                .count(),
            ready,
            more: full || full_early,
            next_look: waits.chain(next_look.filter(|next| !next.is_zero())).min(),
        })
    }
}

fn is_full<T>(read: &[T], limit: i64) -> bool {
    i64::try_from(read.len()).is_ok_and(|read| read == limit)
}

/// What a look has passed.
#[derive(Debug, Clone, Copy)]
struct Passed {
    at: Moment,
    /// All up to here that had been committed was taken.
    position: i64,
    /// All transactions before this one had ended.
    oldest_running: i64,
    /// Its own number, which it drew: all that drew theirs before have smaller ones. A snapshot does not tell as much: its end is the
    /// newest that has ended, and younger ones may be running.
    number: i64,
}

/// How far the inbox was empty, so that a look does not begin with all that has gone: an old transaction can keep it from
/// being removed.
///
/// Positions are given before their commits: a look passes events that cannot be seen yet. What was answered first goes first, so a
/// look begins where no transaction of that time was running any more at the last look, which has therefore taken all of them. It waits
/// for none of them longer than 10 s: CaseHug may insert events in a long transaction, and nobody was answered yet. Every 20 s a look
/// begins at the beginning.
#[derive(Debug, Default)]
struct ReadPosition {
    notes: VecDeque<Passed>,
    last: Option<Passed>,
    looked_at_all: Option<Moment>,
}

impl ReadPosition {
    /// Behind which position the next look begins.
    fn floor(&mut self, now: Moment) -> i64 {
        if self.looked_at_all.is_none_or(|at| at + LOOK_AT_ALL <= now) {
            self.looked_at_all = Some(now);
            return 0;
        }
        let Some(last) = self.last else {
            return 0;
        };
        let is_settled = |note: &Passed| {
            note.at + MOST_SLACK <= now
                || note.at + LEAST_SLACK <= last.at && note.number <= last.oldest_running
        };
        while self.notes.get(1).is_some_and(is_settled) {
            self.notes.pop_front();
        }
        let oldest = self.notes.front().filter(|note| is_settled(note));
        // A full batch may have ended before it.
        oldest.map_or(0, |note| note.position.min(last.position))
    }

    fn note(&mut self, passed: Passed) {
        self.last = Some(passed);
        let is_fresh = |note: &Passed| note.at + NOTE_EVERY > passed.at;
        if !self.notes.back().is_some_and(is_fresh) {
            self.notes.push_back(passed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each second 10 transactions begin and 100 positions are passed.
    fn look(start: Moment, second: u32, oldest_running: i64) -> Passed {
        Passed {
            at: start + Duration::from_secs(second.into()),
            position: i64::from(second) * 100,
            oldest_running,
            number: i64::from(second) * 10,
        }
    }

    fn looked(start: Moment, oldest_running: impl Fn(u32) -> i64) -> ReadPosition {
        let mut passed = ReadPosition::default();
        assert_eq!(passed.floor(start), 0);
        for second in 0..18 {
            passed.note(look(start, second, oldest_running(second)));
        }
        passed
    }

    #[test]
    fn a_look_begins_where_no_transaction_of_its_time_is_running_and_now_and_then_at_the_beginning()
    {
        let start = Moment::now();
        let at = |seconds| start + Duration::from_secs(seconds);

        let mut passed = looked(start, |second| i64::from(second) * 10);
        assert_eq!(
            passed.floor(at(18)),
            1_600,
            "a position may be younger than its transaction"
        );
        assert_eq!(passed.floor(at(20)), 0, "all of it");
        assert_eq!(passed.floor(at(21)), 1_600);

        let mut passed = looked(start, |_| 105);
        assert_eq!(passed.floor(at(18)), 1_000, "transaction 105 runs");
        assert_eq!(
            passed.floor(at(19)),
            1_000,
            "nobody waits for it for longer than 10 s"
        );
        let mut passed = looked(start, |_| 15);
        assert_eq!(
            passed.floor(at(18)),
            800,
            "nobody waits for it for longer than 10 s"
        );
    }

    #[test]
    fn what_a_transaction_leaves_is_looked_for_once_more_after_its_end() {
        let start = Moment::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        // Transaction 105 runs through all looks, and ends before the next one.
        let mut passed = looked(start, |_| 105);
        assert_eq!(passed.floor(at(18)), 1_000);
        passed.note(look(start, 18, 180));
        assert_eq!(passed.floor(at(19)), 1_700);

        // The same with a batch that was full before its end.
        let mut passed = looked(start, |_| 105);
        assert_eq!(passed.floor(at(18)), 1_000);
        passed.note(Passed {
            position: 1_100,
            ..look(start, 18, 180)
        });
        assert_eq!(passed.floor(at(19)), 1_100);
    }
}
