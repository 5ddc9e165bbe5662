//! Reordered, within one inbox, in two independent ways:
//!
//! - a lane's job was taken up while an older one of the lane waited (the history counts those at each lease);
//! - two approvals of one matter, the second sent only after the first was accepted, and the second's document was made first.
//!   Where a job of one of the two has ever failed its place is not judged: it left its lane, and came back at the end.
//!   Two that came through different inboxes have no order, nor has one that came through both.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::effects::Effects;
use crate::ledger::{Ledger, Time};

pub(crate) fn find(ledger: &Ledger, effects: &Effects) -> Vec<String> {
    let mut found = overtaken(ledger);
    found.extend(made_too_early(ledger, effects));
    found
}

fn overtaken(ledger: &Ledger) -> Vec<String> {
    let passed = ledger.holds.iter().filter(|hold| hold.overtaken > 0);
    passed
        .map(|hold| {
            format!(
                "reordered: lane {} passed over {} waiting jobs at {}",
                hold.lane, hold.overtaken, hold.at
            )
        })
        .collect()
}

/// An approval with its document.
struct Approval {
    first_sent: Time,
    accepted: Time,
    inbox: Inbox,
    upload: Uuid,
    document: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inbox {
    Postgres,
    /// A worker has moved it from there.
    Redis,
}

fn made_too_early(ledger: &Ledger, effects: &Effects) -> Vec<String> {
    let mut found = Vec::new();
    for (matter, mut approvals) in approvals(ledger, effects) {
        approvals.sort_by_key(|approval| approval.first_sent);
        for (place, later) in approvals.iter().enumerate() {
            let overtaken = approvals[..place].iter().find(|earlier| {
                earlier.inbox == later.inbox
                    && earlier.accepted < later.first_sent
                    && earlier.document > later.document
            });
            if let Some(earlier) = overtaken {
                found.push(format!(
                    "reordered: matter {matter}: upload {} was made before {}",
                    later.upload, earlier.upload
                ));
            }
        }
    }
    found
}

/// Uploads of which a job has failed, be it that it was put back later and succeeded.
fn failed_once(ledger: &Ledger) -> HashSet<Uuid> {
    let ended = ledger.ends.iter().filter(|end| end.outcome == "fail");
    let ended: HashSet<Uuid> = ended.map(|end| end.job).collect();
    let logs = ledger.database.logs.iter();
    logs.filter(|log| log.status == "failed" || ended.contains(&log.id))
        .filter_map(|log| log.upload_id)
        .collect()
}

/// The one inbox that each event came through, by the event's id.
fn inboxes(ledger: &Ledger) -> HashMap<&str, Inbox> {
    let mut seen: HashMap<&str, HashSet<bool>> = HashMap::new();
    for append in &ledger.appends {
        if let Some(process) = &append.process {
            let by_worker = process.starts_with("worker");
            seen.entry(&append.event).or_default().insert(by_worker);
        }
    }
    let only = |ways: &HashSet<bool>| match (ways.contains(&false), ways.contains(&true)) {
        (true, false) => Some(Inbox::Postgres),
        (false, true) => Some(Inbox::Redis),
        (true, true) | (false, false) => None,
    };
    seen.iter()
        .filter_map(|(event, ways)| Some((*event, only(ways)?)))
        .collect()
}

fn approvals(ledger: &Ledger, effects: &Effects) -> HashMap<Uuid, Vec<Approval>> {
    let failed = failed_once(ledger);
    let inboxes = inboxes(ledger);
    let documents: HashMap<Uuid, u64> = effects
        .documents
        .iter()
        .filter_map(|((_, upload), documents)| Some((*upload, documents.first()?.id)))
        .collect();
    let mut first_sent: HashMap<Uuid, Time> = HashMap::new();
    for post in &ledger.posts {
        let first = first_sent.entry(post.event).or_insert(post.sent);
        *first = (*first).min(post.sent);
    }
    let mut by_matter: HashMap<Uuid, Vec<Approval>> = HashMap::new();
    for post in ledger.posts.iter().filter(|post| post.is_accepted()) {
        let Some(upload) = post.upload.filter(|upload| !failed.contains(upload)) else {
            continue;
        };
        let Some(document) = documents.get(&upload).copied() else {
            continue;
        };
        let Some(inbox) = inboxes.get(post.event.to_string().as_str()).copied() else {
            continue;
        };
        by_matter.entry(post.matter).or_default().push(Approval {
            inbox,
            first_sent: first_sent[&post.event],
            accepted: post.answered,
            upload,
            document,
        });
    }
    by_matter
}
