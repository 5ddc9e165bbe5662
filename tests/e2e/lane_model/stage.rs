//! The database beside the model: plays a step on both and compares them.

use std::cell::Cell;

use harness::eventually;
use proptest::test_runner::TestCaseError;
use serde_json::json;
use sqlx::postgres::PgRow;
use sqlx::{Executor, Row};
use uuid::Uuid;

use super::model::{CONNECTIONS, Held, Log, Model, connection_of};
use super::steps::{Effect, LANES, Step, WORKERS};
use crate::queue_stage::{QueueStage, connection};
use crate::support::SOON;

/// Short: a server that has been up for less lets nobody take over.
const LEASE_MS: i32 = 1_000;

type Played = Result<(), TestCaseError>;

pub(super) struct Stage {
    queue: QueueStage,
    next_id: Cell<u128>,
}

fn worker(number: usize) -> Uuid {
    Uuid::from_u128(0xA000 + number as u128)
}

fn key(lane: usize) -> String {
    format!("lane{lane}")
}

impl Stage {
    pub(super) async fn start() -> Self {
        let queue = QueueStage::start(CONNECTIONS, 1).await;
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
        let statement = "insert into workers (id, name, started_at, alive_until, lease_ms)
            values ($1, 'test', app_now() - interval '1 h', app_now() + $2 * interval '1 ms', $2)";
        sqlx::query(statement)
            .bind(worker(number))
            .bind(LEASE_MS)
            .execute(&self.queue.admin)
            .await
            .unwrap();
    }

    /// Whoever lives renews its lease before each step.
    async fn beat(&self) {
        let statement = "update workers set alive_until = app_now() + lease_ms * interval '1 ms'";
        self.queue.admin.execute(statement).await.unwrap();
    }

    async fn step(&self, model: &mut Model, step: &Step) -> Result<(), String> {
        match step {
            Step::Enqueue {
                lane,
                priority,
                twin,
            } => self.enqueue(model, *lane, *priority, *twin).await,
            Step::Lease { worker, limit } => return self.lease(model, *worker, *limit).await,
            Step::Finish {
                held,
                effect,
                go_on,
            } => {
                if let Some(held) = pick(&model.held(), *held) {
                    return self.finish(model, held, *effect, *go_on).await;
                }
            }
            Step::FinishStale { old } => {
                if let Some(old) = pick(&model.stale, *old) {
                    let written = self.write(old, Effect::Done, &[], true).await;
                    if !written.is_empty() {
                        return Err(format!("the stale {old:?} was written"));
                    }
                }
            }
            Step::GiveBack { held } => {
                if let Some(held) = pick(&model.held(), *held) {
                    self.give_back(model, held).await;
                }
            }
            Step::Retry { failed } => {
                let all: Vec<_> = model.failed.iter().copied().collect();
                if let Some(id) = pick(&all, *failed) {
                    self.act("queue_retry", id).await;
                    model.retry(id);
                }
            }
            Step::Skip { failed } => {
                let all: Vec<_> = model.failed.iter().copied().collect();
                if let Some(id) = pick(&all, *failed) {
                    self.act("queue_skip", id).await;
                    model.drop_job(id);
                }
            }
            Step::Cancel { job } => self.cancel(model, *job).await,
            Step::RunNow { job } => {
                if let Some(id) = pick(&model.waiting(), *job) {
                    self.act("queue_run_now", id).await;
                    model.run_now(id);
                }
            }
            Step::Pause { connection } => {
                let number = connection % CONNECTIONS;
                self.pause(number).await;
                model.paused.insert(number);
            }
            Step::Resume { connection } => {
                let number = connection % CONNECTIONS;
                self.resume(number).await;
                model.paused.remove(&number);
            }
            Step::Crash { worker } => self.crash(model, *worker).await,
        }
        Ok(())
    }

    fn new_id(&self) -> Uuid {
        let id = self.next_id.get() + 1;
        self.next_id.set(id);
        Uuid::from_u128(id)
    }

    async fn enqueue(&self, model: &mut Model, lane: usize, priority: i16, twin: Option<u8>) {
        let id = self.new_id();
        let job = json!({ "id": id, "firm_id": self.queue.firm, "connection_id": connection(connection_of(lane)), "lane": key(lane),
            "kind": "probe", "priority": priority, "run_id": id, "event_ids": [],
            "dedupe_key": twin.map(|key| key.to_string()) });
        sqlx::query("select queue_enqueue($1)")
            .bind(json!([job]))
            .execute(&self.queue.pool)
            .await
            .unwrap();
        model.enqueue(id, lane, priority, twin);
    }

