//! Slots: how many more jobs this worker may run, which lanes it holds, and which connections it visits next. Every task of the
//! worker reports here what it learns about these; the leaser acts on it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use shared::clock::Moment;
use shared::domain::{ConnectionId, job::LeasedJob};
use shared::queue::{Announce, Capacity, HeldLane, ReadyConnection, Visit, Written};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::scheduling::scheduler::{LaneRun, Scheduler, Which};

/// One slot in ten is kept for people who wait (design: Q6).
const KEPT_FOR_PEOPLE: i32 = 10;

#[derive(Debug)]
struct State {
    free: i32,
    scheduler: Scheduler,
    /// Lanes held. A lane that the database says is ours and that is not here was leased by an answer that got lost. A lane may be
    /// leased anew before its last run is given back.
    held: HashMap<String, Held>,
    /// An answer of the database was lost: such lanes may exist.
    in_doubt: bool,
    /// Look at every connection, and look now.
    look_at_all: bool,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    fence: i64,
    connection: ConnectionId,
    released: Released,
}

/// Whether the scheduler knows that a run no longer counts under its connection's cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Released {
    NotYet,
    /// Its job transfers a file: from then on the cap does not count it.
    ByTransfer,
    /// Its last job has ended.
    AtItsEnd,
}

impl State {
    /// The run that began under this fence; nothing when it is no longer known.
    fn held_under(&mut self, lane: &str, fence: i64) -> Option<&mut Held> {
        self.held.get_mut(lane).filter(|held| held.fence == fence)
    }

    /// Releases a lane's capacity. `released` is what its run had already released (nothing: an unknown run).
    ///
    /// A finished job frees capacity under its connection's cap once: when its outcome is written, or earlier, when its transfer began.
    /// The end of a transfer frees nothing more, except where this worker runs no other job on that connection: then it must look again,
    /// because no other worker will.
    fn end(&mut self, connection: ConnectionId, released: Option<Released>) {
        let is_counted =
            |held: &Held| held.connection == connection && held.released == Released::NotYet;
        let is_news = match released {
            None | Some(Released::NotYet) => true,
            Some(Released::ByTransfer) => !self.held.values().any(is_counted),
            Some(Released::AtItsEnd) => false,
        };
        if is_news {
            self.scheduler.free_capacity(connection);
        }
    }
}

/// The slots of one engine, and a wakeup for the leaser.
#[derive(Debug)]
pub(crate) struct Slots {
    kept: i32,
    state: Mutex<State>,
    wakeup: Notify,
    stop: CancellationToken,
}

impl Slots {
    /// `stop`: leasing has ended, or will not begin again.
    pub(crate) fn new(count: u16, stop: CancellationToken) -> Self {
        let count = i32::from(count);
        Self {
            kept: count / KEPT_FOR_PEOPLE,
            state: Mutex::new(State {
                free: count,
                scheduler: Scheduler::default(),
                held: HashMap::new(),
                in_doubt: false,
                look_at_all: true,
            }),
            wakeup: Notify::new(),
            stop,
        }
    }

    pub(crate) fn is_exhausted(&self) -> bool {
        self.state().free <= self.kept
    }

    /// The next visits, and the capacity for them; nothing when there is no capacity or no connection to visit.
    pub(crate) fn take_visits(&self, most: i32) -> Option<(Capacity, Vec<Visit>)> {
        let mut state = self.state();
        let capacity = Capacity {
            all: state.free,
            others: (state.free - self.kept).max(0),
        };
        // Not more visits than lanes can be taken: of more the database would choose, and always the same ones.
        let (which, lanes) = if capacity.others > 0 {
            (Which::All, capacity.others)
        } else {
            (Which::New, capacity.all)
        };
        let most = usize::try_from(lanes.min(most)).unwrap_or(0);
        let visits = state.scheduler.take_visits(most, which, Moment::now());
        (!visits.is_empty()).then_some((capacity, visits))
    }

    /// Jobs were leased: their slots are taken.
    pub(crate) fn hold(&self, jobs: &[LeasedJob]) {
        let mut state = self.state();
        state.free -= i32::try_from(jobs.len()).unwrap_or(i32::MAX);
        for job in jobs {
            let held = Held {
                fence: job.fence,
                connection: job.connection_id,
                released: Released::NotYet,
            };
            state.held.insert(job.lane.clone(), held);
        }
    }

