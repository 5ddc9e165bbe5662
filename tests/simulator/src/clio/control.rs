//! The control routes of the played Clio: `/_control/clio/…`.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{
    change::{self, Change},
    row::Row,
    world::World,
};
use crate::{Shared, answer::Answer, control::Given, fault::Fault, limiter::Limits};

pub(crate) fn control() -> Router<Arc<Shared>> {
    Router::new()
        .route("/state", get(show_state))
        .route(
            "/faults",
            get(list_faults).post(add_fault).delete(clear_faults),
        )
        .route("/limits", get(show_limits).post(set_limits))
        .route("/change", post(apply_change))
        .route("/requests", get(list_requests).delete(clear_requests))
}

async fn show_state(State(shared): State<Arc<Shared>>) -> Answer {
    let world = shared.clio.world();
    let rows = |rows: &mut dyn Iterator<Item = &Row>| rows.map(shown).collect::<Vec<Value>>();
    let tables = &world.tables;
    Answer::json(
        200,
        json!({
            "contacts": rows(&mut tables.contacts.iter().map(|(_, row)| row)),
            "matters": rows(&mut tables.matters.iter().map(|(_, row)| row)),
            "documents": tables.documents.iter().map(|(_, row)| document(&world, row)).collect::<Vec<_>>(),
            "practice_areas": rows(&mut tables.practice_areas.iter().map(|(_, row)| row)),
            "notes": [],
            "webhooks": [],
            "stats": world.stats,
        }),
    )
}

fn shown(row: &Row) -> Value {
    let mut view = row.view();
    view["account_id"] = json!(row.account_id);
    view
}

/// With what its newest complete version, else its newest, consists of.
fn document(world: &World, row: &Row) -> Value {
    let versions = row.items("versions").iter().filter_map(|uuid| {
        let uuid = uuid.as_str()?.to_owned();
        world.tables.versions.get(&uuid)
    });
    let versions: Vec<_> = versions.collect();
    let complete = versions.iter().rev().find(|version| version.fully_uploaded);
    let mut view = shown(row);
    let Some(version) = complete.or(versions.last()) else {
        return view;
    };
    let stored = version.stored.as_ref();
    view["filename"] = json!(version.filename);
    view["content_type"] = json!(version.content_type);
    view["fully_uploaded"] = json!(version.fully_uploaded);
    view["sha256"] = json!(stored.map(|stored| stored.sha256.clone()));
    view["size"] = json!(stored.map(|stored| stored.size));
    view
}

async fn list_faults(State(shared): State<Arc<Shared>>) -> Answer {
    Answer::json(200, json!(shared.clio.faults.left()))
}

async fn add_fault(State(shared): State<Arc<Shared>>, Given(fault): Given<Fault>) -> Answer {
    shared.clio.faults.add(fault);
    Answer::json(200, json!({"ok": true}))
}

async fn clear_faults(State(shared): State<Arc<Shared>>) -> Answer {
    shared.clio.faults.clear();
    Answer::json(200, json!({"ok": true}))
}

async fn show_limits(State(shared): State<Arc<Shared>>) -> Answer {
    Answer::json(200, json!(shared.clio.world().limiter.limits()))
}

async fn set_limits(State(shared): State<Arc<Shared>>, Given(limits): Given<Limits>) -> Answer {
    shared.clio.world().limiter.set(limits);
    Answer::json(200, json!({"ok": true}))
}

async fn apply_change(State(shared): State<Arc<Shared>>, Given(given): Given<Change>) -> Answer {
    change::apply(&shared, given).unwrap_or_else(|refused| refused)
}

async fn list_requests(State(shared): State<Arc<Shared>>) -> Answer {
    Answer::json(200, Value::Array(shared.recorder.lines()))
}

async fn clear_requests(State(shared): State<Arc<Shared>>) -> Answer {
    shared.recorder.clear();
    Answer::json(200, json!({"ok": true}))
}
