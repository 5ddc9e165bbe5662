//! Two systems in turn: the same load on each, one at a time, the other one held; so that what the machine does meanwhile
//! meets both alike.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::benches::drain::steady;
use crate::figures::{median, rounded};
use crate::report::Report;
use crate::system::BenchSystem;
use crate::workload::Workload;

#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) system: Arc<BenchSystem>,
    pub(crate) field: Workload,
    /// The number of the next job.
    pub(crate) next: u64,
    /// The number of the field's jobs that wait at any time.
    pub(crate) backlog: u64,
    pub(crate) rates: Vec<f64>,
}

impl Side {
    pub(crate) fn new(name: &'static str, system: BenchSystem, field: Workload) -> Self {
        Self {
            name,
            system: Arc::new(system),
            field,
            next: 0,
            backlog: 0,
            rates: Vec::new(),
        }
    }

    async fn round(&mut self, length: Duration) -> Result<Value> {
        // Between the end of a measurement and the hold jobs go out and none come in: each round begins with filling up.
        let left = self.next - self.system.executed().await?;
        let missing = self.backlog.saturating_sub(left);
        self.system.let_go().await?;
        let steady = steady::measure(&self.system, &self.field, self.next, missing, length).await?;
        self.system.hold().await?;
        self.next = steady.next;
        self.rates.push(steady.jobs_per_s);
        let mut shown = steady.shown(&json!({ "name": self.name }));
        shown["what"] = json!(self.name);
        Ok(shown)
    }

    pub(crate) fn rate(&self) -> f64 {
        median(&self.rates)
    }
}

/// `rounds` rounds of each, in turn. Returns the second's rate as a part of the first's.
pub(crate) async fn in_turn(
    sides: &mut [Side; 2],
    rounds: u32,
    length: Duration,
    report: &Report,
) -> Result<f64> {
    for _ in 0..rounds {
        for side in sides.iter_mut() {
            report.line(side.round(length).await?);
        }
    }
    let [first, second] = &*sides;
    let share = second.rate() / first.rate();
    report.line(json!({ "what": format!("{} against {}", second.name, first.name), "jobs_per_s": rounded(second.rate()),
        "against_per_s": rounded(first.rate()), "share": rounded(share) }));
    Ok(share)
}
