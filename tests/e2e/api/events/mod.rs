//! `POST /api/v1/events` and `GET /api/v1/events/{id}`.

mod body;
mod fields;

mod batch;
mod duplicates;

mod fate;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;

/// An event that no connection cares for.
pub(crate) fn event(firm: Uuid, id: &str) -> Value {
    json!({ "id": id, "type": "client.renamed", "created_at": "2026-11-20T10:00:00Z", "firm_id": firm, "data": {} })
}

fn event_of(firm: Uuid, id: &str, event_type: &str, data: Value) -> Value {
    json!({ "id": id, "type": event_type, "firm_id": firm, "data": data })
}

impl TestApp {
    pub(crate) async fn stored_events(&self) -> i64 {
        self.count("select count(*) from events").await.unwrap()
    }
}
