//! The relay: takes events from the inbox and fans each out to jobs in lanes.
//!
//! States of an event: waiting → done (its runs are named) or rejected (its reason is named). Only the relay moves it.
//! A relay lives in every worker, and one acts at a time, by a transaction-level advisory lock: the order of a firm's events
//! is the order of their jobs. The transaction is short: read a batch, check the records, append the jobs, mark the events.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Moment;
use crate::db::Database;
use crate::domain::{ConnectionId, capabilities::Offers};
use crate::inbox::fan_out::fan_out;
use crate::inbox::postgres;
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
        let fan_out = fan_out(&mut db, &waiting, &self.offers).await?;
        let ready = queue::enqueue(&mut db, &fan_out.jobs).await?;
        postgres::set_decided(&mut db, &fan_out.decided).await?;
        db.commit().await?;
        if more {
            self.passed.continue_behind(last.position);
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
struct ReadPosition {
    notes: VecDeque<(Moment, i64)>,
    looked_at_all: Option<Moment>,
    /// A look has taken all up to here, and there was more.
    continue_behind: Option<i64>,
}

impl ReadPosition {
    /// Behind which position the next look begins.
    fn floor(&mut self, now: Moment) -> i64 {
        if self.looked_at_all.is_none_or(|at| at + LOOK_AT_ALL <= now) {
            self.looked_at_all = Some(now);
            return 0;
        }
        if let Some(position) = self.continue_behind {
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
    fn continue_behind(&mut self, position: i64) {
        self.continue_behind = Some(position);
    }

    /// Nothing was left up to this position that had been committed before the look.
    fn note(&mut self, position: i64, now: Moment) {
        self.continue_behind = None;
        let is_fresh = |(at, _): &(Moment, i64)| *at + NOTE_EVERY > now;
        if !self.notes.back().is_some_and(is_fresh) {
            self.notes.push_back((now, position));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_begins_some_time_behind_and_now_and_then_at_the_beginning() {
        let mut passed = ReadPosition::default();
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
        passed.continue_behind(200);
        assert_eq!(passed.floor(at(41)), 200, "the rest of all");
        assert_eq!(passed.floor(at(60)), 0, "all of it");
        passed.note(2_000, at(60));
        assert_eq!(passed.floor(at(61)), 1_700);
    }
}
