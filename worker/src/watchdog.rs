//! Watchdogs: whether the tasks that a worker cannot live without still make progress; `/healthz` fails when one does not.
//!
//! A task with work feeds its watchdog at each step (`feed`), and says when it only waits for work (`rest`). A task that has
//! neither fed it nor rested for its bound is stuck: deadlocked, waiting for a task that is, or on a thread that something blocks.
//! Waiting for the database is no standstill (`during`): a worker that is started anew has no better database. So an outage, a slow
//! statement or a lock in Postgres does not fail the liveness; the statement timeout ends the latter two. An answer that has not come
//! four bounds later never will: the server has gone without a word, and a new process has new connections.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared::clock::Moment;

/// No step of a vital task takes 30 s without the database: its own rests are at most a few seconds.
const BOUND: Duration = Duration::from_secs(30);
/// A task may wait for an answer of the database for 4 bounds: longer than any statement may take, connecting included.
const ANSWER_BOUNDS: u32 = 4;

/// The watchdogs of all vital tasks of this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watchdogs {
    all: Arc<Mutex<Vec<Arc<Cell>>>>,
}

#[derive(Debug)]
struct Cell {
    name: &'static str,
    bound: Duration,
    /// When the task must have fed it again; nothing while it rests.
    due: Mutex<Option<Moment>>,
    has_ended: AtomicBool,
}

/// One task's watchdog. It ends with the task.
#[derive(Debug)]
pub(crate) struct Watchdog {
    cell: Arc<Cell>,
}

impl Watchdogs {
    /// A new task's watchdog; it counts as resting until its first beat.
    pub(crate) fn start(&self, name: &'static str) -> Watchdog {
        self.start_bounded(name, BOUND)
    }

    /// The same, for a task whose own rests are long.
    pub(crate) fn start_bounded(&self, name: &'static str, bound: Duration) -> Watchdog {
        let cell = Arc::new(Cell {
            name,
            bound,
            due: Mutex::new(None),
            has_ended: AtomicBool::new(false),
        });
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|cell| !cell.has_ended.load(Ordering::Relaxed));
        all.push(cell.clone());
        metrics::gauge!("casehug_task_stuck", "task" => name).set(0.0);
        Watchdog { cell }
    }

    /// The tasks that have made no progress for longer than their bounds.
    pub(crate) fn stuck(&self) -> Vec<&'static str> {
        let now = Moment::now();
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stuck = Vec::new();
        for cell in all.iter() {
            let is_stuck = cell.is_stuck(now);
            metrics::gauge!("casehug_task_stuck", "task" => cell.name).set(f64::from(is_stuck));
            if is_stuck {
                stuck.push(cell.name);
            }
        }
        stuck
    }
}

impl Cell {
    fn is_stuck(&self, now: Moment) -> bool {
        !self.has_ended.load(Ordering::Relaxed) && self.due().is_some_and(|due| due < now)
    }

    fn due(&self) -> std::sync::MutexGuard<'_, Option<Moment>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watchdog {
    /// The task made progress, and goes on.
    pub(crate) fn feed(&self) {
        *self.cell.due() = Some(Moment::now() + self.cell.bound);
    }

    /// The task has nothing to do until another task brings it work.
    pub(crate) fn rest(&self) {
        *self.cell.due() = None;
    }

    /// Waits for an answer of the database: the task beats while it is polled, until no answer can come any more.
    pub(crate) async fn during<T>(&self, answer: impl Future<Output = T>) -> T {
        tokio::pin!(answer);
        let asked = Moment::now();
        loop {
            if asked.elapsed() < self.cell.bound * ANSWER_BOUNDS {
                self.feed();
            }
            tokio::select! {
                biased;
                answer = &mut answer => {
                    self.feed();
                    return answer;
                }
                () = tokio::time::sleep(self.cell.bound / 4) => {}
            }
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.cell.has_ended.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    async fn until_stuck(watchdogs: &Watchdogs) -> Vec<&'static str> {
        loop {
            let stuck = watchdogs.stuck();
            if !stuck.is_empty() {
                return stuck;
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_task_that_beats_no_more_is_stuck_until_it_does() {
        let watchdogs = Watchdogs::default();
        let (leaser, other) = (
            watchdogs.start_bounded("leaser", SHORT),
            watchdogs.start("other"),
        );
        leaser.feed();
        other.feed();

        assert_eq!(until_stuck(&watchdogs).await, ["leaser"]);
        leaser.feed();

        assert!(watchdogs.stuck().is_empty());
    }

    #[tokio::test]
    async fn a_task_that_rests_or_has_ended_is_not_stuck() {
        let watchdogs = Watchdogs::default();
        let (resting, ended) = (
            watchdogs.start_bounded("a", SHORT),
            watchdogs.start_bounded("b", SHORT),
        );
        let witness = watchdogs.start_bounded("witness", SHORT);
        for watchdog in [&resting, &ended, &witness] {
            watchdog.feed();
        }
        resting.rest();
        drop(ended);

        assert_eq!(until_stuck(&watchdogs).await, ["witness"]);
    }

    #[tokio::test]
    async fn a_task_that_waits_for_the_database_is_not_stuck() {
        let watchdogs = Watchdogs::default();
        let (waiting, witness) = (
            watchdogs.start_bounded("waiting", SHORT),
            watchdogs.start_bounded("witness", SHORT),
        );
        witness.feed();

        let stuck = tokio::select! {
            biased;
            () = waiting.during(std::future::pending()) => Vec::new(),
            stuck = until_stuck(&watchdogs) => stuck,
        };

        assert_eq!(stuck, ["witness"]);
    }

    #[tokio::test]
    async fn a_task_whose_answer_never_comes_is_stuck_in_the_end() {
        let watchdogs = Watchdogs::default();
        let waiting = watchdogs.start_bounded("waiting", SHORT);

        let stuck = tokio::select! {
            biased;
            () = waiting.during(std::future::pending()) => Vec::new(),
            stuck = until_stuck(&watchdogs) => stuck,
        };

        assert_eq!(stuck, ["waiting"]);
    }

    #[tokio::test]
    async fn a_deadlocked_task_is_stuck() {
        let watchdogs = Watchdogs::default();
        let held = Arc::new(tokio::sync::Mutex::new(()));
        let guard = held.clone().lock_owned().await;
        let watchdog = watchdogs.start_bounded("finisher", SHORT);
        let task = tokio::spawn({
            let held = held.clone();
            async move {
                watchdog.feed();
                let _never = held.lock().await;
                watchdog.feed();
            }
        });

        assert_eq!(until_stuck(&watchdogs).await, ["finisher"]);
        drop(guard);
        task.await.unwrap();
        assert!(watchdogs.stuck().is_empty());
    }
}
