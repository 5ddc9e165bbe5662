//! Broken rules of the queue: what the workers' own auditors saw, what the service's auditor and a look of our own find at the end,
//! and caps: a moment at which one connection had more jobs at work, beside one running transfer, than its platform's cap.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::database::{Broken, Database, Lane};
use crate::ledger::{Hold, Ledger};

pub(crate) fn find(ledger: &Ledger) -> Vec<String> {
    // What is recorded was counted too; a count also survives where nothing could be written, a record where a process died.
    let (recorded, counted) = (recorded(&ledger.database), counted(ledger));
    let mut found = if recorded.len() < counted.len() {
        counted
    } else {
        recorded
    };
    found.extend(told("the auditor finds", &ledger.database.standing));
    found.extend(last_look(&ledger.database));
    found.extend(caps(ledger));
    found
}

fn recorded(database: &Database) -> Vec<String> {
    told("an auditor recorded", &database.recorded)
}

fn told(how: &str, broken: &[Broken]) -> Vec<String> {
    let lane = |broken: &Broken| broken.lane.clone().unwrap_or_default();
    broken
        .iter()
        .map(|broken| format!("breach: {how} {} {}", broken.rule, lane(broken)))
        .collect()
}

/// A process's counter only grows; a process that was started again begins anew.
fn counted(ledger: &Ledger) -> Vec<String> {
    let mut most: HashMap<(&str, Option<u32>), f64> = HashMap::new();
    for breach in &ledger.breaches {
        let counted = most
            .entry((breach.process.as_str(), breach.pid))
            .or_default();
        *counted = counted.max(breach.breaches);
    }
    most.iter()
        .flat_map(|((process, _), count)| {
            vec![format!("breach: {process}'s auditor counted one"); *count as usize]
        })
        .collect()
}

fn last_look(database: &Database) -> Vec<String> {
    let queued: HashSet<&str> = database
        .jobs
        .iter()
        .filter(|job| job.state == "queued")
        .map(|job| job.lane.as_str())
        .collect();
    let jobs: HashSet<Uuid> = database.jobs.iter().map(|job| job.id).collect();
    let mut running = HashSet::new();
    let mut found = Vec::new();
    for lane in &database.lanes {
        let has_job = queued.contains(lane.key.as_str());
        let idle = lane.ready_at.is_none() && lane.worker.is_none();
        let twice = lane.running_job.is_some_and(|job| !running.insert(job));
        let gone = lane.running_job.is_some_and(|job| !jobs.contains(&job));
        for (broken, what) in [
            (idle && has_job, "is idle with a queued job"),
            (
                lane.ready_at.is_some() && !has_job,
                "is ready without a job",
            ),
            (
                lane.ready_at.is_some() && lane.worker.is_some(),
                "is ready and held",
            ),
            (twice || gone, "runs a job that is not its own"),
            (held_by_the_dead(lane, database), "is held by a dead worker"),
        ] {
            if broken {
                found.push(format!("breach: lane {} {what}", lane.key));
            }
        }
    }
    found
}

/// Beyond twice the lease, or without a row.
fn held_by_the_dead(lane: &Lane, database: &Database) -> bool {
    let (Some(worker), Some(now)) = (lane.worker, database.now.first()) else {
        return false;
    };
    let row = database.workers.iter().find(|row| row.id == worker);
    row.is_none_or(|row| row.alive_until + chrono::TimeDelta::milliseconds(row.lease_ms) < *now)
}

fn caps(ledger: &Ledger) -> Vec<String> {
    let connections = ledger.database.connections.iter();
    let caps: HashMap<Uuid, usize> = connections
        .map(|connection| (connection.id, connection.platform.cap()))
        .collect();
    let mut holds: Vec<&Hold> = ledger.holds.iter().collect();
    holds.sort_by_key(|hold| hold.at);
    let mut held: HashMap<Uuid, HashMap<&str, bool>> = HashMap::new();
    let mut found = Vec::new();
    for hold in holds {
        let lanes = held.entry(hold.connection_id).or_default();
        match hold.worker {
            Some(_) => lanes.insert(&hold.lane, hold.transferring),
            None => lanes.remove(hold.lane.as_str()),
        };
        let transfers = lanes.values().filter(|transferring| **transferring).count();
        let cap = caps.get(&hold.connection_id).copied().unwrap_or(1);
        if hold.worker.is_some() && (lanes.len() - transfers > cap || transfers > 1) {
            found.push(format!(
                "breach: connection {} had {} jobs at work and {transfers} transfers at {}",
                hold.connection_id,
                lanes.len() - transfers,
                hold.at
            ));
        }
    }
    found
}