    /// Visits every connection, as a worker does that remembers nothing.
    async fn lease(&self, model: &mut Model, number: usize, limit: i32) -> Result<(), String> {
        let connections: Vec<Uuid> = (0..CONNECTIONS).map(connection).collect();
        let rows = sqlx::query(
            "select lane, fence, id from queue_lease($1, $2, $2, $3, array_fill(null::timestamptz, array[$4::integer]),
               array_fill(0::bigint, array[$4::integer]), array_fill(false, array[$4::integer])) where id is not null order by fence",
        )
        .bind(worker(number))
        .bind(limit)
        .bind(connections)
        .bind(i32::try_from(CONNECTIONS).unwrap())
        .fetch_all(&self.queue.pool)
        .await
        .unwrap();
        for row in &rows {
            model.lease(held(row, number))?;
        }
        if i32::try_from(rows.len()).unwrap() < limit {
            model.nothing_left()?;
        }
        Ok(())
    }

    async fn finish(
        &self,
        model: &mut Model,
        held: Held,
        effect: Effect,
        go_on: bool,
    ) -> Result<(), String> {
        let follow: Vec<Uuid> = match effect {
            Effect::DoneAndFollowed => vec![self.new_id(), self.new_id()],
            _ => Vec::new(),
        };
        let written = self.write(held, effect, &follow, go_on).await;
        let [next] = written.as_slice() else {
            return Err(format!("{held:?} was written {} times", written.len()));
        };
        match effect {
            Effect::Done | Effect::DoneAndFollowed => model.done(held, &follow),
            Effect::Fail => model.fail(held),
            Effect::LaterAtOnce => model.later(held, true),
            Effect::LaterInAnHour => model.later(held, false),
        }
        let leaves = !matches!(effect, Effect::LaterAtOnce | Effect::LaterInAnHour);
        let may = go_on
            && leaves
            && model.is_due(held.lane)
            && !model.paused.contains(&connection_of(held.lane));
        match next {
            Some(next) if may => model.take(*next),
            None if !may => Ok(()),
            other => Err(format!("went on: {other:?}, though it may: {may}")),
        }
    }

    /// Writes one outcome, and answers the lanes that were written with the job that was gone on with.
    async fn write(
        &self,
        held: Held,
        effect: Effect,
        follow: &[Uuid],
        go_on: bool,
    ) -> Vec<Option<Held>> {
        let (effect, status, delay_ms) = match effect {
            Effect::Done | Effect::DoneAndFollowed => ("delete", "success", 0),
            Effect::Fail => ("fail", "failed", 0),
            Effect::LaterAtOnce => ("later", "pending", 0),
            Effect::LaterInAnHour => ("later", "pending", 3_600_000),
        };
        let mut outcome = json!({ "lane": key(held.lane), "fence": held.fence, "job_id": held.job, "effect": effect, "delay_ms": delay_ms,
            "waiting_for": "retry", "counted": false, "limited": 0, "log_status": status, "duration_ms": 1, "outcome": "done",
            "probe": true, "go_on": go_on });
        if !follow.is_empty() {
            let priority = self.priority_of(held.job).await;
            outcome["follow_ups"] = follow
                .iter()
                .map(|id| {
                    json!({ "id": id, "firm_id": self.queue.firm, "connection_id": connection(connection_of(held.lane)), "lane": key(held.lane),
                        "kind": "probe", "priority": priority, "run_id": id, "event_ids": [] })
                })
                .collect();
        }
        let rows = sqlx::query("select lane, next_fence as fence, id from queue_finish($1, $2)")
            .bind(worker(held.worker))
            .bind(json!([outcome]))
            .fetch_all(&self.queue.pool)
            .await
            .unwrap();
        rows.iter()
            .map(|row| {
                row.get::<Option<Uuid>, _>("id")
                    .map(|_| super::stage::held(row, held.worker))
            })
            .collect()
    }

    async fn priority_of(&self, job: Uuid) -> i16 {
        sqlx::query_scalar("select priority from jobs where id = $1")
            .bind(job)
            .fetch_one(&self.queue.admin)
            .await
            .unwrap()
    }

    async fn give_back(&self, model: &mut Model, held: Held) {
        sqlx::query("select queue_give_back($1, $2, $3)")
            .bind(worker(held.worker))
            .bind(vec![key(held.lane)])
            .bind(vec![held.fence])
            .execute(&self.queue.pool)
            .await
            .unwrap();
        model.give_back(held);
    }

    async fn cancel(&self, model: &mut Model, number: usize) {
        let running = model.held();
        let all: Vec<Uuid> = running
            .iter()
            .map(|held| held.job)
            .chain(model.waiting())
            .collect();
        let Some(id) = pick(&all, number) else {
            return;
        };
        self.act("queue_cancel", id).await;
        if running.iter().any(|held| held.job == id) {
            model.cancel_running(id);
        } else {
            model.drop_job(id);
        }
    }

    async fn act(&self, function: &str, id: Uuid) {
        let statement = match function {
            "queue_retry" => "select outcome from queue_retry(null, $1)",
            "queue_skip" => "select outcome from queue_skip(null, $1)",
            "queue_cancel" => "select outcome from queue_cancel(null, $1)",
            _ => "select outcome from queue_run_now(null, $1)",
        };
        let outcome: Option<String> = sqlx::query_scalar(statement)
            .bind(id)
            .fetch_one(&self.queue.pool)
            .await
            .unwrap();
        assert_ne!(outcome.as_deref(), Some("wrong_state"), "{function}");
    }

    async fn pause(&self, number: usize) {
        let statement = "insert into pauses (scope, reason, firm_id, until, author, created_at)
            values ('connection:' || $1, 'paused', $2, 'infinity', 'test', now()) on conflict do nothing";
        sqlx::query(statement)
            .bind(connection(number))
            .bind(self.queue.firm)
            .execute(&self.queue.admin)
            .await
            .unwrap();
    }

    async fn resume(&self, number: usize) {
        sqlx::query("delete from pauses where scope = 'connection:' || $1")
            .bind(connection(number))
            .execute(&self.queue.admin)
            .await
            .unwrap();
    }

    async fn crash(&self, model: &mut Model, number: usize) {
        sqlx::query("update workers set alive_until = app_now() - interval '1 s' where id = $1")
            .bind(worker(number))
            .execute(&self.queue.admin)
            .await
            .unwrap();
        sqlx::query("select queue_take_over($1, 1000)")
            .bind(worker((number + 1) % WORKERS))
            .execute(&self.queue.pool)
            .await
            .unwrap();
        self.register(number).await;
        model.crash(number);
    }

    async fn compare(&self, model: &Model) -> Result<(), String> {
        let rows = sqlx::query(
            "select l.key, l.worker, l.running_job, l.fence, l.priority, l.ready_at is not null as ready, coalesce(l.ready_at <= app_now(), false) as due,
               array(select j.id from jobs j where j.lane = l.key and j.state = 'queued' order by j.seq) as jobs
             from lanes l order by l.key",
        )
        .fetch_all(&self.queue.admin)
        .await
        .unwrap();
        for number in 0..LANES {
            let row = rows
                .iter()
                .find(|row| row.get::<String, _>("key") == key(number));
            compare_lane(model, number, row)?;
        }
        let failed: Vec<Uuid> =
            sqlx::query_scalar("select id from jobs where state = 'failed' order by id")
                .fetch_all(&self.queue.admin)
                .await
                .unwrap();
        let expected: Vec<Uuid> = model.failed.iter().copied().collect();
        if failed != expected {
            return Err(format!("failed jobs are {failed:?}, expected {expected:?}"));
        }
        self.compare_history(model).await
    }

    async fn compare_history(&self, model: &Model) -> Result<(), String> {
        let rows = sqlx::query("select id, status from activity order by id")
            .fetch_all(&self.queue.admin)
            .await
            .unwrap();
        let logs: Vec<(Uuid, Log)> = rows.iter().map(|row| (row.get("id"), log(row))).collect();
        let expected: Vec<(Uuid, Log)> = model.logs.iter().map(|(id, log)| (*id, *log)).collect();
        if logs != expected {
            return Err(format!("the log is {logs:?}, expected {expected:?}"));
        }
        let attempts: i64 = sqlx::query_scalar("select count(*) from attempts")
            .fetch_one(&self.queue.admin)
            .await
            .unwrap();
        if attempts != model.attempts {
            return Err(format!("{attempts} attempts, expected {}", model.attempts));
        }
        Ok(())
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
            return Err("jobs are left that nobody runs".to_owned());
        }
        Ok(())
    }
}

