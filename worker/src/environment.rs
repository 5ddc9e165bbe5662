//! What every job of an engine can reach.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use shared::crypto::KeyRing;
use shared::db::{Database, links};
use shared::domain::digest::Digests;
use shared::providers::{CallError, Providers};
use shared::queue::GateSettings;
use tokio::sync::OnceCell;

use crate::scheduling::slots::Slots;
use crate::storage::Storage;

#[derive(Debug, Clone)]
pub(crate) struct Environment {
    pub(crate) database: Database,
    pub(crate) keys: KeyRing,
    pub(crate) digests: Arc<OnceCell<Digests>>,
    pub(crate) storage: Storage,
    pub(crate) providers: Providers,
    pub(crate) gates: GateSettings,
    pub(crate) slots: Arc<Slots>,
    pub(crate) links_doubt_since: Option<DateTime<Utc>>,
}

impl Environment {
    /// Digests with the database's own key, so that every worker makes the same. The first job that needs them reads the key: a worker
    /// must start, and start anew, while the database is away.
    pub(crate) async fn digests(&self) -> Result<Digests, CallError> {
        let read = || async {
            let mut db = self.database.worker().await?;
            Ok(Digests::new(links::hash_key(&mut db).await?))
        };
        self.digests.get_or_try_init(read).await.cloned()
    }
}
