//! Administration: what a person reads of the queue, and does to it. Ingress and the command line share it, shapes included.
//!
//! The caller says whose jobs may be seen: one firm's (then in a transaction of that firm) or, without a firm, all firms'.

mod filter;

mod act;
mod batch;
mod failures;
mod list;
mod probe;
mod show;

pub use act::{Act, ActError, Acted, act, adopt};
pub use batch::{
    Batch, BatchStep, MOST_IN_A_BATCH, begin_batch, cancel_batch, count_matching, find_batch, step,
};
pub use failures::{Cause, Failures, failures};
pub use filter::{JobFilter, JobState};
pub use list::{JobPage, Seek, list};
pub use probe::{MOST_PROBES, Probes, enqueue_probes};
pub use show::{
    ActTaken, ExecutionView, JobDetail, JobView, WaitingFor, find, find_provider_words,
};

use act::end_cancelled;

/// Whose jobs are meant: one firm's, or everybody's.
pub type Whose = Option<crate::domain::FirmId>;

/// Ends jobs that were cancelled while they ran and came back instead. Returns the connections with a lane that is due.
///
/// # Errors
/// The database refused.
pub async fn tidy_cancelled(
    database: &crate::db::Database,
) -> Result<Vec<crate::domain::ConnectionId>, sqlx::Error> {
    end_cancelled(database).await
}
