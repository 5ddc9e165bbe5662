//! The verdict: the one line that a run comes to.

use std::collections::HashSet;

use serde::Serialize;
use uuid::Uuid;

use crate::effects::Effects;
use crate::ledger::Ledger;
use crate::{breaches, duplicated, lost, reordered, stale, stall};

#[derive(Debug, Default, Serialize)]
pub(crate) struct Verdict {
    pub(crate) kills: usize,
    pub(crate) restarts: usize,
    pub(crate) events_accepted: usize,
    pub(crate) jobs_done: usize,
    pub(crate) lost: usize,
    pub(crate) duplicated: usize,
    pub(crate) reordered: usize,
    pub(crate) stale_effects: usize,
    pub(crate) duplicate_suspected: usize,
    pub(crate) auditor_breaches: usize,
    pub(crate) longest_stall_ms: i64,
    pub(crate) left: usize,
    #[serde(skip)]
    pub(crate) findings: Vec<String>,
}

impl Verdict {
    pub(crate) fn of(ledger: &Ledger) -> Self {
        let effects = Effects::of(&ledger.states);
        let accepted = ledger.posts.iter().filter(|post| post.is_accepted());
        let accepted: HashSet<Uuid> = accepted.map(|post| post.event).collect();
        let faults = |kind: &str| {
            ledger
                .faults
                .iter()
                .filter(|fault| fault.kind == kind)
                .count()
        };
        let mut verdict = Self {
            kills: faults("kill"),
            restarts: faults("restart"),
            events_accepted: accepted.len(),
            jobs_done: ledger
                .ends
                .iter()
                .filter(|end| end.outcome == "done")
                .count(),
            duplicate_suspected: suspected(ledger),
            longest_stall_ms: stall::longest_ms(ledger),
            left: left(ledger),
            ..Self::default()
        };
        verdict.lost = verdict.note(lost::find(ledger, &effects));
        verdict.duplicated = verdict.note(duplicated::find(&effects));
        verdict.reordered = verdict.note(reordered::find(ledger, &effects));
        verdict.stale_effects = verdict.note(stale::find(ledger));
        verdict.auditor_breaches = verdict.note(breaches::find(ledger));
        verdict
    }

    /// Keeps what was found for the report, and counts it.
    fn note(&mut self, found: Vec<String>) -> usize {
        let count = found.len();
        self.findings.extend(found);
        count
    }

    pub(crate) fn is_clean(&self) -> bool {
        [
            self.lost,
            self.duplicated,
            self.reordered,
            self.stale_effects,
            self.auditor_breaches,
            self.left,
        ]
        .iter()
        .all(|count| *count == 0)
    }
}

/// Queued jobs, and events that no worker has taken.
fn left(ledger: &Ledger) -> usize {
    let database = &ledger.database;
    let jobs = database.jobs.iter().filter(|job| job.state == "queued");
    let events = database
        .events
        .iter()
        .filter(|event| event.status == "waiting");
    jobs.count() + events.count()
}

/// What the service itself reported of links that were in doubt.
fn suspected(ledger: &Ledger) -> usize {
    let reports = ledger.database.activity.iter();
    reports
        .filter_map(|activity| activity.details["duplicate_suspected"].as_array())
        .map(Vec::len)
        .sum()
}