fn compare_lane(model: &Model, number: usize, row: Option<&PgRow>) -> Result<(), String> {
    let lane = &model.lanes[number];
    let expected: Vec<Uuid> = lane
        .held
        .iter()
        .map(|held| held.job)
        .chain(lane.waiting.iter().copied())
        .collect();
    let Some(row) = row else {
        return match expected.is_empty() {
            true => Ok(()),
            false => Err(format!("lane {number} is missing")),
        };
    };
    let jobs: Vec<Uuid> = row.get("jobs");
    if jobs != expected {
        return Err(format!("lane {number} has {jobs:?}, expected {expected:?}"));
    }
    let holder = (row.get("running_job"), row.get("worker"));
    let expected = lane
        .held
        .map(|held| (held.job, worker(held.worker)))
        .unzip();
    if holder != expected {
        return Err(format!(
            "lane {number} is held {holder:?}, expected {expected:?}"
        ));
    }
    let free = lane.held.is_none();
    let (ready, due): (bool, bool) = (row.get("ready"), row.get("due"));
    if ready != (free && !lane.waiting.is_empty()) || due != (free && model.is_due(number)) {
        return Err(format!(
            "lane {number}: ready {ready}, due {due}; model {lane:?}"
        ));
    }
    let priority: i16 = row.get("priority");
    if ready && Some(priority) != model.priority(number) {
        return Err(format!(
            "lane {number} has priority {priority}; model {lane:?}"
        ));
    }
    Ok(())
}

fn held(row: &PgRow, worker: usize) -> Held {
    let lane: String = row.get("lane");
    Held {
        job: row.get("id"),
        lane: lane.trim_start_matches("lane").parse().unwrap(),
        worker,
        fence: row.get("fence"),
    }
}

fn log(row: &PgRow) -> Log {
    match row.get::<&str, _>("status") {
        "success" => Log::Success,
        "failed" => Log::Failed,
        "skipped" => Log::Skipped,
        _ => Log::Pending,
    }
}

fn pick<T: Copy>(all: &[T], number: usize) -> Option<T> {
    (!all.is_empty()).then(|| all[number % all.len()])
}
