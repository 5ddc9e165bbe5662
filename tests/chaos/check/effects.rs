//! What stands at the providers, by effect key: account and e-mail, account and matter, account and upload.

use std::collections::HashMap;

use serde_json::Value;
use uuid::Uuid;

use crate::ledger::State;
use crate::platform::Platform;

/// An account of a platform.
pub(crate) type Account = (Platform, u64);

#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) id: u64,
    pub(crate) complete: bool,
    pub(crate) sha256: Option<String>,
}

/// Every list has more than one entry only where something was made twice.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) contacts: HashMap<(Account, String), Vec<u64>>,
    pub(crate) matters: HashMap<(Account, Uuid), Vec<u64>>,
    pub(crate) documents: HashMap<(Account, Uuid), Vec<Document>>,
}

impl Effects {
    pub(crate) fn of(states: &HashMap<Platform, State>) -> Self {
        let mut effects = Self::default();
        for (platform, state) in states {
            effects.add(*platform, state);
        }
        effects
    }

    fn add(&mut self, platform: Platform, state: &State) {
        let account = |record: &Value| (platform, platform.account(record));
        for contact in &state.contacts {
            for email in platform.emails(contact) {
                let key = (account(contact), email);
                self.contacts.entry(key).or_default().push(id(contact));
            }
        }
        for matter in &state.matters {
            if let Some(ours) = platform.matter_of(matter) {
                let key = (account(matter), ours);
                self.matters.entry(key).or_default().push(id(matter));
            }
        }
        for document in &state.documents {
            if let Some(upload) = platform.upload_of(document) {
                let key = (account(document), upload);
                let list = self.documents.entry(key).or_default();
                list.push(Document {
                    id: id(document),
                    complete: document["fully_uploaded"] == true,
                    sha256: document["sha256"].as_str().map(str::to_owned),
                });
            }
        }
    }
}

fn id(row: &Value) -> u64 {
    row["id"].as_u64().unwrap_or_default()
}
