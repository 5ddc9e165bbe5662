//! The rota: which connections this worker visits next. What it knows is only memory; the database decides at each visit.
//!
//! States of a connection, moved by what is heard and found:
//! - *fresh*: something became ready there just now; visited before others, once. A connection that seldom has work is
//!   therefore served at once, however many busy ones there are (the idea is that of fair queueing's new flows, RFC 8290).
//! - *seen*: it was fresh, and visited while only slots kept for people were free: next among the fresh ones once another is.
//! - *turn*: more is due there; visited in rotation.
//! - *later*: nothing is due before a time, or a pause lasts until then; not visited before, whatever becomes ready during a pause.
//! - *full*: more is due than its cap allows; visited again when a job of ours ends there, or after a while. Fresh then if a person
//!   waits: the slots that are kept for people are for fresh connections alone. For the same reason a look that finds a person's lane due
//!   makes a connection fresh that waited for its turn.
//! - *away*: being visited right now. What becomes ready meanwhile makes it fresh again; after a job of ours that ended meanwhile, what
//!   the visit found is out of date, and it waits for its turn again.
//! - otherwise nothing is known to wait there.

mod lane_turn;
mod line;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::clock::Moment;
use shared::domain::ConnectionId;
use shared::queue::{Found, ReadyConnection, Visit, Visited};
use uuid::Uuid;

pub(crate) use lane_turn::LaneTurn;
use line::Line;

/// A background lane gets at least each so-many-th turn of its connection (design: Q6).
const BACKGROUND_TURN: u32 = 20;
/// A worker goes on with a lane for so many jobs at most while other connections wait for a slot.
const LONGEST_TURN: u64 = 16;
/// And for so many while other lanes of the same connection wait: each change of lanes moves four index entries and costs a visit, and
/// a matter's few documents need not go round with those of a thousand other matters.
const SHORT_TURN: u64 = 8;
/// Where fresh connections and those in rotation are visited together, the fresh ones begin with at most such a part of the visits: more
/// becomes fresh than can be visited when a worker falls behind, and whoever has waited longest would wait for ever.
const FRESH_PART: usize = 4;
/// Somebody else is just visiting: that takes a few milliseconds.
const BUSY_REST: Duration = Duration::from_millis(3);
/// A connection whose cap others have used up is looked at again after this.
const FULL_REST: Duration = Duration::from_secs(5);
/// So many connections of which nothing is known to wait are remembered for their floors.
const MOST_IDLE: usize = 20_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Idle,
    Fresh,
    Seen,
    Turn,
    Later {
        at: Moment,
        paused: bool,
    },
    Full {
        since: Moment,
        person: bool,
    },
    Away {
        from_turn: bool,
        meanwhile: Meanwhile,
    },
}

/// What happened to a connection during its visit, the later ones outweighing the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Meanwhile {
    Nothing,
    JobEnded,
    BecameReady,
}

#[derive(Debug)]
struct Known {
    place: Place,
    ready_floor: Option<DateTime<Utc>>,
    turn_floor: i64,
    /// Visits that took something.
    turns: u32,
}

