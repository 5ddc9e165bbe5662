//! The steps seen so far, and the holds that wait for one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::hold::{Gate, Held, Hold, Side};

/// A request, or a COMMIT, that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub label: String,
    /// Rows that the transaction's statements returned; 0 for HTTP, and for a statement that commits by itself.
    pub rows: u64,
    /// Which of the steps with this label it is, counted from 1.
    pub occurrence: u64,
}

#[derive(Debug, Default)]
pub(super) struct Record {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    steps: Vec<Step>,
    /// How often each label came: a run of minutes must not count through all its steps at each.
    seen: HashMap<String, u64>,
    armed: Vec<Armed>,
}

#[derive(Debug)]
struct Armed {
    hold: Hold,
    seen: u64,
    gate: Arc<Gate>,
}

/// Where the step that has just come must stand still.
#[derive(Debug, Default)]
pub(super) struct Stops {
    pub(super) before: Option<Arc<Gate>>,
    pub(super) after: Option<Arc<Gate>>,
}

impl Record {
    /// Notes a step and answers the holds that it fulfils (at most one per side).
    pub(super) fn arrive(&self, label: String, rows: u64) -> Stops {
        let mut state = self.state();
        let seen = state.seen.entry(label.clone()).or_default();
        *seen += 1;
        let occurrence = *seen;
        state
            .armed
            .iter_mut()
            .filter(|armed| armed.wants(&label, rows))
            .for_each(|it| it.seen += 1);
        state.steps.push(Step {
            label,
            rows,
            occurrence,
        });
        Stops {
            before: state.fulfilled(Side::Before),
            after: state.fulfilled(Side::After),
        }
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        self.state().steps.clone()
    }

    pub(super) fn arm(self: &Arc<Self>, hold: Hold) -> Held {
        let gate = Gate::new();
        self.state().armed.push(Armed {
            hold,
            seen: 0,
            gate: Arc::clone(&gate),
        });
        Held {
            gate,
            record: Arc::clone(self),
        }
    }

    pub(super) fn disarm(&self, gate: &Arc<Gate>) {
        self.state()
            .armed
            .retain(|armed| !Arc::ptr_eq(&armed.gate, gate));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fulfilled(&mut self, side: Side) -> Option<Arc<Gate>> {
        let due = self
            .armed
            .iter()
            .position(|armed| armed.hold.side == side && armed.seen >= armed.hold.occurrence)?;
        Some(self.armed.remove(due).gate)
    }
}

impl Armed {
    fn wants(&self, label: &str, rows: u64) -> bool {
        self.hold.label == label && rows >= self.hold.rows_at_least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn occurrences_are_counted_among_matching_steps_since_arming() {
        let record = Arc::new(Record::default());
        record.arrive("COMMIT jobs".into(), 3);

        let hold = Hold {
            label: "COMMIT jobs".into(),
            rows_at_least: 1,
            occurrence: 2,
            side: Side::After,
        };
        let _held = record.arm(hold);

        assert!(record.arrive("COMMIT jobs".into(), 0).after.is_none());
        assert!(record.arrive("COMMIT jobs".into(), 1).after.is_none());
        assert!(record.arrive("COMMIT other".into(), 1).after.is_none());
        let stops = record.arrive("COMMIT jobs".into(), 1);
        assert!(stops.after.is_some() && stops.before.is_none());
        assert_eq!(record.steps().last().unwrap().occurrence, 4);
    }

    #[test]
    fn a_dropped_hold_is_disarmed() {
        let record = Arc::new(Record::default());
        let hold = Hold {
            label: "GET /".into(),
            rows_at_least: 0,
            occurrence: 1,
            side: Side::Before,
        };

        drop(record.arm(hold));

        assert!(record.arrive("GET /".into(), 0).before.is_none());
    }
}
