//! The auditor: looks for lanes and jobs that break the queue's invariants, records each breach, and repairs what it can prove.
//!
//! Two audits, each by one process at a time (the row in `audits` is the claim): each minute what changed since the last pass; each
//! night everything, in key ranges. The rules stand in the migration; every check is one statement, and so sees one moment.
//! Only `held_by_the_dead` needs a second look: after an outage everybody looks dead for as long as takeovers wait.

mod breach;
mod changed;
mod full;
mod whole;

pub use breach::{Breach, RULES, handle, list_recorded};
pub use changed::audit_changed;
pub use full::{Full, audit_next_part};
pub use whole::{Audited, audit_everything};

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The claim of an auditor that died ends after this.
const CLAIM: Duration = Duration::from_mins(5);
/// The number of lanes or jobs that one statement checks: it takes some tens of milliseconds.
const PART: usize = 2_000;

/// How gently an audit works: after each part it rests this many times as long as the part took, until `stop`.
#[derive(Debug, Clone)]
pub struct Pace {
    pub rest_share: u32,
    pub stop: CancellationToken,
}

impl Pace {
    pub async fn rest(&self, worked: Duration) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(worked * self.rest_share) => {}
        }
    }
}

fn claim_ms() -> i64 {
    i64::try_from(CLAIM.as_millis()).unwrap_or(i64::MAX)
}

fn part() -> i32 {
    i32::try_from(PART).unwrap_or(i32::MAX)
}
