//! One record of an account: contact, matter, document or practice area.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::clock;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: u64,
    pub(crate) account_id: u64,
    /// Grows with each change; the ETag follows it.
    pub(crate) revision: u64,
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
    pub(crate) data: Map<String, Value>,
}

impl Row {
    /// The quotes are part of it, in the field as in the header.
    pub(crate) fn etag(&self) -> String {
        etag(self.id, self.revision)
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.data
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.data.get(name).and_then(Value::as_u64)
    }

    pub(crate) fn items(&self, name: &str) -> &[Value] {
        self.data
            .get(name)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.data.insert(name.to_owned(), value.into());
    }

    pub(crate) fn touch(&mut self, now_ms: i64) {
        self.revision += 1;
        self.updated_ms = now_ms;
    }

    /// The stored members and those that every record has.
    pub(crate) fn view(&self) -> Value {
        let mut view = Value::Object(self.data.clone());
        view["id"] = json!(self.id);
        view["etag"] = json!(self.etag());
        view["created_at"] = json!(clock::rfc3339(self.created_ms));
        view["updated_at"] = json!(clock::rfc3339(self.updated_ms));
        view
    }
}

pub(crate) fn etag(id: u64, revision: u64) -> String {
    let hash = Sha256::digest(format!("{id}:{revision}"));
    let hex: String = hash[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{hex}\"")
}
