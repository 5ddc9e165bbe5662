//! The database at the end, as far as it is judged.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::ledger::Time;
use crate::platform::Platform;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Database {
    pub(crate) lanes: Vec<Lane>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) workers: Vec<WorkerRow>,
    pub(crate) events: Vec<Event>,
    pub(crate) logs: Vec<Log>,
    pub(crate) activity: Vec<Activity>,
    pub(crate) connections: Vec<Connection>,
    /// What the service's auditors recorded in the run.
    pub(crate) recorded: Vec<Broken>,
    /// What its auditor found at the end.
    pub(crate) standing: Vec<Broken>,
    /// The server's own time at the look.
    pub(crate) now: Vec<Time>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Lane {
    pub(crate) key: String,
    pub(crate) ready_at: Option<Time>,
    pub(crate) worker: Option<Uuid>,
    pub(crate) running_job: Option<Uuid>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Job {
    pub(crate) id: Uuid,
    pub(crate) lane: String,
    pub(crate) state: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WorkerRow {
    pub(crate) id: Uuid,
    pub(crate) alive_until: Time,
    pub(crate) lease_ms: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) status: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Log {
    /// Its job's too.
    pub(crate) id: Uuid,
    pub(crate) matter_id: Option<Uuid>,
    pub(crate) upload_id: Option<Uuid>,
    pub(crate) action: String,
    pub(crate) status: String,
    pub(crate) code: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Activity {
    pub(crate) details: Value,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Connection {
    pub(crate) id: Uuid,
    pub(crate) platform: Platform,
}

/// A breach in the auditor's own words.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Broken {
    pub(crate) rule: String,
    pub(crate) lane: Option<String>,
}
