//! What a list, a count or a batch of jobs is narrowed to.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{FirmId, MatterId, Platform, job::JobKind, platform, time};

/// Where a job stands. Done and skipped jobs live on as their log row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    Queued,
    Running,
    Failed,
    Done,
    Skipped,
}

/// What is looked for; what is not named does not narrow. The shape is that of `job_filter` in the schema.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JobFilter {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firm_id: Option<FirmId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "platform::read_sold"
    )]
    pub platform: Option<Platform>,
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<JobKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matter_id: Option<MatterId>,
    /// The error code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Made at this time or later.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "time::read_bounded"
    )]
    pub created_after: Option<DateTime<Utc>>,
    /// Made before this time.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "time::read_bounded"
    )]
    pub created_before: Option<DateTime<Utc>>,
}

impl JobFilter {
    /// As the database's functions take it.
    pub(super) fn to_json(&self) -> Result<serde_json::Value, sqlx::Error> {
        serde_json::to_value(self).map_err(|error| sqlx::Error::Encode(error.into()))
    }
}
