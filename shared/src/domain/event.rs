//! Events: something that happened in CaseHug, at a provider, or a person's request.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
