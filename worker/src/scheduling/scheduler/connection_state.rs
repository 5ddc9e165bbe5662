//! What the scheduler knows of one connection, and where it stands.
//!
//! | state | meaning | visited |
//! |---|---|---|
//! | idle | nothing is known to wait there | never |
//! | new | something became ready just now | before all others, once: a connection that seldom has work is served at once, however many busy ones there are (fair queueing's new flows, RFC 8290) |
//! | new, skipped | it was new and was visited while only the slots kept for people were free | next among the new ones once another slot is free |
//! | queued | more is due there | in rotation |
//! | delayed | nothing is due before a time, or a pause lasts until then | at that time; a pause is not left early, whatever becomes ready |
//! | at its cap | more is due than its cap allows | when a job of this worker frees capacity there, or after a while |
//! | visiting | a visit is under way | after the visit: what became ready meanwhile makes it new; a job of this worker that ended meanwhile makes the visit's answer out of date, and it is queued |
//!
//! Slots kept for people serve new connections alone. So a connection at its cap where a person waits becomes new when capacity is
//! freed, and a queued one becomes new when the full scan finds a person's lane due. A new connection that another worker was just
//! visiting is delayed for a moment and then new again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::clock::Moment;
use shared::queue::{Found, Visited};

/// Another worker is visiting this connection: a visit takes a few milliseconds.
pub(super) const BUSY_REST: Duration = Duration::from_millis(3);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum VisitState {
    #[default]
    Idle,
    New,
    NewSkipped,
    Queued,
    Delayed {
        at: Moment,
        awaits: Awaits,
    },
    AtCap {
        since: Moment,
        person: bool,
    },
    Visiting {
        origin: VisitOrigin,
        during: DuringVisit,
    },
}

/// What a delayed connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaits {
    /// A lane becomes due, or can be locked.
    Lane,
    /// A pause ends.
    Resume,
    /// Another worker's visit ends. It is new again then.
    Visitor,
}

/// In which state a connection was taken for a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VisitOrigin {
    Queued,
    New,
    /// It was new, and the visit is for people alone.
    ForPeople,
}

/// What happened to a connection during its visit. A later variant outweighs an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DuringVisit {
    Nothing,
    JobEnded,
    BecameReady,
}

/// Where a visit's answer puts its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placement {
    Under(VisitState),
    /// At its old place in the rotation: more is due there than this worker had slots for.
    WhereItWas,
}

#[derive(Debug, Default)]
pub(super) struct ConnectionEntry {
    pub(super) state: VisitState,
    pub(super) ready_floor: Option<DateTime<Utc>>,
    pub(super) first_fence_floor: i64,
    /// Visits that took something. Those for people alone are not counted: background work never comes first in them.
    pub(super) served: u32,
}

impl ConnectionEntry {
    /// Has an effect only during a visit.
    pub(super) fn note(&mut self, what: DuringVisit) {
        if let VisitState::Visiting { during, .. } = &mut self.state {
            *during = what.max(*during);
        }
    }

    /// It is new, but another worker was visiting it.
    pub(super) fn is_visited(&self) -> bool {
        matches!(
            self.state,
            VisitState::Delayed {
                awaits: Awaits::Visitor,
                ..
            }
        )
    }

    /// What a visit found. `took`: something was taken, so that the connection goes to the end of the rotation.
    pub(super) fn file(&mut self, visited: &Visited, took: bool, now: Moment) -> Placement {
        let (origin, during) = match self.state {
            VisitState::Visiting { origin, during } => (origin, during),
            _ => (VisitOrigin::Queued, DuringVisit::Nothing),
        };
        let counts = took && origin != VisitOrigin::ForPeople;
        self.served = self.served.wrapping_add(u32::from(counts));
        if visited.found != Found::Busy {
            self.ready_floor = visited.ready_floor;
            if during != DuringVisit::BecameReady {
                self.first_fence_floor = visited.first_fence_floor;
            }
        }
        match state_after(visited.found, origin, during, took, now) {
            VisitState::Queued if origin == VisitOrigin::Queued && !took => Placement::WhereItWas,
            state => Placement::Under(state),
        }
    }
}

fn state_after(
    found: Found,
    origin: VisitOrigin,
    during: DuringVisit,
    took: bool,
    now: Moment,
) -> VisitState {
    match (found, during) {
        (_, DuringVisit::BecameReady) | (Found::Full { person: true }, DuringVisit::JobEnded) => {
            VisitState::New
        }
        (Found::Paused(wait), _) => VisitState::Delayed {
            at: now + wait,
            awaits: Awaits::Resume,
        },
        (Found::Busy, _) => VisitState::Delayed {
            at: now + BUSY_REST,
            awaits: match origin {
                VisitOrigin::Queued => Awaits::Lane,
                VisitOrigin::New | VisitOrigin::ForPeople => Awaits::Visitor,
            },
        },
        (Found::More { person: true }, _) if took => VisitState::New,
        (Found::More { .. }, _) if !took && origin != VisitOrigin::Queued => VisitState::NewSkipped,
        (Found::More { .. }, _) | (Found::Full { .. } | Found::Clear(_), DuringVisit::JobEnded) => {
            VisitState::Queued
        }
        (Found::Full { person }, DuringVisit::Nothing) => VisitState::AtCap { since: now, person },
        (Found::Clear(Some(wait)), DuringVisit::Nothing) => VisitState::Delayed {
            at: now + wait,
            awaits: Awaits::Lane,
        },
        (Found::Clear(None), DuringVisit::Nothing) => VisitState::Idle,
    }
}
