//! All that the played Clio knows.
//!
//! Tables survive a restart, the rest (limits, settings, counters of requests) does not.
//! Code that changes tables calls [`World::commit`] before the answer goes out.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    account::{Access, Account, Code, Grant, Login, User},
    practice_areas,
    row::Row,
    upload::{Part, PutHeader, Version},
};
use crate::{
    journal::{Journal, Line, Table},
    limiter::Limiter,
    options::Options,
    storage::{Digest, Slot},
};

/// When what was there before us was made: 2025-01-01.
pub(super) const LONG_AGO_MS: i64 = 1_735_689_600_000;

const FIRST_ID: u64 = 7_000_001;

/// What was asked so far, in this run.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Stats {
    pub(crate) requests: u64,
    pub(crate) oauth_requests: u64,
    pub(crate) answered_429: u64,
    pub(crate) faulted: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) login: Login,
    pub(crate) decline_next: bool,
    pub(crate) search_lag_ms: i64,
    pub(crate) put_url_ttl_secs: i64,
    pub(crate) token_ttl_secs: i64,
    /// Documents are shown without the address for their bytes.
    pub(crate) withhold_addresses: bool,
    /// Text is stored as Clio tidies it: see [`super::tidy`].
    pub(crate) tidy_text: bool,
}

impl Settings {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            login: Login::default(),
            decline_next: false,
            search_lag_ms: options.search_lag_ms,
            put_url_ttl_secs: options.put_url_ttl_secs,
            token_ttl_secs: 2_592_000,
            withhold_addresses: false,
            tidy_text: false,
        }
    }
}

/// The tables, each with what to do to all of them alike.
macro_rules! tables {
    ($($name:ident: $key:ty => $row:ty,)*) => {
        #[derive(Debug)]
        pub(crate) struct Tables { $(pub(crate) $name: Table<$key, $row>,)* }

        impl Tables {
            fn new() -> Self {
                Self { $($name: Table::new(stringify!($name)),)* }
            }
            fn load(&mut self, line: &Line) { $(self.$name.load(line);)* }
            fn dump(&self, into: &mut Vec<Line>) { $(self.$name.dump(into);)* }
            fn take_changed(&mut self) -> Vec<Line> {
                let mut changed = Vec::new();
                $(self.$name.take_changed(&mut changed);)*
                changed
            }
        }
    };
}

tables! {
    counters: String => u64,
    accounts: u64 => Account,
    users: u64 => User,
    codes: String => Code,
    grants: String => Grant,
    accesses: String => Access,
    practice_areas: u64 => Row,
    contacts: u64 => Row,
    matters: u64 => Row,
    documents: u64 => Row,
    trash: u64 => Row,
    versions: String => Version,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) tables: Tables,
    pub(crate) settings: Settings,
    pub(crate) limiter: Limiter,
    pub(crate) stats: Stats,
    path: PathBuf,
    journal: Journal,
    options: Options,
}

impl World {
    pub(crate) fn open(path: &Path, options: &Options) -> anyhow::Result<Self> {
        let mut tables = Tables::new();
        for line in Journal::read(path)? {
            tables.load(&line);
        }
        let mut lines = Vec::new();
        tables.dump(&mut lines);
        let mut world = Self {
            tables,
            settings: Settings::new(options),
            limiter: Limiter::default(),
            stats: Stats::default(),
            path: path.to_owned(),
            journal: Journal::rewrite(path, &lines)?,
            options: options.clone(),
        };
        world.log_in(Login::default());
        world.commit();
        Ok(world)
    }

    /// As if the simulator had never run.
    pub(crate) fn reset(&mut self) -> anyhow::Result<()> {
        self.tables = Tables::new();
        self.journal = Journal::rewrite(&self.path, &[])?;
        self.settings = Settings::new(&self.options);
        self.limiter = Limiter::default();
        self.stats = Stats::default();
        self.log_in(Login::default());
        self.commit();
        Ok(())
    }

    /// Writes down what changed since the last time.
    ///
    /// A disk that takes nothing more must not go unnoticed: the next run would play another past.
    pub(crate) fn commit(&mut self) {
        let changed = self.tables.take_changed();
        self.journal
            .append(&changed)
            .expect("the state folder can be written");
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        let key = "id".to_owned();
        let id = self
            .tables
            .counters
            .get(&key)
            .map_or(FIRST_ID, |last| last + 1);
        self.tables.counters.put(key, id);
        id
    }

    pub(crate) fn new_row(
        &mut self,
        account_id: u64,
        now_ms: i64,
        data: Map<String, Value>,
    ) -> Row {
        let id = self.next_id();
        Row {
            id,
            account_id,
            revision: 1,
            created_ms: now_ms,
            updated_ms: now_ms,
            data,
        }
    }

    /// Lets this user of this account consent from now on; both are made where new.
    pub(crate) fn log_in(&mut self, login: Login) {
        let Login {
            account_id,
            account_name,
            user_id,
            first_name,
            last_name,
            email,
        } = login.clone();
        if self.tables.accounts.get(&account_id).is_none() {
            practice_areas::furnish(self, account_id, &practice_areas::USUAL);
        }
        self.tables
            .accounts
            .put(account_id, Account { name: account_name });
        self.tables.users.put(
            user_id,
            User {
                account_id,
                first_name,
                last_name,
                email,
            },
        );
        self.settings.login = login;
    }

    /// What was signed for a slot, if its upload is known.
    pub(crate) fn put_headers(&self, slot: &Slot) -> Option<Vec<PutHeader>> {
        let version = self.tables.versions.get(&slot.uuid)?;
        match slot.part_number {
            None => version.parts.is_none().then(|| version.put_headers()),
            Some(number) => version.part(number).map(Part::put_headers),
        }
    }

    /// Notes what arrived; gives back all parts of a multipart upload, none of a simple one.
    pub(crate) fn store(&mut self, slot: &Slot, digest: &Digest) -> Option<Vec<(u32, Part)>> {
        let mut version = self.tables.versions.get(&slot.uuid)?.clone();
        match slot.part_number {
            None => version.stored = Some(digest.clone()),
            // Joined parts are gone, as a completed upload is at S3.
            Some(_) if version.fully_uploaded => return None,
            Some(number) => {
                version.parts.as_mut()?.get_mut(&number)?.stored = Some(digest.clone());
            }
        }
        let parts = version.part_list();
        self.tables.versions.put(slot.uuid.clone(), version);
        self.commit();
        Some(parts)
    }
}
