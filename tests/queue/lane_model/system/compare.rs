//! Whether database and model agree: on lanes, failed jobs and history.

use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{System, key, worker};
use crate::lane_model::model::{Log, Model};
use crate::lane_model::steps::LANES;

impl System {
    pub(super) async fn compare(&self, model: &Model) -> Result<(), String> {
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

fn log(row: &PgRow) -> Log {
    match row.get::<&str, _>("status") {
        "success" => Log::Success,
        "failed" => Log::Failed,
        "skipped" => Log::Skipped,
        _ => Log::Pending,
    }
}
