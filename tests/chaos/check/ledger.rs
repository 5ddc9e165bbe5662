//! The ledgers as the run wrote them. What a line means stands with the run (`src/ledger.rs`).

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::database::Database;
use crate::platform::Platform;

pub(crate) type Time = DateTime<Utc>;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) run: Run,
    pub(crate) matters: Vec<Matter>,
    pub(crate) posts: Vec<Post>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) breaches: Vec<Breach>,
    pub(crate) holds: Vec<Hold>,
    pub(crate) ends: Vec<End>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) appends: Vec<Append>,
    pub(crate) calls: Vec<Call>,
    pub(crate) states: HashMap<Platform, State>,
    pub(crate) database: Database,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Run {
    /// Whose requests the provider saw under which `Host`.
    pub(crate) hosts: HashMap<String, String>,
    /// The matter whose job takes its workers down.
    pub(crate) poisoned: Option<Uuid>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Matter {
    pub(crate) matter: Uuid,
    pub(crate) platform: Platform,
    pub(crate) account: u64,
    pub(crate) email: String,
}

/// One POST of an event.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Post {
    pub(crate) event: Uuid,
    pub(crate) matter: Uuid,
    pub(crate) upload: Option<Uuid>,
    pub(crate) sha256: Option<String>,
    pub(crate) sent: Time,
    pub(crate) answered: Time,
    pub(crate) status: Option<u16>,
}

impl Post {
    pub(crate) fn is_accepted(&self) -> bool {
        self.status
            .is_some_and(|status| (200..300).contains(&status))
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Fault {
    pub(crate) kind: String,
    pub(crate) process: Option<String>,
    pub(crate) at: Time,
    pub(crate) until: Time,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Sample {
    pub(crate) at: Time,
    pub(crate) up: bool,
    pub(crate) waiting: Option<i64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Breach {
    pub(crate) process: String,
    pub(crate) pid: Option<u32>,
    pub(crate) breaches: f64,
}

/// A change of a lane's holder; `…_before` is how it was.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Hold {
    pub(crate) at: Time,
    pub(crate) transaction: String,
    pub(crate) lane: String,
    pub(crate) connection_id: Uuid,
    pub(crate) worker_before: Option<Uuid>,
    pub(crate) job_before: Option<Uuid>,
    pub(crate) worker: Option<Uuid>,
    pub(crate) transferring: bool,
    pub(crate) overtaken: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct End {
    pub(crate) at: Time,
    pub(crate) transaction: String,
    pub(crate) process: Option<String>,
    pub(crate) job: Uuid,
    pub(crate) outcome: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Worker {
    pub(crate) id: Uuid,
    pub(crate) process: Option<String>,
}

/// Who tried to make an event's row.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Append {
    pub(crate) event: String,
    pub(crate) process: Option<String>,
}

/// A request that a provider received.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Call {
    pub(crate) at: Time,
    pub(crate) platform: String,
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Value,
}

/// What a provider holds at the end.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    pub(crate) contacts: Vec<Value>,
    pub(crate) matters: Vec<Value>,
    pub(crate) documents: Vec<Value>,
}

impl Ledger {
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        Ok(Self {
            run: read_run(folder)?,
            matters: lines(folder, "matters")?,
            posts: lines(folder, "posts")?,
            faults: lines(folder, "faults")?,
            samples: lines(folder, "samples")?,
            breaches: lines(folder, "breaches")?,
            holds: lines(folder, "holds")?,
            ends: lines(folder, "ends")?,
            workers: lines(folder, "workers")?,
            appends: lines(folder, "appends")?,
            calls: lines(folder, "calls")?,
            states: whole(folder, "states")?,
            database: whole(folder, "database")?,
        })
    }
}

/// The first line has it all; a run that did not come to its end says so by lacking the last.
fn read_run(folder: &Path) -> Result<Run> {
    let told: Vec<Value> = lines(folder, "run")?;
    anyhow::ensure!(
        told.iter().any(|line| line.get("ended").is_some()),
        "the run did not come to its end"
    );
    let first = told.into_iter().next().context("run.jsonl is empty")?;
    serde_json::from_value(first).context("run.jsonl")
}

/// A book that was never written is empty.
fn lines<T: DeserializeOwned>(folder: &Path, book: &str) -> Result<Vec<T>> {
    let path = folder.join(format!("{book}.jsonl"));
    let Ok(file) = File::open(&path) else {
        return Ok(Vec::new());
    };
    BufReader::new(file)
        .lines()
        .map(|line| serde_json::from_str(&line?).with_context(|| format!("{book}.jsonl")))
        .collect()
}

fn whole<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<T> {
    let file = File::open(folder.join(format!("{name}.json")))
        .with_context(|| format!("open {name}.json"))?;
    serde_json::from_reader(BufReader::new(file)).with_context(|| format!("{name}.json"))
}
