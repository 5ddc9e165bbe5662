//! What a state or a step breaks.

use super::{Property, Reached};
use crate::rules::{Rules, Safeguard};
use crate::state::{At, CONTACT, EFFECTS, Intent, JobState, Link, LinkState, Promise, Row, State};

/// What a committed state breaks. It is asked before the state is brought into its one form, which forgets jobs that have ended.
#[must_use]
pub fn broken_in(rules: &Rules, state: &State) -> Reached {
    lanes(rules, state)
        .and(jobs(state))
        .and(links(rules, state))
        .and(promises(state))
}

fn lanes(rules: &Rules, state: &State) -> Reached {
    let mut reached = Reached::default().with_if(Property::AboveCap, state.held() > rules.cap);
    for (at, worker) in (0..).zip(&state.workers).filter(|(_, worker)| worker.alone) {
        let own = || state.lanes.iter().filter(|lane| lane.worker == Some(at));
        let is_beside = own().count() > 1 || own().any(|lane| !lane.suspect);
        let is_there = worker.row == Row::There;
        reached = reached.with_if(Property::NotAlone, is_there && is_beside);
    }
    for lane in 0..state.lanes.len() as u8 {
        let head = state.head(lane);
        let lane = state.lane(lane);
        let holder = lane.worker.map(|w| &state.workers[w as usize]);
        let row = holder.map(|w| w.row);
        let is_beside = lane.suspect && holder.is_some_and(|w| !w.alone);
        let is_held = lane.worker.is_some();
        reached = reached
            .with_if(
                Property::IdleWithJob,
                !is_held && !lane.ready && head.is_some(),
            )
            .with_if(Property::SuspectBeside, is_beside)
            .with_if(Property::ReadyWithoutJob, lane.ready && head.is_none())
            .with_if(Property::HeldByNobody, row == Some(Row::Deleted))
            .with_if(Property::NotItsHead, is_held && head != lane.running);
    }
    reached
}

fn jobs(state: &State) -> Reached {
    let mut reached = Reached::default();
    for (at, job) in (0..).zip(&state.jobs) {
        let waits_unrun = |at: u8| {
            let job = &state.jobs[at as usize];
            job.state == JobState::Queued
                && !job.ran
                && !job.cancelled
                && state.lane(job.lane).running != Some(at)
        };
        let is_twin = |of: u8| {
            let other = &state.jobs[of as usize];
            waits_unrun(of) && (other.lane, other.kind) == (job.lane, job.kind)
        };
        reached = reached
            .with_if(
                Property::LeftBehind,
                job.state == JobState::Queued && job.seq <= state.lane(job.lane).gone,
            )
            .with_if(Property::LogDiffers, job.log != job.expected_log())
            .with_if(
                Property::Duplicates,
                waits_unrun(at) && (0..at).any(is_twin),
            );
    }
    reached
}

/// `link_doubted_since`: since a claim met the creation in doubt, or else since its bytes must have left.
fn is_doubted(rules: &Rules, link: &Link) -> bool {
    link.doubted || rules.keeps(Safeguard::DoubtedSince) && link.intent != Intent::MaySend
}

fn links(rules: &Rules, state: &State) -> Reached {
    let rests = rules.is_relayed(state) && state.executions.iter().all(|e| e.at == At::Idle);
    if !rests || state.jobs.iter().any(|job| job.state == JobState::Queued) {
        return Reached::default();
    }
    let unswept = (0..EFFECTS).any(|at| {
        let link = &state.links[at];
        link.state == LinkState::Creating
            && link.intent == Intent::Visible
            && !is_doubted(rules, link)
    });
    Reached::default().with_if(Property::Unswept, unswept)
}

fn promises(state: &State) -> Reached {
    let broken = state.promises.iter().any(|promise| match promise {
        Promise::Job(job) => state.jobs[*job as usize].state == JobState::Free,
        Promise::None | Promise::Kept => false,
    });
    Reached::default().with_if(Property::BrokenPromise, broken)
}

/// What the application of a create breaks; asked before it is applied.
#[must_use]
pub fn broken_by_effect(state: &State, at: u8, lane: u8, seq: u8, is_waited_for: bool) -> Reached {
    let record = &state.records[at as usize];
    let is_second = record.present > 0;
    let is_late = at != CONTACT && seq < state.lane(lane).latest_effect;
    let is_in_doubt = state.link(at).state == LinkState::Creating && !is_waited_for;
    Reached::default()
        .with_if(Property::Doubled, is_second && !record.restored)
        .with_if(Property::RestoredBeside, is_second && record.restored)
        .with_if(Property::OrderOfEffects, is_late && !is_in_doubt)
        .with_if(Property::AppearsAfterTheEnd, is_late && is_in_doubt)
}
