//! Clio Manage API v4, as `providers/clio.md` describes it.
//!
//! Read in this order: [`api`] lets a request in and sends it to its resource; the resources are
//! one file each; [`world`] is all they know; [`oauth`] and [`change`] stand beside.

mod api;
mod call;
mod contacts;
mod documents;
mod external_properties;
mod matters;
mod practice_areas;
mod users;
mod versions;

mod body;
mod fields;
mod list;
mod schema;
mod single;
mod tidy;

mod account;
mod row;
mod upload;
mod world;

mod change;
mod control;
mod oauth;

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

pub(crate) use self::{
    control::control,
    upload::{Part, PutHeader},
    world::World,
};
use crate::{Shared, answer::Answer, fault::Faults, incoming::Incoming, options::Options};

/// An answer, or the refusal to be answered instead.
type Outcome<T = Answer> = Result<T, Answer>;

#[derive(Debug)]
pub(crate) struct Clio {
    world: Mutex<World>,
    pub(crate) faults: Faults,
}

impl Clio {
    pub(crate) fn open(state: &Path, options: &Options) -> anyhow::Result<Self> {
        let world = World::open(&state.join("clio.jsonl"), options)?;
        Ok(Self {
            world: Mutex::new(world),
            faults: Faults::default(),
        })
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) async fn perform(shared: &Shared, incoming: &Incoming) -> Answer {
    let answer = if let Some(path) = incoming.path.strip_prefix("/oauth/") {
        oauth::answer(shared, incoming, path)
    } else if let Some(path) = incoming.path.strip_prefix("/api/v4/") {
        api::answer(shared, incoming, path).await
    } else {
        Answer::html(
            404,
            "<html><body>The page you were looking for doesn't exist</body></html>",
        )
    };
    answer.header("X-Request-Id", crate::clock::random_uuid().to_string())
}

/// `{"error":{"type","message"}}`
fn refuse(status: u16, kind: &str, message: impl Into<String>) -> Answer {
    let message: String = message.into();
    Answer::json(
        status,
        serde_json::json!({"error": {"type": kind, "message": message}}),
    )
}

fn not_found(kind: &str, id: impl std::fmt::Display) -> Answer {
    refuse(404, "RecordNotFound", format!("{kind} {id} was not found"))
}

/// Known to Clio, but not to the simulator: better loud than silently without effect.
fn not_played(what: &str) -> Answer {
    refuse(
        501,
        "SimulatorError",
        format!("the simulator does not play {what}"),
    )
}

/// The edge before Clio turns anonymous clients away, in HTML.
fn edge(incoming: &Incoming) -> Outcome<()> {
    let agent = incoming.header("user-agent").to_ascii_lowercase();
    let has_url = ["://", "www."].iter().any(|sign| agent.contains(sign));
    match agent.is_empty() || has_url {
        true => Err(Answer::html(
            403,
            "<html><body><h1>403 Forbidden</h1></body></html>",
        )),
        false => Ok(()),
    }
}
