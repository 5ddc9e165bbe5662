//! Pulses: whether the tasks that a worker cannot live without still make progress; `/healthz` fails when one does not.
//!
//! A task with work before it says so at each of its turns (`beat`), and says when it only waits for work (`rest`). A task that has
//! neither beaten nor rested for its bound is stuck: deadlocked, waiting for a task that is, or on a thread that something blocks.
//! Waiting for the database is no standstill (`during`): a worker that is started anew has no better database. So an outage, a slow
//! statement or a lock in Postgres does not fail the liveness; the statement timeout ends the latter two. An answer that has not come
//! four bounds later never will: the server has gone without a word, and a new process has new connections.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared::clock::Moment;

/// No turn of a vital task takes so long without the database: its own rests are at most a few seconds.
const BOUND: Duration = Duration::from_secs(30);
/// An answer of the database is waited for as long as so many bounds: more than any statement may take, connecting included.
const ANSWER_BOUNDS: u32 = 4;

/// The pulses of all vital tasks of this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pulses {
    all: Arc<Mutex<Vec<Arc<Cell>>>>,
}

#[derive(Debug)]
struct Cell {
    name: &'static str,
    bound: Duration,
    /// When the task must have beaten again; nothing while it rests.
    due: Mutex<Option<Moment>>,
    has_ended: AtomicBool,
}

/// One task's pulse. It ends with the task.
#[derive(Debug)]
pub(crate) struct Pulse {
    cell: Arc<Cell>,
}

impl Pulses {
    /// A new task's pulse; it counts as resting until its first beat.
    pub(crate) fn start(&self, name: &'static str) -> Pulse {
        self.start_bounded(name, BOUND)
    }

    /// The same, for a task whose own rests are long.
    pub(crate) fn start_bounded(&self, name: &'static str, bound: Duration) -> Pulse {
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
        Pulse { cell }
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

impl Pulse {
    /// The task made progress, and goes on.
    pub(crate) fn beat(&self) {
        *self.cell.due() = Some(Moment::now() + self.cell.bound);
    }

    /// The task has nothing to do until somebody brings it work.
    pub(crate) fn rest(&self) {
        *self.cell.due() = None;
    }

    /// Waits for an answer of the database: the task beats while it is polled, until no answer can come any more.
    pub(crate) async fn during<T>(&self, answer: impl Future<Output = T>) -> T {
        tokio::pin!(answer);
        let asked = Moment::now();
        loop {
            if asked.elapsed() < self.cell.bound * ANSWER_BOUNDS {
                self.beat();
            }
            tokio::select! {
                biased;
                answer = &mut answer => {
                    self.beat();
                    return answer;
                }
                () = tokio::time::sleep(self.cell.bound / 4) => {}
            }
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.cell.has_ended.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    async fn until_stuck(pulses: &Pulses) -> Vec<&'static str> {
        loop {
            let stuck = pulses.stuck();
            if !stuck.is_empty() {
                return stuck;
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_task_that_beats_no_more_is_stuck_until_it_does() {
        let pulses = Pulses::default();
        let (leaser, other) = (pulses.start_bounded("leaser", SHORT), pulses.start("other"));
        leaser.beat();
        other.beat();

        assert_eq!(until_stuck(&pulses).await, ["leaser"]);
        leaser.beat();

        assert!(pulses.stuck().is_empty());
    }

    #[tokio::test]
    async fn a_task_that_rests_or_has_ended_is_not_stuck() {
        let pulses = Pulses::default();
        let (resting, ended) = (
            pulses.start_bounded("a", SHORT),
            pulses.start_bounded("b", SHORT),
        );
        let witness = pulses.start_bounded("witness", SHORT);
        for pulse in [&resting, &ended, &witness] {
            pulse.beat();
        }
        resting.rest();
        drop(ended);

        assert_eq!(until_stuck(&pulses).await, ["witness"]);
    }

    #[tokio::test]
    async fn a_task_that_waits_for_the_database_is_not_stuck() {
        let pulses = Pulses::default();
        let (waiting, witness) = (
            pulses.start_bounded("waiting", SHORT),
            pulses.start_bounded("witness", SHORT),
        );
        witness.beat();

        let stuck = tokio::select! {
            biased;
            () = waiting.during(std::future::pending()) => Vec::new(),
            stuck = until_stuck(&pulses) => stuck,
        };

        assert_eq!(stuck, ["witness"]);
    }

    #[tokio::test]
    async fn a_task_whose_answer_never_comes_is_stuck_in_the_end() {
        let pulses = Pulses::default();
        let waiting = pulses.start_bounded("waiting", SHORT);

        let stuck = tokio::select! {
            biased;
            () = waiting.during(std::future::pending()) => Vec::new(),
            stuck = until_stuck(&pulses) => stuck,
        };

        assert_eq!(stuck, ["waiting"]);
    }

    #[tokio::test]
    async fn a_deadlocked_task_is_stuck() {
        let pulses = Pulses::default();
        let held = Arc::new(tokio::sync::Mutex::new(()));
        let guard = held.clone().lock_owned().await;
        let pulse = pulses.start_bounded("finisher", SHORT);
        let task = tokio::spawn({
            let held = held.clone();
            async move {
                pulse.beat();
                let _never = held.lock().await;
                pulse.beat();
            }
        });

        assert_eq!(until_stuck(&pulses).await, ["finisher"]);
        drop(guard);
        task.await.unwrap();
        assert!(pulses.stuck().is_empty());
    }
}
