//! All that the platform knows.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    clock,
    journal::{Journal, Line, Table},
    limiter::{Limiter, Limits},
    storage::Digest,
};

const FIRST_ID: u64 = 9_000_001;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Contact,
    Matter,
    File,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: u64,
    pub(super) kind: Kind,
    pub(super) account: String,
    /// A file's matter.
    pub(super) parent: Option<u64>,
    pub(super) created_ms: i64,
    /// Nothing: it never shows. Of a file: from its announcement, then from its bytes.
    pub(super) visible_ms: Option<i64>,
    /// Why it was refused after all.
    pub(super) rejected: Option<String>,
    pub(super) bytes: Option<Digest>,
    pub(super) data: Map<String, Value>,
}

impl Record {
    pub(super) fn shows(&self, now_ms: i64) -> bool {
        self.visible_ms.is_some_and(|visible| visible <= now_ms)
    }

    pub(super) fn text(&self, name: &str) -> &str {
        let value = self.data.get(name).and_then(Value::as_str);
        value.unwrap_or_default()
    }
}

/// A consent that was given and not fetched yet; its key is the code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Code {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    pub(super) account: String,
}

/// A grant; its key is the refresh token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Grant {
    pub(super) client_id: String,
    pub(super) account: String,
    pub(super) revoked: bool,
}

/// An access token; its key is the token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Access {
    pub(super) refresh_token: String,
    pub(super) expires_ms: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Whose browser consents next.
    pub(super) login: String,
    pub(super) visible_after_ms: (i64, i64),
    pub(super) never_visible: bool,
    /// Records of this kind are accepted and refused then.
    pub(super) reject: Option<Kind>,
    pub(super) token_ttl_secs: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            login: "account-1".into(),
            visible_after_ms: (0, 0),
            never_visible: false,
            reject: None,
            token_ttl_secs: 3600,
        }
    }
}

#[derive(Debug)]
pub(crate) struct World {
    pub(super) counters: Table<String, u64>,
    pub(super) codes: Table<String, Code>,
    pub(super) grants: Table<String, Grant>,
    pub(super) accesses: Table<String, Access>,
    pub(super) records: Table<u64, Record>,
    pub(super) settings: Settings,
    pub(super) limiter: Limiter,
    pub(crate) faulted: u64,
    pub(super) answered_429: u64,
    journal: Journal,
}

impl World {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let mut world = Self {
            counters: Table::new("counters"),
            codes: Table::new("codes"),
            grants: Table::new("grants"),
            accesses: Table::new("accesses"),
            records: Table::new("records"),
            settings: Settings::default(),
            limiter: Limiter::default(),
            faulted: 0,
            answered_429: 0,
            journal: Journal::rewrite(path, &[])?,
        };
        world.limiter.set(Limits::of(5, 1_000));
        Ok(world)
    }

    /// With what an earlier run left.
    pub(super) fn reopen(path: &Path) -> anyhow::Result<Self> {
        let lines = Journal::read(path)?;
        let mut world = Self::open(path)?;
        for line in &lines {
            world.load(line);
        }
        world.journal.append(&lines)?;
        Ok(world)
    }

    fn load(&mut self, line: &Line) {
        self.counters.load(line);
        self.codes.load(line);
        self.grants.load(line);
        self.accesses.load(line);
        self.records.load(line);
    }

    /// Writes down what changed since the last time.
    pub(super) fn commit(&mut self) {
        let mut changed = Vec::new();
        self.counters.take_changed(&mut changed);
        self.codes.take_changed(&mut changed);
        self.grants.take_changed(&mut changed);
        self.accesses.take_changed(&mut changed);
        self.records.take_changed(&mut changed);
        self.journal
            .append(&changed)
            .expect("the state folder can be written");
    }

    /// A new record, accepted at this time.
    pub(super) fn accept(
        &mut self,
        kind: Kind,
        account: &str,
        parent: Option<u64>,
        now_ms: i64,
        data: Map<String, Value>,
    ) -> Record {
        let key = "id".to_owned();
        let id = self.counters.get(&key).map_or(FIRST_ID, |last| last + 1);
        self.counters.put(key, id);
        let refused = self.settings.reject == Some(kind);
        let record = Record {
            id,
            kind,
            account: account.to_owned(),
            parent,
            created_ms: now_ms,
            visible_ms: self.visible_from(now_ms),
            rejected: refused.then(|| "the title is not allowed".to_owned()),
            bytes: None,
            data,
        };
        self.records.put(id, record.clone());
        record
    }

    /// When what happens now shows.
    pub(super) fn visible_from(&self, now_ms: i64) -> Option<i64> {
        let (least, most) = self.settings.visible_after_ms;
        let width = u128::try_from(most - least + 1).unwrap_or(1).max(1);
        let drawn = clock::random_uuid().as_u128() % width;
        let after = least + i64::try_from(drawn).unwrap_or(0);
        (!self.settings.never_visible).then_some(now_ms + after)
    }
}
