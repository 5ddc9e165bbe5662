//! What workers do: lease, finish, give back, and die.

use serde_json::json;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{System, key, worker};
use crate::lane_model::model::{CONNECTIONS, Held, Model, connection_of};
use crate::lane_model::steps::{Effect, WORKERS};
use crate::test_queue::connection;

impl System {
    /// Visits every connection, as a worker does that remembers nothing.
    pub(super) async fn lease(
        &self,
        model: &mut Model,
        number: usize,
        limit: i32,
    ) -> Result<(), String> {
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

    pub(super) async fn finish(
        &self,
        model: &mut Model,
        held: Held,
        effect: Effect,
        continue_lane: bool,
    ) -> Result<(), String> {
        let follow: Vec<Uuid> = match effect {
            Effect::DoneAndFollowed => vec![self.new_id(), self.new_id()],
            _ => Vec::new(),
        };
        let written = self.write(held, effect, &follow, continue_lane).await;
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
        let may = continue_lane
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
    pub(super) async fn write(
        &self,
        held: Held,
        effect: Effect,
        follow: &[Uuid],
        continue_lane: bool,
    ) -> Vec<Option<Held>> {
        let (effect, status, delay_ms) = match effect {
            Effect::Done | Effect::DoneAndFollowed => ("delete", "success", 0),
            Effect::Fail => ("fail", "failed", 0),
            Effect::LaterAtOnce => ("later", "pending", 0),
            Effect::LaterInAnHour => ("later", "pending", 3_600_000),
        };
        let mut outcome = json!({ "lane": key(held.lane), "fence": held.fence, "job_id": held.job, "effect": effect, "delay_ms": delay_ms,
            "waiting_for": "retry", "counted": false, "limited": 0, "log_status": status, "duration_ms": 1, "outcome": "done",
            "probe": true, "continue_lane": continue_lane });
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
                    .map(|_| self::held(row, held.worker))
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

    pub(super) async fn give_back(&self, model: &mut Model, held: Held) {
        sqlx::query("select queue_give_back($1, $2, $3)")
            .bind(worker(held.worker))
            .bind(vec![key(held.lane)])
            .bind(vec![held.fence])
            .execute(&self.queue.pool)
            .await
            .unwrap();
        model.give_back(held);
    }

    pub(super) async fn crash(&self, model: &mut Model, number: usize) {
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
