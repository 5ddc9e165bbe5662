//! One step, on both sides: whom it concerns is chosen among whatever there is.

use serde_json::json;

use super::{System, key, pick};
use crate::lane_model::model::{CONNECTIONS, Model, connection_of};
use crate::lane_model::steps::{Effect, Step};
use crate::test_queue::connection;

impl System {
    pub(super) async fn step(&self, model: &mut Model, step: &Step) -> Result<(), String> {
        match step {
            Step::Enqueue {
                lane,
                priority,
                duplicate,
            } => self.enqueue(model, *lane, *priority, *duplicate).await,
            Step::Lease { worker, limit } => return self.lease(model, *worker, *limit).await,
            Step::Finish {
                held,
                effect,
                continue_lane,
            } => {
                if let Some(held) = pick(&model.held(), *held) {
                    return self.finish(model, held, *effect, *continue_lane).await;
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

    async fn enqueue(&self, model: &mut Model, lane: usize, priority: i16, duplicate: Option<u8>) {
        let id = self.new_id();
        let job = json!({ "id": id, "firm_id": self.queue.firm, "connection_id": connection(connection_of(lane)), "lane": key(lane),
            "kind": "probe", "priority": priority, "run_id": id, "event_ids": [],
            "dedupe_key": duplicate.map(|key| key.to_string()) });
        sqlx::query("select queue_enqueue($1)")
            .bind(json!([job]))
            .execute(&self.queue.pool)
            .await
            .unwrap();
        model.enqueue(id, lane, priority, duplicate);
    }
}
