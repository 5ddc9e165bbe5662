//! The model: what lanes are, without a database.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use uuid::Uuid;

use super::steps::LANES;

pub(super) const CONNECTIONS: usize = 2;
/// Side by side on one connection; one of them is kept for people.
pub(super) const CAP: usize = 4;
/// A job whose worker died so often is failed.
const LOST: u32 = 3;

#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) lane: usize,
    pub(super) priority: i16,
    pub(super) due: bool,
    pub(super) duplicate: Option<u8>,
    pub(super) cancelled: bool,
    lost: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) job: Uuid,
    pub(super) lane: usize,
    pub(super) worker: usize,
    pub(super) fence: i64,
}

#[derive(Debug, Default)]
pub(super) struct Lane {
    /// In order; the running job is not among them.
    pub(super) waiting: VecDeque<Uuid>,
    pub(super) held: Option<Held>,
}

/// How a job's history ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Log {
    Pending,
    Success,
    Failed,
    Skipped,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) lanes: Vec<Lane>,
    pub(super) jobs: BTreeMap<Uuid, Job>,
    pub(super) failed: BTreeSet<Uuid>,
    pub(super) paused: BTreeSet<usize>,
    /// Every job there ever was.
    pub(super) logs: BTreeMap<Uuid, Log>,
    pub(super) attempts: i64,
    /// What must be refused from now on.
    pub(super) stale: Vec<Held>,
    newest_fence: i64,
    /// The fences of leases that a person waited for.
    for_people: BTreeSet<i64>,
}

