//! Events: something that happened in CaseHug, at a provider, or a person's request.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::domain::{FirmId, JobId, MatterId, Platform, RunId, UploadId};

/// The longest event id.
pub const MAX_ID_CHARS: usize = 128;
/// The longest event type.
pub const MAX_TYPE_CHARS: usize = 64;

/// The type of a person's request; made by `POST sync` alone.
pub const SYNC_REQUESTED: &str = "sync.requested";

/// An event on its way into the inbox: its shape is right, its records are not checked yet.
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub firm_id: FirmId,
    pub id: String,
    pub event_type: String,
    pub data: Value,
    pub created_at: Option<DateTime<Utc>>,
    /// True when ingress made it for a person; a posted event never is.
    pub requested_by_person: bool,
}

/// The members that are kept of a posted event's data: ids of records. Whatever else CaseHug sends is dropped at the door.
const KEPT: [&str; 3] = ["matter_id", "upload_id", "client_id"];

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default)]
    matter_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    upload_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    client_id: Option<&'a RawValue>,
}

/// What is kept of an event's data: its members that name records, as far as they are UUIDs. Nothing where the text is no object.
#[must_use]
pub fn keep_data(text: &str) -> Option<Map<String, Value>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let members: Members<'_> = serde_json::from_str(text).ok()?;
    let raw = [members.matter_id, members.upload_id, members.client_id];
    let id = |raw: &RawValue| serde_json::from_str::<Uuid>(raw.get()).ok();
    let kept = KEPT.into_iter().zip(raw).filter_map(|(name, raw)| {
        let id = id(raw?)?;
        Some((name.to_owned(), Value::from(id.to_string())))
    });
    Some(kept.collect())
}

/// What the relay understands of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    DocumentApproved {
        matter_id: MatterId,
        upload_id: UploadId,
    },
    MatterCreated {
        matter_id: MatterId,
    },
    /// Checked like the others; without effect on a platform that takes documents.
    IntakeCompleted {
        matter_id: MatterId,
    },
    SyncRequested(SyncRequest),
    /// Stored and without effect.
    Other,
    /// Of a type that CaseHug knows, with data that cannot be read.
    Malformed,
}

/// A person's request for one matter on one platform. Both ids were drawn by ingress, so that it could answer with them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRequest {
    pub platform: Platform,
    pub action: SyncAction,
    pub matter_id: MatterId,
    pub run_id: RunId,
    pub log_id: JobId,
    pub actor: String,
}

/// What can be wished for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SyncAction {
    SyncMatter,
    PullMatters,
}

#[derive(Deserialize)]
struct MatterData {
    matter_id: MatterId,
}

#[derive(Deserialize)]
struct DocumentData {
    matter_id: MatterId,
    upload_id: UploadId,
}

impl EventKind {
    /// Reads type and data. A `sync.requested` that ingress did not make itself (`requested_by_person`) is without effect.
    #[must_use]
    pub fn parse(event_type: &str, data: &Value, requested_by_person: bool) -> Self {
        match event_type {
            "document.approved" => read(data, |d: DocumentData| Self::DocumentApproved {
                matter_id: d.matter_id,
                upload_id: d.upload_id,
            }),
            "matter.created" => read(data, |d: MatterData| Self::MatterCreated {
                matter_id: d.matter_id,
            }),
            "intake.completed" => read(data, |d: MatterData| Self::IntakeCompleted {
                matter_id: d.matter_id,
            }),
            SYNC_REQUESTED if requested_by_person => read(data, Self::SyncRequested),
            _ => Self::Other,
        }
    }
}

fn read<T: for<'de> Deserialize<'de>>(data: &Value, make: impl Fn(T) -> EventKind) -> EventKind {
    serde_json::from_value(data.clone()).map_or(EventKind::Malformed, make)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_events_data_the_ids_of_records_are_kept_and_nothing_else() {
        let id = "01a22b2e-4bfc-77e2-b179-e62d9a03aed0";
        let kept = |text: &str| {
            keep_data(text)
                .map(Value::from)
                .map(|kept| kept.to_string())
        };
        let only = |name: &str| Some(format!(r#"{{"{name}":"{id}"}}"#));
        for (text, expected) in [
            (format!(r#"{{"matter_id":"{id}"}}"#), only("matter_id")),
            (
                format!(r#" {{"ssn":"078-05-1120","upload_id":"{id}"}} "#),
                only("upload_id"),
            ),
            (
                format!(r#"{{"client_id":"{}"}}"#, id.to_uppercase()),
                only("client_id"),
            ),
            (
                format!(r#"{{"matter_id":{{"deep":["{id}"]}}}}"#),
                Some("{}".into()),
            ),
            (r#"{"matter_id":"Ann Lee"}"#.into(), Some("{}".into())),
            (r#"{"matter_id":7}"#.into(), Some("{}".into())),
            (r#"{"matter_id":null}"#.into(), Some("{}".into())),
            (r#"{"\u0000":"\u0000"}"#.into(), Some("{}".into())),
            ("{}".into(), Some("{}".into())),
            ("[]".into(), None),
            (format!(r#"["{id}"]"#), None),
            ("7".into(), None),
            (
                format!(r#"{{"matter_id":"{id}","matter_id":"{id}"}}"#),
                None,
            ),
            ("{".into(), None),
        ] {
            assert_eq!(kept(&text), expected, "{text}");
        }
    }
}