    /// A run has ended: its slot is free. `lane` carries the fence under which the run began.
    pub(crate) fn give_back(&self, lane: &HeldLane) {
        let mut state = self.state();
        state.free += 1;
        let released = state
            .held_under(&lane.lane, lane.fence)
            .map(|held| held.released);
        if released.is_some() {
            state.held.remove(&lane.lane);
        }
        state.end(lane.connection, released);
        drop(state);
        self.wakeup.notify_one();
    }

    /// A job of this worker begins to send its file: its connection has capacity for another job.
    pub(crate) fn free_capacity(&self, job: &LeasedJob) {
        let mut state = self.state();
        // Found by lane alone: after the run has continued, the job's fence is newer than the stored one.
        if let Some(held) = state.held.get_mut(&job.lane) {
            held.released = Released::ByTransfer;
        }
        state.scheduler.free_capacity(job.connection_id);
        drop(state);
        self.wakeup.notify_one();
    }

    /// The outcome of a run's last job was written.
    pub(crate) fn end_run(&self, lane: &str, run: &LaneRun, written: &Written) {
        let mut state = self.state();
        let released = state
            .held_under(lane, run.fence)
            .map(|held| std::mem::replace(&mut held.released, Released::AtItsEnd));
        state.end(written.connection, released);
        if written.ready {
            state.scheduler.leave_ready(written.connection);
        }
        if written.person {
            state.scheduler.notify_ready(written.connection);
        }
    }

    /// Lanes of these connections became ready.
    pub(crate) fn notify_ready(&self, connections: &[ConnectionId]) {
        if connections.is_empty() {
            return;
        }
        let mut state = self.state();
        for connection in connections {
            state.scheduler.notify_ready(*connection);
        }
        drop(state);
        self.wakeup.notify_one();
    }

    /// Anything may have become ready anywhere, also where it was paused.
    pub(crate) fn notify_everything(&self) {
        let mut state = self.state();
        state.scheduler.forget_pauses();
        state.look_at_all = true;
        drop(state);
        self.wakeup.notify_one();
    }

    /// The listener has reconnected: it may have missed anything, and the server may be another one.
    pub(crate) fn notify_reconnected(&self) {
        self.with_scheduler(Scheduler::forget_floors);
        self.notify_everything();
    }

    /// Another worker has ended jobs of these connections and has no free slot for the lanes that it leaves ready.
    pub(crate) fn notify_left(&self, connections: &[ConnectionId]) {
        self.with_scheduler(|scheduler| {
            for connection in connections {
                scheduler.free_capacity(*connection);
                scheduler.leave_ready(*connection);
            }
        });
        self.wakeup.notify_one();
    }

    /// An answer of the database was lost.
    pub(crate) fn doubt(&self) {
        self.state().in_doubt = true;
        self.wakeup.notify_one();
    }

    /// True once after an answer was lost.
    pub(crate) fn take_doubt(&self) -> bool {
        std::mem::take(&mut self.state().in_doubt)
    }

    /// True once after it was said that anything may have become ready.
    pub(crate) fn take_look_at_all(&self) -> bool {
        std::mem::take(&mut self.state().look_at_all)
    }

    /// Those of the lanes that this worker does not know of.
    pub(crate) fn unknown(&self, held: Vec<HeldLane>) -> Vec<HeldLane> {
        let state = self.state();
        held.into_iter()
            .filter(|lane| !state.held.contains_key(&lane.lane))
            .collect()
    }

    pub(crate) fn refresh(&self, ready: &[ReadyConnection]) {
        self.state().scheduler.refresh(ready, Moment::now());
    }

    /// What other workers are notified of when a job of this worker frees capacity or leaves a lane ready: only what this worker cannot
    /// take itself.
    pub(crate) fn announce(&self) -> Announce {
        if self.stop.is_cancelled() {
            Announce::Everything
        } else if self.is_exhausted() {
            Announce::Ready
        } else {
            Announce::Nothing
        }
    }

    pub(crate) fn may_continue(&self, run: &LaneRun) -> bool {
        if self.stop.is_cancelled() {
            return false;
        }
        let state = self.state();
        let slots_free = state.free > self.kept;
        state.scheduler.may_continue(run, slots_free)
    }

