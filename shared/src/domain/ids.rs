//! Ids are newtypes: a bare `Uuid` never crosses a function boundary.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type, ToSchema)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    )*};
}

ids! {
    /// A customer of CaseHug, the tenant.
    FirmId,
    /// One firm's link to one platform: a row of `firm_integrations`.
    ConnectionId,
    /// CaseHug's case.
    MatterId,
    /// CaseHug's document.
    UploadId,
    /// One unit of work, and its log row.
    JobId,
    /// All jobs that came of one event for one connection.
    RunId,
    /// A row of `links`.
    LinkId,
    /// A worker process.
    WorkerId,
}

/// The provider's id of a record. Clio's are numbers, others are text; we keep the text.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct ExternalId(pub String);

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
