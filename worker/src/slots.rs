//! Slots: how many more jobs this worker may run, which lanes it holds, and whom it visits next. Every task of the worker
//! that learns something about these tells it here; the leaser acts on it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use shared::clock::Moment;
use shared::domain::{ConnectionId, job::LeasedJob};
use shared::queue::{Announce, HeldLane, ReadyConnection, Room, Visit, Written};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::rota::{LaneTurn, Rota, Which};

/// One in so many slots is kept for people who wait (design: Q6).
const KEPT_FOR_PEOPLE: i32 = 10;

#[derive(Debug)]
struct State {
    free: i32,
    rota: Rota,
    /// Lanes held: a lane that the database says is ours and that is not here was leased by an answer that got lost. A lane may be
    /// leased anew before its last turn is given back.
    held: HashMap<String, Turn>,
    /// An answer of the database was lost: such lanes may exist.
    in_doubt: bool,
    /// Look at every connection, and look now.
    look_at_all: bool,
}

#[derive(Debug, Clone, Copy)]
struct Turn {
    fence: i64,
    connection: ConnectionId,
    room: RoomMade,
}

/// Whether the rota knows of the room that a turn makes under its connection's cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RoomMade {
    NotYet,
    /// Its job transfers a file: the cap has not counted it since.
    ByTransfer,
    /// Its last job has ended.
    AtItsEnd,
}

impl State {
    /// Of the turn that began under this fence; nothing when it is not known any more.
    fn turn(&mut self, lane: &str, fence: i64) -> Option<&mut Turn> {
        self.held.get_mut(lane).filter(|turn| turn.fence == fence)
    }

    /// A turn has ended that had made room so far, if it is still known. A transfer made its room when it began, and its end need not be
    /// told while another turn of ours is counted there: that one's end will. Else what waits there may be known to nobody else.
    fn end(&mut self, connection: ConnectionId, room: Option<RoomMade>) {
        let is_counted =
            |turn: &Turn| turn.connection == connection && turn.room == RoomMade::NotYet;
        let is_news = match room {
            None | Some(RoomMade::NotYet) => true,
            Some(RoomMade::ByTransfer) => !self.held.values().any(is_counted),
            Some(RoomMade::AtItsEnd) => false,
        };
        if is_news {
            self.rota.make_room(connection);
        }
    }
}

