//! What is explored: which events come, what may go wrong, and which safeguards are kept.

use crate::state::{Budget, Kind, Process, Row, State};

/// Something that the protocol rests on, and that can be taken away to see that the model finds what follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Safeguard {
    /// A lease reads the heads of lanes after it has locked them.
    HeadsAfterLock,
    /// After the visibility delay the provider is asked before anything is created.
    Look,
    /// The permit makes a link `creating` only where its caller holds it as `claimed`.
    LinkComparedInPermit,
    /// An outcome is written only under the running fence.
    FenceInFinish,
    /// A takeover locks the lanes before it frees them.
    TakeOverLocksLanes,
    /// No job joins one that runs.
    JoinsPassOverRunning,
    /// A lease locks its worker's row until it commits.
    LeaseLocksWorker,
    /// The statements that write links ask for the running fence.
    LinksAskForFence,
    /// A requeued job joins a waiting duplicate.
    RequeueJoins,
    /// A job whose cancel was acknowledged never ends as failed.
    CancelWins,
    /// A takeover asks whether its own worker has renewed for a lease.
    RenewedSince,
    /// An execution parks the epoch of its own session.
    ParksOwnEpoch,
    /// A creation that no claim has met counts as doubted from `send_until`.
    DoubtedSince,
    /// A record counts as gone after a second read.
    TwoReads,
    /// Only a worker that runs alone takes suspect lanes.
    SuspectsAlone,
    /// Assumption: no byte of a create leaves after `send_until`.
    SentInTime,
    /// Assumption: a create that was sent is visible within the visibility delay, or never.
    VisibleInTime,
}

/// A scenario.
#[derive(Clone, Debug)]
pub struct Rules {
    pub name: &'static str,
    /// The lane and the kind of each event.
    pub events: &'static [(u8, Kind)],
    /// The approved documents of lane 0, one bit each.
    pub documents: u8,
    /// Whether the client's contact has to be made.
    pub contact: bool,
    /// Whether people ask for the events by name.
    pub explicit: bool,
    /// The connection's cap.
    pub cap: u8,
    /// How many workers run at the start.
    pub workers: u8,
    /// The matter of lane 0 takes each process down that runs it, and dead workers start again.
    pub poison: bool,
    pub budget: Budget,
    /// The safeguard that is taken away.
    pub without: Option<Safeguard>,
}

impl Rules {
    /// Whether a safeguard is in place.
    #[must_use]
    pub fn keeps(&self, safeguard: Safeguard) -> bool {
        self.without != Some(safeguard)
    }

    /// The first state.
    #[must_use]
    pub fn start(&self) -> State {
        let mut state = State {
            budget: self.budget,
            ..State::default()
        };
        state.connection.epoch = 1;
        for worker in &mut state.workers[..usize::from(self.workers)] {
            worker.row = Row::There;
            worker.process = Process::Runs;
        }
        state
    }

    /// Whether all events have been relayed.
    #[must_use]
    pub fn is_relayed(&self, state: &State) -> bool {
        usize::from(state.relay.event) == self.events.len()
    }
}
