//! One form for states that differ in nothing that any step can see.
//!
//! Places and fences are numbered anew in their order, jobs stand in the order of their places, and what no step asks for any more is
//! forgotten. That leaves fewer states and the same behaviour.

use super::{
    At, Execution, Intent, JOBS, Job, JobState, Link, LinkState, Missing, Process, Promise, Row,
    State, Worker,
};

impl State {
    /// Brings the state into its one form.
    pub fn make_canonical(&mut self) {
        self.resolve_promises();
        self.sort_jobs();
        for execution in &mut self.executions {
            if execution.at == At::Idle {
                *execution = Execution::default();
            }
        }
        for worker in &mut self.workers {
            if (worker.row, worker.process) == (Row::Deleted, Process::Dead) {
                *worker = Worker {
                    row: worker.row,
                    process: worker.process,
                    ..Worker::default()
                };
            }
        }
        self.forget_links();
        self.renumber_places();
        self.renumber_fences();
        // Two requests under way have no order.
        self.requests
            .sort_by_key(|r| (r.effect, r.waiting, r.applied, r.lane, r.seq));
    }

    /// A wish follows the joins of its job, and is kept when that has ended for good.
    fn resolve_promises(&mut self) {
        let jobs = self.jobs;
        for promise in &mut self.promises {
            while let Promise::Job(job) = *promise {
                let job = &jobs[job as usize];
                *promise = match (job.state, job.joined) {
                    (JobState::Joined, Some(duplicate)) => Promise::Job(duplicate),
                    (JobState::Queued | JobState::Failed, _) => break,
                    _ => Promise::Kept,
                };
            }
        }
    }

    /// Jobs stand in the order of lane and place; those that have ended leave the table.
    fn sort_jobs(&mut self) {
        let mut order: [u8; JOBS] = std::array::from_fn(|at| at as u8);
        let rank = |at: u8| {
            let job = &self.jobs[at as usize];
            (!job.has_row(), job.lane, job.seq)
        };
        order.sort_by_key(|at| rank(*at));
        let mut moved = [None; JOBS];
        let mut jobs = [Job::default(); JOBS];
        for (to, from) in order.into_iter().enumerate() {
            let job = self.jobs[from as usize];
            if job.has_row() {
                jobs[to] = job;
                moved[from as usize] = Some(to as u8);
            }
        }
        self.jobs = jobs;
        self.move_jobs(|job| moved[job as usize]);
    }

    fn move_jobs(&mut self, to: impl Fn(u8) -> Option<u8>) {
        for lane in &mut self.lanes {
            lane.running = lane.running.and_then(&to);
        }
        for worker in &mut self.workers {
            worker.heads = worker.heads.map(|head| head.and_then(&to));
        }
        for execution in &mut self.executions {
            execution.job = execution.job.and_then(&to);
        }
        for promise in &mut self.promises {
            if let Promise::Job(job) = *promise {
                *promise = to(job).map_or(Promise::Kept, Promise::Job);
            }
        }
    }

    /// What a link says that is of no use in its state, and holders that nobody can meet again.
    fn forget_links(&mut self) {
        for at in 0..self.links.len() {
            let mut link = self.links[at];
            if !matches!(link.state, LinkState::Creating) {
                link.intent = Intent::MaySend;
            }
            match link.state {
                LinkState::None => link = Link::default(),
                LinkState::Linked => {
                    link.holder = None;
                    link.looked = false;
                    link.doubted = false;
                }
                LinkState::Claimed | LinkState::Creating | LinkState::Accepted => {
                    link.missing = Missing::No;
                }
            }
            if !self.can_be_met(&link) {
                link.holder = None;
                link.fence = 0;
            }
            self.links[at] = link;
        }
    }

    fn can_be_met(&self, link: &Link) -> bool {
        link.holder.is_some_and(|lane| {
            self.lane_runs(lane, link.fence)
                || self
                    .executions
                    .iter()
                    .any(|e| e.at != At::Idle && link.is_held_by(e))
        })
    }

    /// The places of a lane that something names, one bit each; the first bit is always set.
    pub(super) fn places(&self, lane: u8) -> u32 {
        let Self {
            jobs,
            requests,
            executions,
            ..
        } = self;
        let of_jobs = jobs.iter().filter(|j| j.has_row()).map(|j| (j.lane, j.seq));
        let of_requests = requests.iter().map(|r| (r.lane, r.seq));
        let of_executions = executions.iter().map(|e| (e.lane, e.seq));
        let own = self.lane(lane);
        of_jobs
            .chain(of_requests)
            .chain(of_executions)
            .filter(|(of, _)| *of == lane)
            .fold(
                1 | 1 << own.gone | 1 << own.latest_effect,
                |used, (_, seq)| used | 1 << seq,
            )
    }

    fn renumber_places(&mut self) {
        for lane in 0..self.lanes.len() as u8 {
            let used = self.places(lane);
            let anew = |seq: &mut u8| *seq = (used & ((1 << *seq) - 1)).count_ones() as u8;
            let own = &mut self.lanes[lane as usize];
            anew(&mut own.gone);
            anew(&mut own.latest_effect);
            for job in self.jobs.iter_mut().filter(|job| job.lane == lane) {
                anew(&mut job.seq);
            }
            for request in self.requests.iter_mut().filter(|r| r.lane == lane) {
                anew(&mut request.seq);
            }
            for execution in self.executions.iter_mut().filter(|e| e.lane == lane) {
                anew(&mut execution.seq);
            }
        }
    }

    /// The fences that something names, one bit each; the first bit is always set.
    pub(super) fn fences(&self) -> u32 {
        let of_lanes = self.lanes.iter().map(|lane| lane.fence);
        let of_links = self.links.iter().map(|link| link.fence);
        let of_executions = self.executions.iter().map(|execution| execution.fence);
        of_lanes
            .chain(of_links)
            .chain(of_executions)
            .fold(1, |used, fence| used | 1 << fence)
    }

    fn renumber_fences(&mut self) {
        for lane in 0..self.lanes.len() as u8 {
            let Self {
                executions, lanes, ..
            } = &mut *self;
            let own = &mut lanes[lane as usize];
            let is_named = own.worker.is_some()
                || executions
                    .iter()
                    .any(|e| e.at != At::Idle && e.lane == lane && e.fence == own.fence);
            if !is_named {
                own.fence = 0;
            }
        }
        let used = self.fences();
        let anew = |fence: &mut u8| *fence = (used & ((1 << *fence) - 1)).count_ones() as u8;
        self.lanes.iter_mut().for_each(|lane| anew(&mut lane.fence));
        self.links.iter_mut().for_each(|link| anew(&mut link.fence));
        self.executions
            .iter_mut()
            .for_each(|execution| anew(&mut execution.fence));
    }
}