/// The slots of one engine, and a bell that rings when the leaser should look.
#[derive(Debug)]
pub(crate) struct Slots {
    kept: i32,
    state: Mutex<State>,
    bell: Notify,
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
                rota: Rota::default(),
                held: HashMap::new(),
                in_doubt: false,
                look_at_all: true,
            }),
            bell: Notify::new(),
            stop,
        }
    }

    pub(crate) fn is_exhausted(&self) -> bool {
        self.state().free <= self.kept
    }

    /// The next visits, and the room there is for them; nothing when there is no room or nobody to visit.
    pub(crate) fn take_visits(&self, most: i32) -> Option<(Room, Vec<Visit>)> {
        let mut state = self.state();
        let room = Room {
            all: state.free,
            others: (state.free - self.kept).max(0),
        };
        // No more visits than what can be taken at all: of more the database would choose, and always the same ones.
        let (which, room_for) = if room.others > 0 {
            (Which::All, room.others)
        } else {
            (Which::Fresh, room.all)
        };
        let most = usize::try_from(room_for.min(most)).unwrap_or(0);
        let visits = state.rota.take_visits(most, which, Moment::now());
        (!visits.is_empty()).then_some((room, visits))
    }

    /// Jobs were leased: their slots are taken.
    pub(crate) fn hold(&self, jobs: &[LeasedJob]) {
        let mut state = self.state();
        state.free -= i32::try_from(jobs.len()).unwrap_or(i32::MAX);
        for job in jobs {
            let turn = Turn {
                fence: job.fence,
                connection: job.connection_id,
                room: RoomMade::NotYet,
            };
            state.held.insert(job.lane.clone(), turn);
        }
    }

    /// A turn at a lane, as it was leased, has ended.
    pub(crate) fn give_back(&self, lane: &HeldLane) {
        let mut state = self.state();
        state.free += 1;
        let room = state.turn(&lane.lane, lane.fence).map(|turn| turn.room);
        if room.is_some() {
            state.held.remove(&lane.lane);
        }
        state.end(lane.connection, room);
        drop(state);
        self.bell.notify_one();
    }

    /// A job of ours has begun to send its file: its connection has room for another one.
    pub(crate) fn make_room(&self, job: &LeasedJob) {
        let mut state = self.state();
        // Its fence is not the one of its turn where the turn went on.
        if let Some(turn) = state.held.get_mut(&job.lane) {
            turn.room = RoomMade::ByTransfer;
        }
        state.rota.make_room(job.connection_id);
        drop(state);
        self.bell.notify_one();
    }

    /// The outcome of a turn's last job was written.
    pub(crate) fn end_turn(&self, lane: &str, turn: &LaneTurn, written: &Written) {
        let mut state = self.state();
        let room = state
            .turn(lane, turn.fence)
            .map(|turn| std::mem::replace(&mut turn.room, RoomMade::AtItsEnd));
        state.end(written.connection, room);
        if written.ready {
            state.rota.leave_ready(written.connection);
        }
        if written.person {
            state.rota.hear(written.connection);
        }
    }

    /// Lanes of these connections became ready.
    pub(crate) fn hear(&self, connections: &[ConnectionId]) {
        if connections.is_empty() {
            return;
        }
        let mut state = self.state();
        for connection in connections {
            state.rota.hear(*connection);
        }
        drop(state);
        self.bell.notify_one();
    }

    /// Anything may have become ready anywhere, also where it was paused.
    pub(crate) fn hear_of_all(&self) {
        let mut state = self.state();
        state.rota.forget_pauses();
        state.look_at_all = true;
        drop(state);
        self.bell.notify_one();
    }

    /// The listener was away, and the server with it perhaps.
    pub(crate) fn hear_again(&self) {
        self.with_rota(Rota::forget_floors);
        self.hear_of_all();
    }

    /// Another worker has ended jobs of these connections and has no room for what is left there.
    pub(crate) fn hear_left(&self, connections: &[ConnectionId]) {
        self.with_rota(|rota| {
            for connection in connections {
                rota.make_room(*connection);
                rota.leave_ready(*connection);
            }
        });
        self.bell.notify_one();
    }

    /// An answer of the database was lost.
    pub(crate) fn doubt(&self) {
        self.state().in_doubt = true;
        self.bell.notify_one();
    }

    /// True once after an answer was lost.
    pub(crate) fn take_doubt(&self) -> bool {
        std::mem::take(&mut self.state().in_doubt)
    }

    /// True once after it was said that anything may have become ready.
    pub(crate) fn take_look_at_all(&self) -> bool {
        std::mem::take(&mut self.state().look_at_all)
    }

    /// Those of the lanes that nobody here knows of.
    pub(crate) fn unknown(&self, held: Vec<HeldLane>) -> Vec<HeldLane> {
        let state = self.state();
        held.into_iter()
            .filter(|lane| !state.held.contains_key(&lane.lane))
            .collect()
    }

    pub(crate) fn refresh(&self, ready: &[ReadyConnection]) {
        self.state().rota.refresh(ready, Moment::now());
    }

    /// Who shall hear of room or of ready lanes where a job of this worker has made them: others, where it cannot take them itself.
    pub(crate) fn announce(&self) -> Announce {
        if self.stop.is_cancelled() {
            Announce::Everything
        } else if self.is_exhausted() {
            Announce::Ready
        } else {
            Announce::Nothing
        }
    }

    pub(crate) fn may_go_on(&self, turn: &LaneTurn) -> bool {
        if self.stop.is_cancelled() {
            return false;
        }
        let state = self.state();
        let slots_free = state.free > self.kept;
        state.rota.may_go_on(turn, slots_free)
    }

    /// When there is something to visit for which there is room. While no slot is free that is never: a job that ends rings the bell.
    pub(crate) fn next_due(&self) -> Option<Moment> {
        let state = self.state();
        match state.free {
            ..=0 => None,
            free if free <= self.kept => state.rota.next_due(Which::Fresh),
            _ => state.rota.next_due(Which::All),
        }
    }

    /// For whoever knows the rota's verbs: the leaser and the finisher.
    pub(crate) fn with_rota<T>(&self, act: impl FnOnce(&mut Rota) -> T) -> T {
        act(&mut self.state().rota)
    }

    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
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
    fn a_lane_that_was_leased_anew_is_not_forgotten_with_its_last_turn() {
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
            turn_floor: 0,
        };
        slots.with_rota(|rota| rota.visited(&[visited], &HashSet::new(), Moment::now()));
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
    fn a_transfer_makes_room_when_it_begins_and_its_end_is_no_news_beside_another_turn() {
        let slots = Slots::new(10, CancellationToken::new());
        let (transfer, beside) = (probe("transfer", 1), probe("beside", 2));
        slots.hold(&[transfer.clone(), beside.clone()]);
        slots.hear(&[transfer.connection_id]);
        find_full(&slots);
        assert!(slots.take_visits(1).is_none());

        slots.make_room(&transfer);
        find_full(&slots);
        slots.end_turn(
            "transfer",
            &LaneTurn::new(&transfer),
            &written(&transfer, true),
        );
        slots.give_back(&HeldLane::from(&transfer));
        assert!(slots.take_visits(1).is_none());

        slots.end_turn("beside", &LaneTurn::new(&beside), &written(&beside, false));
        find_full(&slots);
        slots.give_back(&HeldLane::from(&beside));
        assert!(slots.take_visits(1).is_none(), "it was told once");
    }

    #[test]
    fn what_a_transfer_leaves_ready_is_looked_after_where_no_turn_of_ours_is_counted() {
        let slots = Slots::new(10, CancellationToken::new());
        let transfer = probe("transfer", 1);
        slots.hold(std::slice::from_ref(&transfer));
        slots.make_room(&transfer);
        slots.hear(&[transfer.connection_id]);
        find_full(&slots);

        slots.end_turn(
            "transfer",
            &LaneTurn::new(&transfer),
            &written(&transfer, true),
        );

        assert!(slots.take_visits(1).is_some());
    }

    #[test]
    fn no_more_connections_are_visited_than_lanes_can_be_taken() {
        let slots = Slots::new(10, CancellationToken::new());
        let connections: Vec<_> = (1..=9).map(|n| ConnectionId(Uuid::from_u128(n))).collect();
        slots.hold(&(0..7).map(|n| probe(&n.to_string(), n)).collect::<Vec<_>>());
        slots.hear(&connections);

        let (room, visits) = slots.take_visits(128).unwrap();

        assert_eq!((room.all, room.others, visits.len()), (3, 2, 2));
    }
}