    /// When there is something to visit for which a slot is free. Never while none is: a job that ends wakes the leaser.
    pub(crate) fn next_due(&self) -> Option<Moment> {
        let state = self.state();
        match state.free {
            ..=0 => None,
            free if free <= self.kept => state.scheduler.next_due(Which::New),
            _ => state.scheduler.next_due(Which::All),
        }
    }

    /// For the leaser and the finisher, which report to the scheduler directly.
    pub(crate) fn with_scheduler<T>(&self, act: impl FnOnce(&mut Scheduler) -> T) -> T {
        act(&mut self.state().scheduler)
    }

    pub(crate) async fn woken(&self) {
        self.wakeup.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use shared::queue::{Found, Visited};
    use uuid::Uuid;

    use super::*;
    use crate::fixtures::probe;

    #[test]
    fn a_lane_that_was_leased_anew_is_not_forgotten_with_its_last_run() {
        let slots = Slots::new(10, CancellationToken::new());
        let (first, second) = (probe("lane", 1), probe("lane", 5));
        slots.hold(std::slice::from_ref(&first));
        slots.hold(std::slice::from_ref(&second));

        slots.give_back(&HeldLane::from(&first));

        let held = HeldLane::from(&second);
        assert!(slots.unknown(vec![held.clone()]).is_empty());
        slots.give_back(&held);
        assert_eq!(slots.unknown(vec![held]).len(), 1);
    }

    /// The next visit finds its connection full.
    fn find_full(slots: &Slots) {
        let (_, visits) = slots.take_visits(1).unwrap();
        let visited = Visited {
            connection: visits[0].connection,
            found: Found::Full { person: false },
            ready_floor: None,
            first_fence_floor: 0,
        };
        slots.with_scheduler(|scheduler| {
            scheduler.visited(&[visited], &HashSet::new(), Moment::now())
        });
    }

    fn written(job: &LeasedJob, ready: bool) -> Written {
        Written {
            connection: job.connection_id,
            ready,
            person: false,
            next: None,
        }
    }

    #[test]
    fn a_transfer_frees_capacity_when_it_begins_and_its_end_is_no_news_beside_another_run() {
        let slots = Slots::new(10, CancellationToken::new());
        let (transfer, beside) = (probe("transfer", 1), probe("beside", 2));
        slots.hold(&[transfer.clone(), beside.clone()]);
        slots.notify_ready(&[transfer.connection_id]);
        find_full(&slots);
        assert!(slots.take_visits(1).is_none());

        slots.free_capacity(&transfer);
        find_full(&slots);
        slots.end_run(
            "transfer",
            &LaneRun::new(&transfer),
            &written(&transfer, true),
        );
        slots.give_back(&HeldLane::from(&transfer));
        assert!(slots.take_visits(1).is_none());

        slots.end_run("beside", &LaneRun::new(&beside), &written(&beside, false));
        find_full(&slots);
        slots.give_back(&HeldLane::from(&beside));
        assert!(slots.take_visits(1).is_none(), "announced once already");
    }

    #[test]
    fn what_a_transfer_leaves_ready_is_visited_where_no_run_of_this_worker_is_counted() {
        let slots = Slots::new(10, CancellationToken::new());
        let transfer = probe("transfer", 1);
        slots.hold(std::slice::from_ref(&transfer));
        slots.free_capacity(&transfer);
        slots.notify_ready(&[transfer.connection_id]);
        find_full(&slots);

        slots.end_run(
            "transfer",
            &LaneRun::new(&transfer),
            &written(&transfer, true),
        );

        assert!(slots.take_visits(1).is_some());
    }

    #[test]
    fn no_more_connections_are_visited_than_lanes_can_be_taken() {
        let slots = Slots::new(10, CancellationToken::new());
        let connections: Vec<_> = (1..=9).map(|n| ConnectionId(Uuid::from_u128(n))).collect();
        slots.hold(&(0..7).map(|n| probe(&n.to_string(), n)).collect::<Vec<_>>());
        slots.notify_ready(&connections);

        let (capacity, visits) = slots.take_visits(128).unwrap();

        assert_eq!((capacity.all, capacity.others, visits.len()), (3, 2, 2));
    }
}
