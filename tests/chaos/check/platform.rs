//! How each platform's records and requests say what they are for.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::ledger::Call;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Platform {
    Clio,
    /// The one that accepts first and shows later.
    Test,
}

/// What a write is for, as far as it says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Contact(Vec<String>),
    Matter(Uuid),
    Upload(Uuid),
    /// A document that stands already, by its id there.
    Document(String),
}

/// Our id travels with a document of Clio under this name.
const PROPERTY: &str = "casehug_document_id";

impl Platform {
    pub(crate) const ALL: [Self; 2] = [Self::Clio, Self::Test];

    /// As it is named in ledgers.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Clio => "clio",
            Self::Test => "test",
        }
    }

    /// How many jobs of one connection run at a time, a running transfer apart.
    pub(crate) fn cap(self) -> usize {
        match self {
            Self::Clio => 1,
            Self::Test => 4,
        }
    }

    /// The matter that a record of a matter stands for.
    pub(crate) fn matter_of(self, matter: &Value) -> Option<Uuid> {
        match self {
            Self::Clio => parsed(&matter["client_reference"]),
            Self::Test => parsed(&matter["reference"]),
        }
    }

    /// The upload that a document, or the request that makes one, is for.
    pub(crate) fn upload_of(self, document: &Value) -> Option<Uuid> {
        match self {
            Self::Clio => {
                let properties = document["external_properties"].as_array()?;
                let ours = properties
                    .iter()
                    .find(|property| property["name"] == PROPERTY)?;
                parsed(&ours["value"])
            }
            Self::Test => parsed(&document["reference"]),
        }
    }

    /// In lower case, as contacts are matched.
    pub(crate) fn emails(self, contact: &Value) -> Vec<String> {
        let addresses: Vec<&Value> = match self {
            Self::Clio => {
                let list = contact["email_addresses"].as_array().into_iter().flatten();
                list.map(|email| &email["address"]).collect()
            }
            Self::Test => vec![&contact["email"]],
        };
        addresses
            .into_iter()
            .filter_map(|address| Some(address.as_str()?.trim().to_lowercase()))
            .collect()
    }

    /// The account's number, whatever the platform makes of it.
    pub(crate) fn account(self, record: &Value) -> u64 {
        let account = &record["account_id"];
        let text = account.as_str().and_then(|text| text.parse().ok());
        account.as_u64().or(text).unwrap_or_default()
    }

    /// What a request creates or changes; none for a read, or a request that says nothing.
    pub(crate) fn target(self, call: &Call) -> Option<Target> {
        let path = call.url.split(['?', '#']).next().unwrap_or_default();
        match self {
            Self::Clio => self.target_at_clio(call, path),
            Self::Test => self.target_at_test(call, path),
        }
    }

    fn target_at_clio(self, call: &Call, path: &str) -> Option<Target> {
        let is_write = ["POST", "PATCH"].contains(&call.method.as_str());
        let (_, path) = path.split_once("/api/v4/").filter(|_| is_write)?;
        let data = &call.body["data"];
        match path {
            "contacts.json" => Some(Target::Contact(self.emails(data))),
            "matters.json" => self.matter_of(data).map(Target::Matter),
            "documents.json" => self.upload_of(data).map(Target::Upload),
            other => {
                let id = other.rsplit('/').next()?.trim_end_matches(".json");
                Some(Target::Document(id.to_owned()))
            }
        }
    }

    fn target_at_test(self, call: &Call, path: &str) -> Option<Target> {
        let (_, path) = path.split_once("/v1/").filter(|_| call.method == "POST")?;
        let data = &call.body;
        match path {
            "contacts" => Some(Target::Contact(self.emails(data))),
            "matters" => self.matter_of(data).map(Target::Matter),
            files if files.ends_with("/files") => self.upload_of(data).map(Target::Upload),
            _ => None,
        }
    }
}

fn parsed(text: &Value) -> Option<Uuid> {
    text.as_str()?.parse().ok()
}
