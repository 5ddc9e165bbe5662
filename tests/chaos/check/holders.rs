//! Who held which lane when, from the history that triggers wrote.

use std::collections::HashMap;

use uuid::Uuid;

use crate::ledger::{Ledger, Time};

/// A process held a lane; without an end it still does.
#[derive(Debug)]
pub(crate) struct Tenure<'a> {
    pub(crate) process: Option<&'a str>,
    pub(crate) from: Time,
    pub(crate) until: Option<Time>,
}

#[derive(Debug, Default)]
pub(crate) struct Holders<'a> {
    processes: HashMap<Uuid, &'a str>,
    by_matter: HashMap<Uuid, Vec<Tenure<'a>>>,
}

impl<'a> Holders<'a> {
    pub(crate) fn of(ledger: &'a Ledger) -> Self {
        let processes = ledger.workers.iter();
        let processes =
            processes.filter_map(|worker| Some((worker.id, worker.process.as_deref()?)));
        let mut holders = Self {
            processes: processes.collect(),
            by_matter: HashMap::new(),
        };
        for hold in &ledger.holds {
            let Some(matter) = matter_of(&hold.lane) else {
                continue;
            };
            let process = hold.worker.and_then(|worker| holders.process(worker));
            let tenures = holders.by_matter.entry(matter).or_default();
            if let Some(last) = tenures.last_mut() {
                last.until.get_or_insert(hold.at);
            }
            if hold.worker.is_some() {
                tenures.push(Tenure {
                    process,
                    from: hold.at,
                    until: None,
                });
            }
        }
        holders
    }

    /// The process that registered this worker.
    pub(crate) fn process(&self, worker: Uuid) -> Option<&'a str> {
        self.processes.get(&worker).copied()
    }

    /// The tenures of a matter's lane, oldest first.
    pub(crate) fn of_matter(&self, matter: Uuid) -> &[Tenure<'a>] {
        self.by_matter.get(&matter).map_or(&[], Vec::as_slice)
    }
}

/// `out:{connection}:{matter}`; lanes of other work have no matter.
fn matter_of(lane: &str) -> Option<Uuid> {
    lane.rsplit(':').next()?.parse().ok()
}
