//! What every job of an engine can reach.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use shared::crypto::KeyRing;
use shared::db::Database;
use shared::domain::digest::Digests;
use shared::providers::Providers;
use shared::queue::GateSettings;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::scheduling::slots::Slots;
use crate::storage::Storage;

#[derive(Debug, Clone)]
pub(crate) struct Environment {
    pub(crate) database: Database,
    pub(crate) keys: KeyRing,
    pub(crate) digests: Digests,
    pub(crate) storage: Storage,
    pub(crate) providers: Providers,
    pub(crate) gates: GateSettings,
    pub(crate) slots: Arc<Slots>,
    /// Places for transfers: half of the slots.
    pub(crate) transfers: Arc<Semaphore>,
    /// What goes on beside jobs and is waited for at the end.
    pub(crate) background: TaskTracker,
    pub(crate) links_doubt_since: Option<DateTime<Utc>>,
}
