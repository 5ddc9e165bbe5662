//! What is known of one connection.
//!
//! States of a connection, moved by what is heard and found:
//! - *fresh*: something became ready there just now; visited before others, once. A connection that seldom has work is
//!   therefore served at once, however many busy ones there are (the idea is that of fair queueing's new flows, RFC 8290).
//! - *seen*: it was fresh, and visited while only slots kept for people were free: next among the fresh ones once another is.
//! - *turn*: more is due there; visited in rotation.
//! - *later*: nothing is due before a time, or a pause lasts until then; not visited before, whatever becomes ready during a pause.
//!   A fresh one that somebody else was just visiting is fresh again after a moment.
//! - *full*: more is due than its cap allows; visited again when a job of ours there makes room, or after a while. Fresh then if a person
//!   waits: the slots that are kept for people are for fresh connections alone. For the same reason a look that finds a person's lane due
//!   makes a connection fresh that waited for its turn.
//! - *away*: being visited right now. What becomes ready meanwhile makes it fresh again; after a job of ours that ended meanwhile, what
//!   the visit found is out of date, and it waits for its turn again.
//! - otherwise nothing is known to wait there.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::clock::Moment;
use shared::queue::{Found, Visited};

/// Somebody else is just visiting: that takes a few milliseconds.
pub(super) const BUSY_REST: Duration = Duration::from_millis(3);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    #[default]
    Idle,
    Fresh,
    Seen,
    Turn,
    Later {
        at: Moment,
        awaits: Awaits,
    },
    Full {
        since: Moment,
        person: bool,
    },
    Away {
        came: Came,
        meanwhile: Meanwhile,
    },
}

/// What a connection that is not visited before a time waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaits {
    /// A lane becomes due, or can be locked.
    Lane,
    /// A pause ends.
    Resume,
    /// Another worker's visit ends. It is fresh again then.
    Visitor,
}

/// How a connection came to be visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    InTurn,
    Fresh,
    /// Fresh, and the visit is for people alone.
    ForPeople,
}

/// What happened to a connection during its visit, the later ones outweighing the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meanwhile {
    Nothing,
    JobEnded,
    BecameReady,
}

/// Where a visit leaves its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filed {
    Under(Place),
    /// In the rotation, at its place: more is due than there was room for, which was not its fault.
    WhereItWas,
}

#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) place: Place,
    pub(super) ready_floor: Option<DateTime<Utc>>,
    pub(super) turn_floor: i64,
    /// Visits that took something, without those for people alone: background never comes first in these.
    pub(super) turns: u32,
}

impl Known {
    /// Matters only during a visit.
    pub(super) fn note(&mut self, what: Meanwhile) {
        if let Place::Away { meanwhile, .. } = &mut self.place {
            *meanwhile = what.max(*meanwhile);
        }
    }

    /// It is fresh, but another worker was just visiting it.
    pub(super) fn is_visited(&self) -> bool {
        matches!(
            self.place,
            Place::Later {
                awaits: Awaits::Visitor,
                ..
            }
        )
    }

    /// What a visit found. `took`: something was taken, so that the connection goes to the end of the rotation.
    pub(super) fn file(&mut self, visited: &Visited, took: bool, now: Moment) -> Filed {
        let (came, meanwhile) = match self.place {
            Place::Away { came, meanwhile } => (came, meanwhile),
            _ => (Came::InTurn, Meanwhile::Nothing),
        };
        let is_turn = took && came != Came::ForPeople;
        self.turns = self.turns.wrapping_add(u32::from(is_turn));
        if visited.found != Found::Busy {
            self.ready_floor = visited.ready_floor;
            if meanwhile != Meanwhile::BecameReady {
                self.turn_floor = visited.turn_floor;
            }
        }
        match place_after(visited.found, came, meanwhile, took, now) {
            Place::Turn if came == Came::InTurn && !took => Filed::WhereItWas,
            place => Filed::Under(place),
        }
    }
}

fn place_after(found: Found, came: Came, meanwhile: Meanwhile, took: bool, now: Moment) -> Place {
    match (found, meanwhile) {
        (_, Meanwhile::BecameReady) | (Found::Full { person: true }, Meanwhile::JobEnded) => {
            Place::Fresh
        }
        (Found::Paused(wait), _) => Place::Later {
            at: now + wait,
            awaits: Awaits::Resume,
        },
        (Found::Busy, _) => Place::Later {
            at: now + BUSY_REST,
            awaits: match came {
                Came::InTurn => Awaits::Lane,
                Came::Fresh | Came::ForPeople => Awaits::Visitor,
            },
        },
        (Found::More { person: true }, _) if took => Place::Fresh,
        (Found::More { .. }, _) if !took && came != Came::InTurn => Place::Seen,
        (Found::More { .. }, _) | (Found::Full { .. } | Found::Clear(_), Meanwhile::JobEnded) => {
            Place::Turn
        }
        (Found::Full { person }, Meanwhile::Nothing) => Place::Full { since: now, person },
        (Found::Clear(Some(wait)), Meanwhile::Nothing) => Place::Later {
            at: now + wait,
            awaits: Awaits::Lane,
        },
        (Found::Clear(None), Meanwhile::Nothing) => Place::Idle,
    }
}
