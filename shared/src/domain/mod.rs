//! The domain's words. Nothing here knows a database, a web framework or a provider's wire format.

mod ids;
pub mod platform;

pub mod capabilities;
pub mod case_types;
pub mod connection;
pub mod digest;
pub mod event;
pub mod job;
pub mod link;
pub mod normal;
pub mod outcome;
pub mod records;
pub mod retention;
pub mod time;

pub use ids::{
    ConnectionId, ExternalId, FirmId, JobId, LinkId, MatterId, RunId, UploadId, WorkerId,
};
pub use platform::{Platform, Region, UnknownPlatform};
