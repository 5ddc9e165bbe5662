//! What stands at the provider, by effect key: account and e-mail, account and matter, account and upload.

use std::collections::HashMap;

use serde_json::Value;
use uuid::Uuid;

use crate::ledger::State;

/// Our id travels with a document under this name.
const PROPERTY: &str = "casehug_document_id";

#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) id: u64,
    pub(crate) complete: bool,
    pub(crate) sha256: Option<String>,
}

/// Every list has more than one entry only where something was made twice.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) contacts: HashMap<(u64, String), Vec<u64>>,
    pub(crate) matters: HashMap<(u64, Uuid), Vec<u64>>,
    pub(crate) documents: HashMap<(u64, Uuid), Vec<Document>>,
}

impl Effects {
    pub(crate) fn of(state: &State) -> Self {
        let mut effects = Self::default();
        for contact in &state.contacts {
            for email in emails(contact) {
                let key = (account(contact), email);
                effects.contacts.entry(key).or_default().push(id(contact));
            }
        }
        for matter in &state.matters {
            if let Some(ours) = parsed(&matter["client_reference"]) {
                let key = (account(matter), ours);
                effects.matters.entry(key).or_default().push(id(matter));
            }
        }
        for document in &state.documents {
            if let Some(upload) = upload_of(document) {
                let key = (account(document), upload);
                let list = effects.documents.entry(key).or_default();
                list.push(Document {
                    id: id(document),
                    complete: document["fully_uploaded"] == true,
                    sha256: document["sha256"].as_str().map(str::to_owned),
                });
            }
        }
        effects
    }
}

/// The upload that a document, or the request that makes one, is for.
pub(crate) fn upload_of(document: &Value) -> Option<Uuid> {
    let properties = document["external_properties"].as_array()?;
    let ours = properties
        .iter()
        .find(|property| property["name"] == PROPERTY)?;
    parsed(&ours["value"])
}

/// In lower case, as contacts are matched.
pub(crate) fn emails(contact: &Value) -> Vec<String> {
    let list = contact["email_addresses"].as_array().into_iter().flatten();
    list.filter_map(|email| Some(email["address"].as_str()?.trim().to_lowercase()))
        .collect()
}

pub(crate) fn parsed(text: &Value) -> Option<Uuid> {
    text.as_str()?.parse().ok()
}

fn account(row: &Value) -> u64 {
    row["account_id"].as_u64().unwrap_or_default()
}

fn id(row: &Value) -> u64 {
    row["id"].as_u64().unwrap_or_default()
}
