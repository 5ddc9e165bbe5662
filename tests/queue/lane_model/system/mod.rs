//! The database beside the model: plays a step on both and compares them.

mod step;

mod people;
mod workers;

mod compare;

use std::cell::Cell;

use harness::eventually;
use proptest::test_runner::TestCaseError;
use sqlx::Executor;
use uuid::Uuid;

use super::model::{CONNECTIONS, Log, Model};
use super::steps::{Effect, Step, WORKERS};
use crate::support::SOON;
use crate::test_queue::TestQueue;

/// Short, because a database server that has been up for less lets no worker take over.
const LEASE_MS: i32 = 1_000;

type Played = Result<(), TestCaseError>;

pub(super) struct System {
    queue: TestQueue,
    next_id: Cell<u128>,
}

fn worker(number: usize) -> Uuid {
    Uuid::from_u128(0xA000 + number as u128)
}

fn key(lane: usize) -> String {
    format!("lane{lane}")
}

impl System {
    pub(super) async fn start() -> Self {
        let queue = TestQueue::start(CONNECTIONS, 1).await;
        eventually(SOON, || async {
            let statement =
                "select clock_timestamp() - pg_postmaster_start_time() > $1 * interval '1 ms'";
            let up = sqlx::query_scalar(statement).bind(LEASE_MS);
            up.fetch_one(&queue.admin)
                .await
                .ok()
                .filter(|up| *up)
                .map(|_: bool| ())
        })
        .await
        .unwrap();
        Self {
            queue,
            next_id: Cell::new(1 << 64),
        }
    }

    /// Plays a case from an empty queue to an empty queue.
    pub(super) async fn play(&self, steps: &[Step]) -> Played {
        let empty = "truncate jobs, lanes, activity, attempts, workers, pauses";
        self.queue.admin.execute(empty).await.unwrap();
        for number in 0..WORKERS {
            self.register(number).await;
        }
        let mut model = Model::new();
        for (number, step) in steps.iter().enumerate() {
            self.beat().await;
            let played = self.step(&mut model, step).await;
            let compared = match played {
                Ok(()) => self.compare(&model).await,
                Err(why) => Err(why),
            };
            if let Err(why) = compared {
                return Err(TestCaseError::fail(format!(
                    "step {number}, {step:?}: {why}"
                )));
            }
        }
        self.drain(&mut model).await.map_err(TestCaseError::fail)
    }

    async fn register(&self, number: usize) {
        let statement = "insert into workers (id, name, started_at, renewed_since, alive_until, lease_ms)
            values ($1, 'test', app_now(), app_now() - interval '1 h', app_now() + $2 * interval '1 ms', $2)";
        sqlx::query(statement)
            .bind(worker(number))
            .bind(LEASE_MS)
            .execute(&self.queue.admin)
            .await
            .unwrap();
    }

    /// Every living worker renews its lease before each step.
    async fn beat(&self) {
        let statement = "update workers set alive_until = app_now() + lease_ms * interval '1 ms'";
        self.queue.admin.execute(statement).await.unwrap();
    }

    fn new_id(&self) -> Uuid {
        let id = self.next_id.get() + 1;
        self.next_id.set(id);
        Uuid::from_u128(id)
    }

    /// Everything is resumed, due and run: then the queue is empty, and each job's history has ended.
    async fn drain(&self, model: &mut Model) -> Result<(), String> {
        for number in 0..CONNECTIONS {
            self.resume(number).await;
        }
        model.paused.clear();
        loop {
            self.beat().await;
            for id in model.waiting() {
                self.act("queue_run_now", id).await;
                model.run_now(id);
            }
            self.lease(model, 0, 100).await?;
            if model.held().is_empty() {
                break;
            }
            for held in model.held() {
                self.finish(model, held, Effect::Done, false).await?;
            }
            self.compare(model).await?;
        }
        if !model.waiting().is_empty() || model.logs.values().any(|log| *log == Log::Pending) {
            return Err("jobs are left that no worker runs".to_owned());
        }
        Ok(())
    }
}

fn pick<T: Copy>(all: &[T], number: usize) -> Option<T> {
    (!all.is_empty()).then(|| all[number % all.len()])
}
