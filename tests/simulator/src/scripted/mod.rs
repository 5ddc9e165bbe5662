//! The platform that only the tests know (`tests/platform` is its other side): what the four real ones may do and Clio does not.
//!
//! - Every create answers 202 with the final id. The record shows some time later (`visible_after_ms`, drawn anew for each record), never
//!   (`never_visible`), or is rejected then (`reject`): its read says why.
//! - Errors are `application/problem+json`. A refused limit names no time.
//! - A token request proves the client with Basic and the consent with PKCE. Each call carries the application's key beside the token.
//! - All firms of a client share one limit.
//! - A file's bytes are sent to a signed address and need no confirmation.

mod api;
mod change;
mod control;
mod files;
mod oauth;
mod records;
mod world;

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::json;

pub(crate) use self::control::control;
use self::world::World;
use crate::{Shared, answer::Answer, fault::Faults, incoming::Incoming};

/// An answer, or the refusal to be answered instead.
type Outcome<T = Answer> = Result<T, Answer>;

#[derive(Debug)]
pub(crate) struct Scripted {
    world: Mutex<World>,
    pub(crate) faults: Faults,
}

impl Scripted {
    pub(crate) fn open(state: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            world: Mutex::new(World::reopen(&state.join("scripted.jsonl"))?),
            faults: Faults::default(),
        })
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn perform(shared: &Shared, incoming: &Incoming) -> Answer {
    let answered = if let Some(path) = incoming.path.strip_prefix("/oauth/") {
        oauth::answer(shared, incoming, path)
    } else if let Some(path) = incoming.path.strip_prefix("/v1/") {
        api::answer(shared, incoming, path)
    } else if let Some(path) = incoming.path.strip_prefix("/bytes/") {
        files::take_bytes(shared, incoming, path)
    } else {
        Err(Answer::html(404, "<html><body>nothing here</body></html>"))
    };
    let answer = answered.unwrap_or_else(|refused| refused);
    answer.header("X-Correlation-Id", crate::clock::random_uuid().to_string())
}

fn problem(status: u16, kind: &str, detail: &str) -> Answer {
    let body = json!({ "type": kind, "title": kind, "status": status, "detail": detail });
    Answer::json(status, body).header("Content-Type", "application/problem+json")
}

fn not_found() -> Answer {
    problem(404, "not-found", "there is no such record")
}

fn invalid(detail: &str) -> Answer {
    problem(422, "invalid", detail)
}