pub(super) fn connection_of(lane: usize) -> usize {
    lane % CONNECTIONS
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            lanes: (0..LANES).map(|_| Lane::default()).collect(),
            ..Self::default()
        }
    }

    pub(super) fn held(&self) -> Vec<Held> {
        self.lanes.iter().filter_map(|lane| lane.held).collect()
    }

    pub(super) fn waiting(&self) -> Vec<Uuid> {
        let lanes = self.lanes.iter();
        lanes
            .flat_map(|lane| lane.waiting.iter().copied())
            .collect()
    }

    pub(super) fn enqueue(&mut self, id: Uuid, lane: usize, priority: i16, duplicate: Option<u8>) {
        if let Some(duplicate) = self.duplicate(lane, duplicate) {
            self.logs.insert(id, Log::Skipped);
            self.hurry(duplicate, priority);
            return;
        }
        self.place(id, lane, priority, duplicate);
    }

    fn place(&mut self, id: Uuid, lane: usize, priority: i16, duplicate: Option<u8>) {
        let job = Job {
            lane,
            priority,
            due: true,
            duplicate,
            cancelled: false,
            lost: 0,
        };
        self.jobs.insert(id, job);
        self.logs.insert(id, Log::Pending);
        self.lanes[lane].waiting.push_back(id);
    }

    /// A waiting job of the same key; a cancelled job does not count.
    fn duplicate(&self, lane: usize, key: Option<u8>) -> Option<Uuid> {
        let mut waiting = self.lanes[lane].waiting.iter();
        let fits = |job: &Job| job.duplicate == key && !job.cancelled;
        key.and_then(|_| waiting.find(|id| fits(&self.jobs[*id])).copied())
    }

    fn hurry(&mut self, id: Uuid, priority: i16) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.priority = job.priority.min(priority);
        }
    }

    /// A lease as the database gave it: is it one that the model allows?
    pub(super) fn lease(&mut self, held: Held) -> Result<(), String> {
        let connection = connection_of(held.lane);
        if self.paused.contains(&connection) {
            return Err(format!("{held:?} was leased on a paused connection"));
        }
        if self.priority(held.lane) == Some(0) {
            self.for_people.insert(held.fence);
        }
        self.take(held)?;
        let busy = self.busy(connection);
        if busy > CAP {
            return Err(format!("{busy} jobs run on connection {connection}"));
        }
        let others = self.busy_with_others(connection);
        if !self.for_people.contains(&held.fence) && others >= CAP {
            return Err(format!("{held:?} took the place that is kept for people"));
        }
        Ok(())
    }

    fn busy_with_others(&self, connection: usize) -> usize {
        let held = self.held();
        held.iter()
            .filter(|held| connection_of(held.lane) == connection)
            .filter(|held| !self.for_people.contains(&held.fence))
            .count()
    }

    /// Goes on with, or leases, a lane's head.
    pub(super) fn take(&mut self, held: Held) -> Result<(), String> {
        let lane = &mut self.lanes[held.lane];
        if lane.held.is_some() || lane.waiting.front() != Some(&held.job) {
            return Err(format!("{held:?} is not the free head of {lane:?}"));
        }
        if !self.jobs[&held.job].due {
            return Err(format!("{held:?} is not due"));
        }
        if held.fence <= self.newest_fence {
            return Err(format!("{held:?} comes behind fence {}", self.newest_fence));
        }
        self.newest_fence = held.fence;
        lane.waiting.pop_front();
        lane.held = Some(held);
        Ok(())
    }

    fn busy(&self, connection: usize) -> usize {
        let held = self.held();
        held.iter()
            .filter(|held| connection_of(held.lane) == connection)
            .count()
    }

    /// After a lease that took less than it might: nothing that could run was left.
    pub(super) fn nothing_left(&self) -> Result<(), String> {
        for (number, lane) in self.lanes.iter().enumerate() {
            let connection = connection_of(number);
            let room = if self.priority(number) == Some(0) {
                CAP
            } else {
                CAP - 1
            };
            let free = lane.held.is_none() && self.is_due(number);
            if free && !self.paused.contains(&connection) && self.busy(connection) < room {
                return Err(format!("lane {number} was due and was not leased"));
            }
        }
        Ok(())
    }

    /// The lane is free and its head is due.
    pub(super) fn is_due(&self, lane: usize) -> bool {
        let head = self.lanes[lane].waiting.front();
        head.is_some_and(|id| self.jobs[id].due)
    }

    /// The highest priority of a lane's waiting jobs.
    pub(super) fn priority(&self, lane: usize) -> Option<i16> {
        let waiting = self.lanes[lane].waiting.iter();
        waiting.map(|id| self.jobs[id].priority).min()
    }

    /// The lane is free again; its job may come back to the head.
    pub(super) fn release(&mut self, held: Held) {
        self.lanes[held.lane].held = None;
        self.stale.push(held);
    }

    pub(super) fn done(&mut self, held: Held, follow: &[Uuid]) {
        self.release(held);
        self.attempts += 1;
        if let Some(job) = self.jobs.remove(&held.job) {
            self.logs.insert(held.job, Log::Success);
            for id in follow {
                self.place(*id, held.lane, job.priority, None);
            }
        }
    }

    pub(super) fn fail(&mut self, held: Held) {
        self.release(held);
        self.attempts += 1;
        self.failed.insert(held.job);
        self.logs.insert(held.job, Log::Failed);
    }

    pub(super) fn later(&mut self, held: Held, due: bool) {
        self.release(held);
        self.attempts += 1;
        self.lanes[held.lane].waiting.push_front(held.job);
        if let Some(job) = self.jobs.get_mut(&held.job) {
            job.due = due;
            job.lost = 0;
        }
    }

    pub(super) fn give_back(&mut self, held: Held) {
        self.release(held);
        self.lanes[held.lane].waiting.push_front(held.job);
    }

    pub(super) fn crash(&mut self, worker: usize) {
        for held in self.held().into_iter().filter(|held| held.worker == worker) {
            self.release(held);
            self.attempts += 1;
            let lost = self.jobs.get_mut(&held.job).map_or(0, |job| {
                job.lost += 1;
                job.lost
            });
            if lost >= LOST {
                self.failed.insert(held.job);
                self.logs.insert(held.job, Log::Failed);
            } else {
                self.lanes[held.lane].waiting.push_front(held.job);
            }
        }
    }

    pub(super) fn retry(&mut self, id: Uuid) {
        self.failed.remove(&id);
        let Some(job) = self.jobs.get(&id).cloned() else {
            return;
        };
        if let Some(duplicate) = self.duplicate(job.lane, job.duplicate) {
            self.jobs.remove(&id);
            self.logs.insert(id, Log::Skipped);
            self.hurry(duplicate, 0);
        } else {
            self.place(id, job.lane, 0, job.duplicate);
        }
    }

    /// A waiting or failed job is dropped.
    pub(super) fn drop_job(&mut self, id: Uuid) {
        if let Some(job) = self.jobs.remove(&id) {
            self.lanes[job.lane]
                .waiting
                .retain(|waiting| *waiting != id);
            self.failed.remove(&id);
            self.logs.insert(id, Log::Skipped);
        }
    }

    pub(super) fn run_now(&mut self, id: Uuid) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.due = true;
            job.priority = 0;
        }
    }

    /// A running job is told to end; it goes on until its next call.
    pub(super) fn cancel_running(&mut self, id: Uuid) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.cancelled = true;
        }
    }
}
