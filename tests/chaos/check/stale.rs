//! Stale effects: a worker that no longer held a lane changed something for it.
//!
//! - An outcome: in one transaction an execution's end was written (other than `lost`, which a takeover writes), and the lane that
//!   this freed was held by a worker of another process than the writer's; or no lane was freed by it at all.
//! - A write to the provider that creates or changes something: a process made it at a time at which the lane it was made for was
//!   not held by that process. A write counts from the moment at which its bytes left: for one that the run held up on its way,
//!   that is the beginning of the hold-up. `SLACK` is what a busy machine may take to carry bytes from a sender to the provider's
//!   clock; a worker that goes on after a takeover is late by seconds.

use std::collections::HashMap;

use chrono::TimeDelta;
use uuid::Uuid;

use crate::holders::{Holders, Tenure};
use crate::ledger::{Call, Hold, Ledger, Time};
use crate::platform::{Platform, Target};

const SLACK: TimeDelta = TimeDelta::milliseconds(500);

pub(crate) fn find(ledger: &Ledger) -> Vec<String> {
    let holders = Holders::of(ledger);
    let mut found = outcomes(ledger, &holders);
    found.extend(writes(ledger, &holders));
    found
}

fn outcomes(ledger: &Ledger, holders: &Holders<'_>) -> Vec<String> {
    let freed: HashMap<(&str, Uuid), &Hold> = ledger
        .holds
        .iter()
        .filter_map(|hold| Some(((hold.transaction.as_str(), hold.job_before?), hold)))
        .collect();
    let written = ledger.ends.iter().filter(|end| end.outcome != "lost");
    written
        .filter_map(|end| {
            let freed = freed.get(&(end.transaction.as_str(), end.job));
            let holder = freed.and_then(|hold| holders.process(hold.worker_before?));
            (holder != end.process.as_deref()).then(|| {
                format!(
                    "stale: {:?} wrote an outcome of job {} at {}, held by {holder:?}",
                    end.process, end.job, end.at
                )
            })
        })
        .collect()
}

fn writes(ledger: &Ledger, holders: &Holders<'_>) -> Vec<String> {
    let matters = Matters::new(ledger);
    let mut found = Vec::new();
    for call in &ledger.calls {
        let Some((platform, target)) = write_of(call) else {
            continue;
        };
        let host = call.headers.get("host");
        let Some(process) = host.and_then(|host| ledger.run.hosts.get(host)) else {
            continue;
        };
        let left = left_at(ledger, process, call.at);
        let targets = matters.of(platform, &target);
        let held = targets.iter().any(|matter| {
            let tenures = holders.of_matter(*matter);
            tenures
                .iter()
                .any(|tenure| covers(tenure, process, left, call.at))
        });
        if !targets.is_empty() && !held {
            found.push(format!(
                "stale: {process} sent {} {} at {} without holding its lane",
                call.method, call.url, call.at
            ));
        }
    }
    found
}

/// Held for a while between the moment at which the bytes left and the one at which they came.
fn covers(tenure: &Tenure<'_>, process: &str, left: Time, came: Time) -> bool {
    tenure.process == Some(process)
        && tenure.from <= came
        && tenure.until.is_none_or(|until| left <= until + SLACK)
}

/// When the bytes left that came at this time.
fn left_at(ledger: &Ledger, process: &str, came: Time) -> Time {
    let held_up = ledger.faults.iter().filter(|fault| {
        fault.kind == "stall_provider"
            && fault.process.as_deref() == Some(process)
            && (fault.at..=fault.until + SLACK).contains(&came)
    });
    held_up.map(|fault| fault.at).min().unwrap_or(came)
}

/// What a request creates or changes, and where.
fn write_of(call: &Call) -> Option<(Platform, Target)> {
    let mut platforms = Platform::ALL.into_iter();
    let platform = platforms.find(|one| one.word() == call.platform)?;
    Some((platform, platform.target(call)?))
}

/// Which matters' lanes a request can be for.
struct Matters {
    of_upload: HashMap<Uuid, Uuid>,
    of_document: HashMap<(Platform, String), Uuid>,
    of_email: HashMap<String, Vec<Uuid>>,
}

impl Matters {
    fn new(ledger: &Ledger) -> Self {
        let of_upload: HashMap<Uuid, Uuid> = ledger
            .posts
            .iter()
            .filter_map(|post| Some((post.upload?, post.matter)))
            .collect();
        let mut of_document = HashMap::new();
        for (platform, state) in &ledger.states {
            for document in &state.documents {
                let upload = platform.upload_of(document);
                if let Some(matter) = upload.and_then(|upload| of_upload.get(&upload)) {
                    of_document.insert((*platform, document["id"].to_string()), *matter);
                }
            }
        }
        let mut of_email: HashMap<String, Vec<Uuid>> = HashMap::new();
        for matter in &ledger.matters {
            of_email
                .entry(matter.email.clone())
                .or_default()
                .push(matter.matter);
        }
        Self {
            of_upload,
            of_document,
            of_email,
        }
    }

    /// A contact may be made for any matter of its e-mail.
    fn of(&self, platform: Platform, target: &Target) -> Vec<Uuid> {
        let one = match target {
            Target::Contact(emails) => {
                let matters = emails.iter().filter_map(|email| self.of_email.get(email));
                return matters.flatten().copied().collect();
            }
            Target::Matter(matter) => Some(*matter),
            Target::Upload(upload) => self.of_upload.get(upload).copied(),
            Target::Document(id) => self.of_document.get(&(platform, id.clone())).copied(),
        };
        one.into_iter().collect()
    }
}
