//! A state of everything: what is committed, where each transaction and each execution stands, and the provider.

mod canonical;
pub mod packed;
mod running;
mod tables;
mod world;

pub use running::{Ask, At, Execution, Relay, Says, Stage, TakeOver, TakingOver};
pub use tables::{
    Code, Connection, Intent, Job, JobState, Kind, Lane, LaneLock, Leasing, Link, LinkState, Log,
    Missing, Process, Row, Worker,
};
pub use world::{Budget, Record, Request};

use packed::{Pack, Packed, Packer, stored_struct};

/// Lanes: matters of one client, on one connection.
pub const LANES: usize = 2;
/// Jobs that have a row at the same time.
pub const JOBS: usize = 6;
/// Workers; the third one starts later.
pub const WORKERS: usize = 4;
/// The worker that runs alone; it starts when suspects wait.
pub const ALONE: u8 = 3;
/// Effects: the contact, the matters of both lanes, the documents A and B of lane 0.
pub const EFFECTS: usize = 5;
/// Creates that are under way at the same time.
pub const REQUESTS: usize = 2;
/// Events.
pub const EVENTS: usize = 4;

/// The effect of a contact.
pub const CONTACT: u8 = 0;

/// What became of an event's wish.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Promise {
    /// The event has not been relayed yet.
    #[default]
    None,
    /// This job carries it.
    Job(u8),
    /// The job that carried it has ended, and cannot come back.
    Kept,
}

impl Pack for Promise {
    fn pack(&self, to: &mut Packer) {
        to.put(
            match self {
                Self::None => 0,
                Self::Job(job) => job + 1,
                Self::Kept => 15,
            },
            4,
        );
    }
}

stored_struct! {
    /// Everything.
    State {
        lanes: [Lane; LANES],
        jobs: [Job; JOBS],
        workers: [Worker; WORKERS],
        executions: [Execution; WORKERS],
        links: [Link; EFFECTS],
        records: [Record; EFFECTS],
        requests: [Request; REQUESTS],
        connection: Connection,
        /// The epoch whose token the provider refuses.
        revoked: u8,
        take_over: TakeOver,
        relay: Relay,
        promises: [Promise; EVENTS],
        budget: Budget,
    }
}

/// The matter's effect of a lane.
#[must_use]
pub fn matter(lane: u8) -> u8 {
    1 + lane
}

/// The effect of a job.
#[must_use]
pub fn effect(lane: u8, kind: Kind) -> u8 {
    match kind {
        Kind::Matter => matter(lane),
        Kind::DocumentA => 3,
        Kind::DocumentB => 4,
    }
}

impl Execution {
    /// The effect that it is at.
    #[must_use]
    pub fn effect(&self) -> u8 {
        match self.stage {
            Stage::Contact => CONTACT,
            Stage::Matter => matter(self.lane),
            Stage::Document | Stage::Bytes => effect(self.lane, self.kind),
        }
    }

    /// Ends with these words.
    pub fn end(&mut self, says: Says) {
        self.at = At::Finish;
        self.says = says;
    }
}

impl Link {
    /// Whether this lane under this fence holds it.
    #[must_use]
    pub fn is_held_by(&self, execution: &Execution) -> bool {
        self.holder == Some(execution.lane) && self.fence == execution.fence
    }
}

impl State {
    /// In the form in which it is stored and compared.
    #[must_use]
    pub fn packed(&self) -> Packed {
        let mut to = Packer::default();
        self.pack(&mut to);
        to.words()
    }

    /// The lane.
    #[must_use]
    pub fn lane(&self, lane: u8) -> &Lane {
        &self.lanes[lane as usize]
    }

    /// The execution of a worker.
    #[must_use]
    pub fn execution(&self, worker: u8) -> &Execution {
        &self.executions[worker as usize]
    }

    /// The link of an effect.
    #[must_use]
    pub fn link(&self, effect: u8) -> &Link {
        &self.links[effect as usize]
    }

    /// The jobs that have a row, with their places in the table.
    pub fn rows(&self) -> impl Iterator<Item = (u8, &Job)> {
        (0..).zip(&self.jobs).filter(|(_, job)| job.has_row())
    }

    /// The first waiting job of a lane: `queue_heads`.
    #[must_use]
    pub fn head(&self, lane: u8) -> Option<u8> {
        let gone = self.lane(lane).gone;
        self.rows()
            .filter(|(_, job)| job.lane == lane && job.state == JobState::Queued && job.seq > gone)
            .min_by_key(|(_, job)| job.seq)
            .map(|(at, _)| at)
    }

    /// Whether a lane runs under this fence: `link_lane_runs`.
    #[must_use]
    pub fn lane_runs(&self, lane: u8, fence: u8) -> bool {
        self.lane(lane).fence == fence && self.lane(lane).worker.is_some()
    }

    /// Whether a living worker runs a lane under this fence: `link_holder_is_live`.
    #[must_use]
    pub fn holder_is_live(&self, lane: u8, fence: u8) -> bool {
        let lane = self.lane(lane);
        lane.fence == fence && lane.worker.is_some_and(|worker| self.is_alive(worker))
    }

    /// Whether a worker's row is there and its lease has not ended.
    #[must_use]
    pub fn is_alive(&self, worker: u8) -> bool {
        let worker = &self.workers[worker as usize];
        worker.row == Row::There && !worker.lapsed
    }

    /// Whether a worker still has the lane of its execution.
    #[must_use]
    pub fn holds(&self, worker: u8) -> bool {
        let execution = &self.executions[worker as usize];
        let lane = self.lane(execution.lane);
        lane.fence == execution.fence && lane.worker == Some(worker)
    }

    /// How many lanes of the connection are held.
    #[must_use]
    pub fn held(&self) -> u8 {
        self.lanes
            .iter()
            .filter(|lane| lane.worker.is_some())
            .count() as u8
    }

    /// Whether a pause forbids the connection's work.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.connection.paused || self.connection.parked
    }

    /// The next place of a lane: its tail under the lane's lock.
    #[must_use]
    pub fn next_seq(&self, lane: u8) -> u8 {
        1 + self.places(lane).ilog2() as u8
    }

    /// The next number of `fence_seq`.
    #[must_use]
    pub fn next_fence(&self) -> u8 {
        1 + self.fences().ilog2() as u8
    }
}

impl Job {
    /// A job that has ended has none.
    #[must_use]
    pub fn has_row(&self) -> bool {
        matches!(self.state, JobState::Queued | JobState::Failed)
    }

    /// What the log row must say.
    #[must_use]
    pub fn expected_log(&self) -> Log {
        match self.state {
            JobState::Free | JobState::Queued => Log::Pending,
            JobState::Failed => Log::Failed,
            JobState::Done => Log::Success,
            JobState::Skipped | JobState::Joined => Log::Skipped,
        }
    }
}
