//! The kill walk: the shipped worker is killed from outside, or frozen past its lease, at every boundary of a sync:
//! before and after each request to the provider, before and after each COMMIT. Whatever the boundary, there is then exactly
//! one contact, one matter and one of each document, and the log says `success`.
//!
//! A recorded run tells the boundaries; a proxy holds the message while the worker is killed.

mod boundaries;
mod walker;

mod late_effects;
mod walk;

use harness::app::Platform;
use harness::{Protocol, Side};

use walker::Route;

const CLIO: Route = Route {
    platform: Platform::Clio,
    search_lag: false,
};
const LAGGING_CLIO: Route = Route {
    search_lag: true,
    ..CLIO
};
/// Records are accepted first, and shown half a second later at least.
const TEST: Route = Route {
    platform: Platform::Test,
    search_lag: false,
};

/// A boundary of a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Boundary {
    protocol: Protocol,
    label: String,
    occurrence: u64,
    side: Side,
}

/// What happens at the boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strike {
    /// Killed; the held message never arrives.
    Kill,
    /// Killed; the held message arrives all the same, later.
    KillThenDeliver,
    /// Frozen past its lease while the message passes; goes on when everything is done.
    Freeze,
    /// Frozen; what is held is let go only when it goes on: the answer comes under a stale fence.
    FreezeAndHold,
}

#[derive(Debug, Clone)]
struct Case {
    boundary: Boundary,
    strike: Strike,
}
