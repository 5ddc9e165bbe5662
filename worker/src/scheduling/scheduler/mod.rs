//! The scheduler: which connections this worker visits next. What it knows is only memory; the database decides at each visit.
//! The states of a connection, and what moves it, are in `connection_state.rs`.

mod connection_state;
mod lane_run;
mod removable_fifo;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use shared::clock::Moment;
use shared::domain::ConnectionId;
use shared::queue::{ReadyConnection, Visit, Visited};
use uuid::Uuid;

use connection_state::{Awaits, ConnectionEntry, DuringVisit, Placement, VisitOrigin, VisitState};
pub(crate) use lane_run::LaneRun;
use removable_fifo::RemovableFifo;

/// Each twentieth visit that serves a connection takes background lanes first (design: Q6).
const BACKGROUND_VISIT: u32 = 20;
/// A worker continues a lane for at most 16 jobs while other connections wait for a slot.
const LONGEST_RUN: u64 = 16;
/// And for at most 8 jobs while other lanes of the same connection wait: each change of lanes moves four index entries and costs a visit,
/// and a matter's few documents need not go round with those of a thousand other matters.
const SHORT_RUN: u64 = 8;
/// Where new and queued connections are visited together, new ones take at most the first quarter of the visits: when a worker falls behind,
/// more connections become new than it can visit, and the one that has waited longest would wait for ever.
const NEW_PART: usize = 4;
/// A connection whose cap other workers have used up is looked at again after this.
const AT_CAP_REST: Duration = Duration::from_secs(5);
/// The floors of at most 20,000 idle connections are remembered.
const MOST_IDLE: usize = 20_000;

#[derive(Debug, Default)]
pub(crate) struct Scheduler {
    entries: HashMap<Uuid, ConnectionEntry>,
    new: RemovableFifo,
    new_skipped: RemovableFifo,
    queued: RemovableFifo,
    delayed: BTreeSet<(Moment, Uuid)>,
    /// The last visits that could go to all connections went to new ones alone.
    only_new: bool,
}

/// Which connections are visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    /// New connections: the free slots are kept for people, whose connections are new.
    New,
}

impl Scheduler {
    /// Something became ready on this connection.
    pub(crate) fn notify_ready(&mut self, connection: ConnectionId) {
        let entry = self.entry(connection.0);
        match entry.state {
            // A skipped one would only lose its place among the new ones; where a person waits, the next full scan makes it new.
            VisitState::New
            | VisitState::NewSkipped
            | VisitState::Delayed {
                awaits: Awaits::Resume,
                ..
            } => {}
            VisitState::Visiting { .. } => entry.note(DuringVisit::BecameReady),
            VisitState::Idle
            | VisitState::Queued
            | VisitState::Delayed { .. }
            | VisitState::AtCap { .. } => {
                self.move_to(connection.0, VisitState::New);
            }
        }
    }

    /// A job of this worker no longer counts there: the connection has capacity under its cap.
    pub(crate) fn free_capacity(&mut self, connection: ConnectionId) {
        let entry = self.entry(connection.0);
        match entry.state {
            VisitState::AtCap { person: true, .. } => self.move_to(connection.0, VisitState::New),
            VisitState::AtCap { .. } => self.move_to(connection.0, VisitState::Queued),
            VisitState::Visiting { .. } => entry.note(DuringVisit::JobEnded),
            VisitState::Idle
            | VisitState::New
            | VisitState::NewSkipped
            | VisitState::Queued
            | VisitState::Delayed { .. } => {}
        }
    }

    /// A job has ended there and left its lane ready.
    pub(crate) fn leave_ready(&mut self, connection: ConnectionId) {
        let entry = self.entry(connection.0);
        match entry.state {
            VisitState::Idle
            | VisitState::Delayed {
                awaits: Awaits::Lane,
                ..
            } => self.move_to(connection.0, VisitState::Queued),
            VisitState::Visiting { .. } => entry.note(DuringVisit::JobEnded),
            VisitState::New
            | VisitState::NewSkipped
            | VisitState::Queued
            | VisitState::Delayed { .. }
            | VisitState::AtCap { .. } => {}
        }
    }

    /// A lane there becomes due at a time.
    pub(crate) fn becomes_due(&mut self, connection: ConnectionId, at: Moment) {
        let entry = self.entry(connection.0);
        let awaits = Awaits::Lane;
        match entry.state {
            VisitState::Idle => self.move_to(connection.0, VisitState::Delayed { at, awaits }),
            VisitState::Delayed {
                at: before,
                awaits: Awaits::Lane,
            } if at < before => self.move_to(connection.0, VisitState::Delayed { at, awaits }),
            VisitState::Visiting { .. } => entry.note(DuringVisit::JobEnded),
            VisitState::New
            | VisitState::NewSkipped
            | VisitState::Queued
            | VisitState::Delayed { .. }
            | VisitState::AtCap { .. } => {}
        }
    }

