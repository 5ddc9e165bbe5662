//! What people do to jobs and connections.

use uuid::Uuid;

use super::{System, pick};
use crate::lane_model::model::Model;
use crate::test_queue::connection;

impl System {
    pub(super) async fn cancel(&self, model: &mut Model, number: usize) {
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

    pub(super) async fn act(&self, function: &str, id: Uuid) {
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

    pub(super) async fn pause(&self, number: usize) {
        let statement = "insert into pauses (scope, reason, firm_id, until, author, created_at)
            values ('connection:' || $1, 'paused', $2, 'infinity', 'test', now()) on conflict do nothing";
        sqlx::query(statement)
            .bind(connection(number))
            .bind(self.queue.firm)
            .execute(&self.queue.admin)
            .await
            .unwrap();
    }

    pub(super) async fn resume(&self, number: usize) {
        sqlx::query("delete from pauses where scope = 'connection:' || $1")
            .bind(connection(number))
            .execute(&self.queue.admin)
            .await
            .unwrap();
    }
}
