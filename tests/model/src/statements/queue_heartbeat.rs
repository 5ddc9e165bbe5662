//! `queue_heartbeat`: renews a worker's lease.
//!
//! Only the beat that comes after the lease has lapsed is a step: an earlier one changes nothing that the model sees. A beat that is
//! half a lease late begins a new time of renewal as well, which only forbids takeovers.

use super::LookedAt;
use crate::state::{Process, Row, State};
use crate::step::{Act, On, Steps};

/// The functions that this module follows.
pub const LOOKED_AT: LookedAt = &[(
    "queue/queue_heartbeat.sql",
    "7b4db396176d1576d5c80f0cb07c8e4df100aa2ebc82eba128e5b5c06cf45406",
)];

/// A beat of a worker whose lease has lapsed. It waits while a takeover has locked the row.
pub fn steps(state: &State, worker: u8, out: &mut Steps) {
    let own = &state.workers[worker as usize];
    if own.process == Process::Runs && own.row == Row::There && own.lapsed && !own.locked {
        let mut to = *state;
        let own = &mut to.workers[worker as usize];
        own.lapsed = false;
        own.fresh = true;
        out.service(
            Act::of(worker, "beat: the lapsed lease goes on", On::Nothing),
            to,
        );
    }
}
