//! The rota: which connections this worker visits next. What it knows is only memory; the database decides at each visit.
//! Where each connection stands, and what moves it, is in `known.rs`.

mod known;
mod lane_turn;
mod line;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use shared::clock::Moment;
use shared::domain::ConnectionId;
use shared::queue::{ReadyConnection, Visit, Visited};
use uuid::Uuid;

use known::{Awaits, Came, Filed, Known, Meanwhile, Place};
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
/// A connection whose cap others have used up is looked at again after this.
const FULL_REST: Duration = Duration::from_secs(5);
/// So many connections of which nothing is known to wait are remembered for their floors.
const MOST_IDLE: usize = 20_000;

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
            Place::Fresh
            | Place::Seen
            | Place::Later {
                awaits: Awaits::Resume,
                ..
            } => {}
            Place::Away { .. } => known.note(Meanwhile::BecameReady),
            Place::Idle | Place::Turn | Place::Later { .. } | Place::Full { .. } => {
                self.move_to(connection.0, Place::Fresh);
            }
        }
    }

    /// A job of ours there does not count any more, so that there is room under the cap.
    pub(crate) fn make_room(&mut self, connection: ConnectionId) {
        let known = self.entry(connection.0);
        match known.place {
            Place::Full { person: true, .. } => self.move_to(connection.0, Place::Fresh),
            Place::Full { .. } => self.move_to(connection.0, Place::Turn),
            Place::Away { .. } => known.note(Meanwhile::JobEnded),
            Place::Idle | Place::Fresh | Place::Seen | Place::Turn | Place::Later { .. } => {}
        }
    }

    /// A job has ended there and left its lane ready.
    pub(crate) fn leave_ready(&mut self, connection: ConnectionId) {
        let known = self.entry(connection.0);
        match known.place {
            Place::Idle
            | Place::Later {
                awaits: Awaits::Lane,
                ..
            } => self.move_to(connection.0, Place::Turn),
            Place::Away { .. } => known.note(Meanwhile::JobEnded),
            Place::Fresh | Place::Seen | Place::Turn | Place::Later { .. } | Place::Full { .. } => {
            }
        }
    }

    /// A lane there becomes due at a time.
    pub(crate) fn becomes_due(&mut self, connection: ConnectionId, at: Moment) {
        let known = self.entry(connection.0);
        let awaits = Awaits::Lane;
        match known.place {
            Place::Idle => self.move_to(connection.0, Place::Later { at, awaits }),
            Place::Later {
                at: before,
                awaits: Awaits::Lane,
            } if at < before => self.move_to(connection.0, Place::Later { at, awaits }),
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
            .filter(|(_, known)| {
                matches!(
                    known.place,
                    Place::Later {
                        awaits: Awaits::Resume,
                        ..
                    }
                )
            })
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
                    awaits: Awaits::Lane,
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
                Place::Later {
                    at,
                    awaits: Awaits::Lane,
                } if now + seen.due_in < at => {
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
            let Some((id, came)) = next else { break };
            let known = self.entry(id);
            known.place = Place::Away {
                came,
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

    fn pop_fresh(&mut self, which: Which) -> Option<(Uuid, Came)> {
        match which {
            Which::All => {
                let next = self.seen.pop_front().or_else(|| self.fresh.pop_front());
                next.map(|id| (id, Came::Fresh))
            }
            Which::Fresh => self.fresh.pop_front().map(|id| (id, Came::ForPeople)),
        }
    }

    fn pop_turn(&mut self) -> Option<(Uuid, Came)> {
        self.turn.pop_front().map(|id| (id, Came::InTurn))
    }

    /// Files what visits found, in the order in which they were made. `served`: where something was taken.
    pub(crate) fn visited(
        &mut self,
        visits: &[Visited],
        served: &HashSet<ConnectionId>,
        now: Moment,
    ) {
        let mut unserved = Vec::new();
        for visited in visits {
            let id = visited.connection.0;
            let took = served.contains(&visited.connection);
            match self.entry(id).file(visited, took, now) {
                Filed::Under(place) => self.move_to(id, place),
                Filed::WhereItWas => unserved.push(id),
            }
        }
        for id in unserved.into_iter().rev() {
            self.entry(id).place = Place::Turn;
            self.turn.push_front(id);
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
            // It is fresh, but for a moment.
            Some(Place::Later {
                awaits: Awaits::Visitor,
                ..
            }) => false,
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
    pub(crate) fn next_due(&self, which: Which) -> Option<Moment> {
        let waits = match which {
            Which::All => self.fresh_wait() || !self.turn.is_empty(),
            Which::Fresh => !self.fresh.is_empty(),
        };
        if waits {
            return Some(Moment::now());
        }
        match which {
            Which::All => self.later.first().map(|(at, _)| *at),
            Which::Fresh => self.next_visited(),
        }
    }

    /// When the next one becomes fresh that another worker is visiting.
    fn next_visited(&self) -> Option<Moment> {
        let soon = Moment::now() + known::BUSY_REST;
        let mut soonest = self.later.iter().take_while(|(at, _)| *at <= soon);
        let is_visited = |id| self.known.get(id).is_some_and(Known::is_visited);
        soonest.find(|(_, id)| is_visited(id)).map(|(at, _)| *at)
    }

    fn entry(&mut self, id: Uuid) -> &mut Known {
        if self.known.len() > MOST_IDLE && !self.known.contains_key(&id) {
            self.known.retain(|_, known| known.place != Place::Idle);
        }
        self.known.entry(id).or_default()
    }

    fn wake_due(&mut self, now: Moment) {
        while let Some((at, id)) = self.later.first().copied()
            && at <= now
        {
            let is_visited = self.entry(id).is_visited();
            self.move_to(
                id,
                if is_visited {
                    Place::Fresh
                } else {
                    Place::Turn
                },
            );
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