impl Known {
    /// Matters only during a visit.
    fn note(&mut self, what: Meanwhile) {
        if let Place::Away { meanwhile, .. } = &mut self.place {
            *meanwhile = what.max(*meanwhile);
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Rota {
    known: HashMap<Uuid, Known>,
    fresh: Line,
    seen: Line,
    turn: Line,
    later: BTreeSet<(Moment, Uuid)>,
    /// The last visits, of those that may go to all, were to fresh connections alone.
    only_fresh: bool,
}

/// Which connections are visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    /// The slots that are left are kept for people, who come fresh.
    Fresh,
}

impl Rota {
    /// Something became ready on this connection.
    pub(crate) fn hear(&mut self, connection: ConnectionId) {
        let known = self.entry(connection.0);
        match known.place {
            // Who has been seen would only lose his place: for a person the next look makes him fresh.
            Place::Fresh | Place::Seen | Place::Later { paused: true, .. } => {}
            Place::Away { .. } => known.note(Meanwhile::BecameReady),
            Place::Idle | Place::Turn | Place::Later { .. } | Place::Full { .. } => {
                self.move_to(connection.0, Place::Fresh);
            }
        }
    }

    /// A job of ours has ended there and left its lane ready, or free, so that there is room under the cap.
    pub(crate) fn job_ended(&mut self, connection: ConnectionId, ready: bool) {
        let known = self.entry(connection.0);
        match known.place {
            Place::Full { person: true, .. } => self.move_to(connection.0, Place::Fresh),
            Place::Full { .. } => self.move_to(connection.0, Place::Turn),
            Place::Idle if ready => self.move_to(connection.0, Place::Turn),
            Place::Later { paused: false, .. } if ready => {
                self.move_to(connection.0, Place::Turn);
            }
            Place::Away { .. } => known.note(Meanwhile::JobEnded),
            Place::Idle | Place::Fresh | Place::Seen | Place::Turn | Place::Later { .. } => {}
        }
    }

    /// A lane there becomes due at a time.
    pub(crate) fn becomes_due(&mut self, connection: ConnectionId, at: Moment) {
        let known = self.entry(connection.0);
        match known.place {
            Place::Idle => self.move_to(connection.0, Place::Later { at, paused: false }),
            Place::Later {
                at: before,
                paused: false,
            } if at < before => self.move_to(connection.0, Place::Later { at, paused: false }),
            Place::Away { .. } => known.note(Meanwhile::JobEnded),
            Place::Fresh | Place::Seen | Place::Turn | Place::Later { .. } | Place::Full { .. } => {
            }
        }
    }

    /// Pauses may have been lifted: what was paused is looked at again, and what a visit under way says of pauses is out of date.
    pub(crate) fn forget_pauses(&mut self) {
        for known in self.known.values_mut() {
            known.note(Meanwhile::BecameReady);
        }
        let paused: Vec<_> = self
            .known
            .iter()
            .filter(|(_, known)| matches!(known.place, Place::Later { paused: true, .. }))
            .map(|(id, _)| *id)
            .collect();
        for id in paused {
            self.move_to(id, Place::Turn);
        }
    }

    /// The server may be another one, whose fences begin further back: held lanes are counted from the first again.
    pub(crate) fn forget_floors(&mut self) {
        for known in self.known.values_mut() {
            known.turn_floor = 0;
            known.note(Meanwhile::BecameReady);
        }
    }

    /// What the database says has ready lanes: the truth, seen from time to time.
    pub(crate) fn refresh(&mut self, ready: &[ReadyConnection], now: Moment) {
        // What has just become due is told apart from what is to come.
        self.wake_due(now);
        for seen in ready {
            let known = self.entry(seen.connection.0);
            known.ready_floor = Some(seen.ready_floor);
            let place = match seen.due_in {
                Duration::ZERO if seen.person => Place::Fresh,
                Duration::ZERO => Place::Turn,
                wait => Place::Later {
                    at: now + wait,
                    paused: false,
                },
            };
            match known.place {
                Place::Idle => self.move_to(seen.connection.0, place),
                Place::Seen | Place::Turn | Place::Full { person: false, .. }
                    if place == Place::Fresh =>
                {
                    self.move_to(seen.connection.0, place);
                }
                Place::Full { since, .. } if since + FULL_REST <= now => {
                    self.move_to(seen.connection.0, place);
                }
                Place::Later { at, paused: false } if now + seen.due_in < at => {
                    self.move_to(seen.connection.0, place);
                }
                Place::Fresh
                | Place::Seen
                | Place::Turn
                | Place::Later { .. }
                | Place::Full { .. }
                | Place::Away { .. } => {}
            }
        }
    }

    /// Takes the next connections to visit: fresh ones by themselves, so that they need not wait for the answer to all the
    /// others; not twice in a row, so that the rotation goes on. Else a few fresh ones, the rotation, and more fresh ones.
    pub(crate) fn take_visits(&mut self, most: usize, which: Which, now: Moment) -> Vec<Visit> {
        self.wake_due(now);
        if which == Which::All {
            self.only_fresh = !self.only_fresh && self.fresh_wait() && !self.turn.is_empty();
        }
        let rotates = which == Which::All && !self.only_fresh;
        let mut visits = Vec::new();
        while visits.len() < most {
            let is_fresh_part = visits.len() < most / FRESH_PART;
            let next = match (rotates, is_fresh_part) {
                (false, _) => self.pop_fresh(which),
                (true, true) => self.pop_fresh(which).or_else(|| self.pop_turn()),
                (true, false) => self.pop_turn().or_else(|| self.pop_fresh(which)),
            };
            let Some((id, from_turn)) = next else { break };
            let known = self.entry(id);
            known.place = Place::Away {
                from_turn,
                meanwhile: Meanwhile::Nothing,
            };
            let is_background_turn = known.turns % BACKGROUND_TURN == BACKGROUND_TURN - 1;
            visits.push(Visit {
                connection: ConnectionId(id),
                ready_floor: known.ready_floor,
                turn_floor: known.turn_floor,
                background_first: which == Which::All && is_background_turn,
            });
        }
        visits
    }

    fn fresh_wait(&self) -> bool {
        !self.fresh.is_empty() || !self.seen.is_empty()
    }

    /// With whether it comes from the rotation.
    fn pop_fresh(&mut self, which: Which) -> Option<(Uuid, bool)> {
        let seen = match which {
            Which::All => self.seen.pop_front(),
            Which::Fresh => None,
        };
        seen.or_else(|| self.fresh.pop_front())
            .map(|id| (id, false))
    }

    fn pop_turn(&mut self) -> Option<(Uuid, bool)> {
        self.turn.pop_front().map(|id| (id, true))
    }

    /// Files what a visit found. `took`: something was taken, so that the connection goes to the end of the rotation.
    pub(crate) fn visited(&mut self, visited: &Visited, took: bool, now: Moment) {
        let id = visited.connection.0;
        let known = self.entry(id);
        known.turns = known.turns.wrapping_add(u32::from(took));
        let (from_turn, meanwhile) = match known.place {
            Place::Away {
                from_turn,
                meanwhile,
            } => (from_turn, meanwhile),
            _ => (true, Meanwhile::Nothing),
        };
        if visited.found != Found::Busy {
            known.ready_floor = visited.ready_floor;
            if meanwhile != Meanwhile::BecameReady {
                known.turn_floor = visited.turn_floor;
            }
        }
        let place = match (visited.found, meanwhile) {
            (_, Meanwhile::BecameReady) | (Found::Full { person: true }, Meanwhile::JobEnded) => {
                Place::Fresh
            }
            (Found::Paused(wait), _) => Place::Later {
                at: now + wait,
                paused: true,
            },
            (Found::Busy, _) => Place::Later {
                at: now + BUSY_REST,
                paused: false,
            },
            (Found::More { person: true }, _) if took => Place::Fresh,
            (Found::More { .. }, _) if !took && !from_turn => Place::Seen,
            (Found::More { .. }, _)
            | (Found::Full { .. } | Found::Clear(_), Meanwhile::JobEnded) => Place::Turn,
            (Found::Full { person }, Meanwhile::Nothing) => Place::Full { since: now, person },
            (Found::Clear(Some(wait)), Meanwhile::Nothing) => Place::Later {
                at: now + wait,
                paused: false,
            },
            (Found::Clear(None), Meanwhile::Nothing) => Place::Idle,
        };
        if place == Place::Turn && from_turn && !took {
            // It was not its fault: it keeps its place in the rotation.
            known.place = Place::Turn;
            self.turn.push_front(id);
        } else {
            self.move_to(id, place);
        }
    }

    /// A visit that did not happen: the database was away.
    pub(crate) fn not_visited(&mut self, visits: &[Visit]) {
        for visit in visits {
            self.move_to(visit.connection.0, Place::Turn);
        }
    }

    /// May a worker go on with its turn at a lane? While no slot is free, not while a fresh connection waits, and not for long while others
    /// wait for their turn. While other lanes of its own connection wait, for a short turn; not while a person waits there, and not with
    /// background work: theirs is the connection's next slot.
    pub(crate) fn may_go_on(&self, turn: &LaneTurn, slots_free: bool) -> bool {
        if !slots_free && self.fresh_wait() {
            return false;
        }
        let nobody_waits = slots_free || self.turn.is_empty();
        let place = self.known.get(&turn.connection.0).map(|known| known.place);
        match place {
            None | Some(Place::Idle | Place::Later { .. }) => {
                nobody_waits || !turn.ends_here(LONGEST_TURN)
            }
            Some(Place::Turn | Place::Full { person: false, .. }) => {
                !turn.is_background && !turn.ends_here(SHORT_TURN)
            }
            Some(Place::Fresh | Place::Seen | Place::Full { .. } | Place::Away { .. }) => false,
        }
    }

    /// When the next connection becomes due; nothing when none is known to.
    pub(crate) fn next_due(&self) -> Option<Moment> {
        if self.fresh_wait() || !self.turn.is_empty() {
            return Some(Moment::now());
        }
        self.later.first().map(|(at, _)| *at)
    }

    fn entry(&mut self, id: Uuid) -> &mut Known {
        if self.known.len() > MOST_IDLE && !self.known.contains_key(&id) {
            self.known.retain(|_, known| known.place != Place::Idle);
        }
        self.known.entry(id).or_insert(Known {
            place: Place::Idle,
            ready_floor: None,
            turn_floor: 0,
            turns: 0,
        })
    }

    fn wake_due(&mut self, now: Moment) {
        while let Some((at, id)) = self.later.first().copied()
            && at <= now
        {
            self.move_to(id, Place::Turn);
        }
    }

    fn move_to(&mut self, id: Uuid, place: Place) {
        let known = self.entry(id);
        let before = std::mem::replace(&mut known.place, place);
        match before {
            Place::Fresh => self.fresh.leave(id),
            Place::Seen => self.seen.leave(id),
            Place::Turn => self.turn.leave(id),
            Place::Later { at, .. } => {
                self.later.remove(&(at, id));
            }
            Place::Idle | Place::Full { .. } | Place::Away { .. } => {}
        }
        match place {
            Place::Fresh => self.fresh.push_back(id),
            Place::Seen => self.seen.push_back(id),
            Place::Turn => self.turn.push_back(id),
            Place::Later { at, .. } => {
                self.later.insert((at, id));
            }
            Place::Idle | Place::Full { .. } | Place::Away { .. } => {}
        }
    }
}
