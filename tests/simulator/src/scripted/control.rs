//! The control routes: `/_control/test/…`, the same words as Clio's.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{
    change::{self, Change},
    world::{Kind, Record},
};
use crate::{Shared, answer::Answer, control::Given, fault::Fault, limiter::Limits};

pub(crate) fn control() -> Router<Arc<Shared>> {
    Router::new()
        .route("/state", get(show_state))
        .route("/faults", post(add_fault).delete(clear_faults))
        .route("/limits", post(set_limits))
        .route("/change", post(apply_change))
}

/// Also what does not show yet; what was rejected is not there.
async fn show_state(State(shared): State<Arc<Shared>>) -> Answer {
    let world = shared.scripted.world();
    let of = |kind: Kind| -> Vec<Value> {
        let records = world.records.iter().map(|(_, record)| record);
        records
            .filter(|record| record.kind == kind && record.rejected.is_none())
            .map(view)
            .collect()
    };
    Answer::json(
        200,
        json!({ "contacts": of(Kind::Contact), "matters": of(Kind::Matter), "documents": of(Kind::File),
            "stats": { "faulted": world.faulted, "answered_429": world.answered_429 } }),
    )
}

fn view(record: &Record) -> Value {
    let mut view = Value::Object(record.data.clone());
    view["id"] = json!(record.id);
    view["account_id"] = json!(record.account);
    view["matter_id"] = json!(record.parent);
    view["fully_uploaded"] = json!(record.bytes.is_some());
    view["sha256"] = json!(record.bytes.as_ref().map(|bytes| bytes.sha256.clone()));
    view
}

async fn add_fault(State(shared): State<Arc<Shared>>, Given(fault): Given<Fault>) -> Answer {
    shared.scripted.faults.add(fault);
    Answer::json(200, json!({ "ok": true }))
}

async fn clear_faults(State(shared): State<Arc<Shared>>) -> Answer {
    shared.scripted.faults.clear();
    Answer::json(200, json!({ "ok": true }))
}

async fn set_limits(State(shared): State<Arc<Shared>>, Given(limits): Given<Limits>) -> Answer {
    shared.scripted.world().limiter.set(limits);
    Answer::json(200, json!({ "ok": true }))
}

async fn apply_change(State(shared): State<Arc<Shared>>, Given(given): Given<Change>) -> Answer {
    change::apply(&shared, given).unwrap_or_else(|refused| refused)
}
