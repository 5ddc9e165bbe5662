//! Gauges of the whole database, read by every worker now and then: each read is bounded, and no value grows old in a worker that
//! is not the one whose turn it is.

use std::collections::VecDeque;
use std::time::Duration;

use shared::clock::Moment;
use shared::db::gauges::{self, Horizon};
use shared::db::{Database, DbError};
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(10);
/// Transaction ids are dated a day back.
const SAMPLES: usize = 8_640;

pub(crate) struct Gauges {
    database: Database,
    dates: Dates,
    read_at: Moment,
}

impl Gauges {
    pub(crate) fn new(database: Database) -> Self {
        Self {
            database,
            dates: Dates::default(),
            read_at: Moment::now(),
        }
    }

    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.run_once().await {
                tracing::warn!(error = %error, "the gauges could not be read");
            }
            set("casehug_gauges_age_seconds", self.read_at.elapsed());
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    async fn run_once(&mut self) -> Result<(), DbError> {
        let mut db = self.database.worker().await?;
        let horizon = gauges::find_horizon(&mut db).await?;
        let read = gauges::find(&mut db).await?;
        drop(db);
        set("casehug_oldest_xmin_age_seconds", self.dates.age(horizon));
        set("casehug_oldest_ready_lane_seconds", read.oldest_ready);
        set("casehug_inbox_lag_seconds", read.inbox_lag);
        count("casehug_stuck_lanes", read.stuck_lanes);
        count("casehug_lanes_held", read.lanes_held);
        count("casehug_workers_alive", read.workers_alive);
        for (audit, age) in [("changed", read.changed_audit), ("full", read.full_audit)] {
            if let Some(age) = age {
                metrics::gauge!("casehug_auditor_age_seconds", "audit" => audit)
                    .set(age.as_secs_f64());
            }
        }
        self.read_at = Moment::now();
        Ok(())
    }
}

fn set(name: &'static str, duration: Duration) {
    metrics::gauge!(name).set(duration.as_secs_f64());
}

fn count(name: &'static str, number: i64) {
    metrics::gauge!(name).set(number as f64);
}

/// When which transaction id was the next one.
#[derive(Debug, Default)]
struct Dates {
    samples: VecDeque<(Moment, i64)>,
}

impl Dates {
    /// How long the oldest id has been held: since it was last seen not to be given yet. What is older than the first sample counts from that.
    fn age(&mut self, horizon: Horizon) -> Duration {
        self.samples.push_back((Moment::now(), horizon.next));
        if self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
        let not_given = self
            .samples
            .iter()
            .rev()
            .find(|(_, next)| *next <= horizon.oldest);
        let since = not_given.or_else(|| self.samples.front());
        since.map_or(Duration::ZERO, |(at, _)| at.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(ago: &[(u64, i64)]) -> Dates {
        // Moments only go forward: the past is where the clock began.
        let now = Moment::now();
        let samples = ago
            .iter()
            .map(|(secs, next)| (now.before(Duration::from_secs(*secs)), *next));
        Dates {
            samples: samples.collect(),
        }
    }

    fn whole_seconds(mut dates: Dates, oldest: i64, next: i64) -> u64 {
        dates.age(Horizon { oldest, next }).as_secs()
    }

    #[test]
    fn a_transaction_is_as_old_as_the_last_moment_before_its_id_was_given() {
        let samples = [(30, 100), (20, 200), (10, 300)];

        assert_eq!(
            whole_seconds(seen(&samples), 400, 400),
            0,
            "nothing is held"
        );
        assert_eq!(whole_seconds(seen(&samples), 250, 400), 20);
        assert_eq!(whole_seconds(seen(&samples), 200, 400), 20);
        assert_eq!(
            whole_seconds(seen(&samples), 50, 400),
            30,
            "older than this worker"
        );
    }

    #[test]
    fn an_idle_server_holds_nothing_back() {
        assert_eq!(whole_seconds(seen(&[(30, 100), (20, 100)]), 100, 100), 0);
    }
}