    /// Pauses may have been lifted: what was paused is looked at again, and what a visit under way says of pauses is out of date.
    pub(crate) fn forget_pauses(&mut self) {
        for entry in self.entries.values_mut() {
            entry.note(DuringVisit::BecameReady);
        }
        let paused: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| {
                matches!(
                    entry.state,
                    VisitState::Delayed {
                        awaits: Awaits::Resume,
                        ..
                    }
                )
            })
            .map(|(id, _)| *id)
            .collect();
        for id in paused {
            self.move_to(id, VisitState::Queued);
        }
    }

    /// The server may be another one, whose fences begin further back: held lanes are counted from the first again.
    pub(crate) fn forget_floors(&mut self) {
        for entry in self.entries.values_mut() {
            entry.first_fence_floor = 0;
            entry.note(DuringVisit::BecameReady);
        }
    }

    /// What the database says has ready lanes. This full scan is the truth; notifications only hurry it.
    pub(crate) fn refresh(&mut self, ready: &[ReadyConnection], now: Moment) {
        // First, so that what has just become due is not taken for what is to come.
        self.wake_due(now);
        for found in ready {
            let entry = self.entry(found.connection.0);
            entry.ready_floor = Some(found.ready_floor);
            let state = match found.due_in {
                Duration::ZERO if found.person => VisitState::New,
                Duration::ZERO => VisitState::Queued,
                wait => VisitState::Delayed {
                    at: now + wait,
                    awaits: Awaits::Lane,
                },
            };
            match entry.state {
                VisitState::Idle => self.move_to(found.connection.0, state),
                VisitState::NewSkipped
                | VisitState::Queued
                | VisitState::AtCap { person: false, .. }
                    if state == VisitState::New =>
                {
                    self.move_to(found.connection.0, state);
                }
                VisitState::AtCap { since, .. } if since + AT_CAP_REST <= now => {
                    self.move_to(found.connection.0, state);
                }
                VisitState::Delayed {
                    at,
                    awaits: Awaits::Lane,
                } if now + found.due_in < at => {
                    self.move_to(found.connection.0, state);
                }
                VisitState::New
                | VisitState::NewSkipped
                | VisitState::Queued
                | VisitState::Delayed { .. }
                | VisitState::AtCap { .. }
                | VisitState::Visiting { .. } => {}
            }
        }
    }

    /// Takes the next connections to visit. New ones go alone, so that they need not wait for the answer to all the others; but not
    /// twice in a row, so that the rotation goes on. Else the order is: a few new ones, the rotation, the other new ones.
    pub(crate) fn take_visits(&mut self, most: usize, which: Which, now: Moment) -> Vec<Visit> {
        self.wake_due(now);
        if which == Which::All {
            self.only_new = !self.only_new && self.new_wait() && !self.queued.is_empty();
        }
        let rotates = which == Which::All && !self.only_new;
        let mut visits = Vec::new();
        while visits.len() < most {
            let is_new_part = visits.len() < most / NEW_PART;
            let next = match (rotates, is_new_part) {
                (false, _) => self.pop_new(which),
                (true, true) => self.pop_new(which).or_else(|| self.pop_queued()),
                (true, false) => self.pop_queued().or_else(|| self.pop_new(which)),
            };
            let Some((id, origin)) = next else { break };
            let entry = self.entry(id);
            entry.state = VisitState::Visiting {
                origin,
                during: DuringVisit::Nothing,
            };
            let takes_background_first = entry.served % BACKGROUND_VISIT == BACKGROUND_VISIT - 1;
            visits.push(Visit {
                connection: ConnectionId(id),
                ready_floor: entry.ready_floor,
                first_fence_floor: entry.first_fence_floor,
                background_first: which == Which::All && takes_background_first,
            });
        }
        visits
    }

    fn new_wait(&self) -> bool {
        !self.new.is_empty() || !self.new_skipped.is_empty()
    }

    fn pop_new(&mut self, which: Which) -> Option<(Uuid, VisitOrigin)> {
        match which {
            Which::All => {
                let next = self
                    .new_skipped
                    .pop_front()
                    .or_else(|| self.new.pop_front());
                next.map(|id| (id, VisitOrigin::New))
            }
            Which::New => self.new.pop_front().map(|id| (id, VisitOrigin::ForPeople)),
        }
    }

    fn pop_queued(&mut self) -> Option<(Uuid, VisitOrigin)> {
        self.queued.pop_front().map(|id| (id, VisitOrigin::Queued))
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
                Placement::Under(state) => self.move_to(id, state),
                Placement::WhereItWas => unserved.push(id),
            }
        }
        for id in unserved.into_iter().rev() {
            self.entry(id).state = VisitState::Queued;
            self.queued.push_front(id);
        }
    }

    /// A visit that did not happen: the database was away.
    pub(crate) fn not_visited(&mut self, visits: &[Visit]) {
        for visit in visits {
            self.move_to(visit.connection.0, VisitState::Queued);
        }
    }

    /// Whether the worker may take the lane's next job directly.
    ///
    /// - No, if a new connection waits and no slot is free, or a person waits on this connection.
    /// - At most 8 jobs, and no background work, if other lanes of this connection wait.
    /// - At most 16 jobs, if other connections wait and no slot is free.
    /// - Else yes.
    pub(crate) fn may_continue(&self, run: &LaneRun, slots_free: bool) -> bool {
        if !slots_free && self.new_wait() {
            return false;
        }
        let nobody_waits = slots_free || self.queued.is_empty();
        let state = self.entries.get(&run.connection.0).map(|entry| entry.state);
        match state {
            // It will be new in a moment.
            Some(VisitState::Delayed {
                awaits: Awaits::Visitor,
                ..
            }) => false,
            None | Some(VisitState::Idle | VisitState::Delayed { .. }) => {
                nobody_waits || !run.ends_here(LONGEST_RUN)
            }
            Some(VisitState::Queued | VisitState::AtCap { person: false, .. }) => {
                !run.is_background && !run.ends_here(SHORT_RUN)
            }
            Some(
                VisitState::New
                | VisitState::NewSkipped
                | VisitState::AtCap { .. }
                | VisitState::Visiting { .. },
            ) => false,
        }
    }

    /// When the next connection becomes due; nothing when none is known to.
    pub(crate) fn next_due(&self, which: Which) -> Option<Moment> {
        let waits = match which {
            Which::All => self.new_wait() || !self.queued.is_empty(),
            Which::New => !self.new.is_empty(),
        };
        if waits {
            return Some(Moment::now());
        }
        match which {
            Which::All => self.delayed.first().map(|(at, _)| *at),
            Which::New => self.next_visited(),
        }
    }

    /// When the next connection that another worker is visiting becomes new.
    fn next_visited(&self) -> Option<Moment> {
        let soon = Moment::now() + connection_state::BUSY_REST;
        let mut soonest = self.delayed.iter().take_while(|(at, _)| *at <= soon);
        let is_visited = |id| {
            self.entries
                .get(id)
                .is_some_and(ConnectionEntry::is_visited)
        };
        soonest.find(|(_, id)| is_visited(id)).map(|(at, _)| *at)
    }

    fn entry(&mut self, id: Uuid) -> &mut ConnectionEntry {
        if self.entries.len() > MOST_IDLE && !self.entries.contains_key(&id) {
            self.entries
                .retain(|_, entry| entry.state != VisitState::Idle);
        }
        self.entries.entry(id).or_default()
    }

    fn wake_due(&mut self, now: Moment) {
        while let Some((at, id)) = self.delayed.first().copied()
            && at <= now
        {
            let is_visited = self.entry(id).is_visited();
            self.move_to(
                id,
                if is_visited {
                    VisitState::New
                } else {
                    VisitState::Queued
                },
            );
        }
    }

    fn move_to(&mut self, id: Uuid, state: VisitState) {
        let entry = self.entry(id);
        let before = std::mem::replace(&mut entry.state, state);
        match before {
            VisitState::New => self.new.remove(id),
            VisitState::NewSkipped => self.new_skipped.remove(id),
            VisitState::Queued => self.queued.remove(id),
            VisitState::Delayed { at, .. } => {
                self.delayed.remove(&(at, id));
            }
            VisitState::Idle | VisitState::AtCap { .. } | VisitState::Visiting { .. } => {}
        }
        match state {
            VisitState::New => self.new.push_back(id),
            VisitState::NewSkipped => self.new_skipped.push_back(id),
            VisitState::Queued => self.queued.push_back(id),
            VisitState::Delayed { at, .. } => {
                self.delayed.insert((at, id));
            }
            VisitState::Idle | VisitState::AtCap { .. } | VisitState::Visiting { .. } => {}
        }
    }
}
