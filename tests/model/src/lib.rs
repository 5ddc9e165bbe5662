#![doc = include_str!("../README.md")]

pub mod properties;
pub mod rules;
pub mod safeguards;
pub mod scenarios;
pub mod search;
pub mod state;
pub mod statements;
pub mod step;

pub mod faults;
pub mod people;
pub mod provider;
pub mod time;
pub mod worker;

use properties::broken_in;
use rules::Rules;
use state::{State, WORKERS};
use statements::{queue_heartbeat, queue_lease, queue_take_over};
use step::Steps;

/// The steps that are possible in a state, each to a state in its one form.
pub fn next(rules: &Rules, state: &State, out: &mut Steps) {
    possible(rules, state, out);
    for step in &mut out.0 {
        step.to.make_canonical();
    }
}

fn possible(rules: &Rules, state: &State, out: &mut Steps) {
    out.0.clear();
    worker::relay::steps(rules, state, out);
    provider::steps(state, out);
    time::steps(rules, state, out);
    faults::steps(rules, state, out);
    people::steps(state, out);
    queue_take_over::steps(rules, state, out);
    for worker in 0..WORKERS as u8 {
        queue_heartbeat::steps(state, worker, out);
        queue_lease::steps(rules, state, worker, out);
        worker::steps(rules, state, worker, out);
    }
    for step in &mut out.0 {
        step.reached = step.reached.and(broken_in(rules, &step.to));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, VecDeque};

    use super::*;
    use crate::state::packed::Packed;

    /// Of each scenario this number of states is compared.
    const COMPARED: usize = 20_000;

    /// Where the steps of a state lead to, in the one form, and what they break.
    fn leads_to(rules: &Rules, state: &State) -> BTreeSet<(Packed, u32)> {
        let mut steps = Steps::default();
        next(rules, state, &mut steps);
        let told = |step: &step::Step| (step.to.packed(), step.reached.bits());
        steps.0.iter().map(told).collect()
    }

    #[test]
    fn a_state_and_its_one_form_lead_to_the_same() {
        for rules in scenarios::ALL {
            let mut open = VecDeque::from([rules.start()]);
            let mut met = BTreeSet::new();
            let mut steps = Steps::default();
            while let Some(state) = open.pop_front().filter(|_| met.len() < COMPARED) {
                possible(rules, &state, &mut steps);
                for step in &steps.0 {
                    let mut canonical = step.to;
                    canonical.make_canonical();
                    if met.insert(canonical.packed()) {
                        assert_eq!(
                            leads_to(rules, &step.to),
                            leads_to(rules, &canonical),
                            "{}: {}",
                            rules.name,
                            step.act
                        );
                        open.push_back(canonical);
                    }
                }
            }
        }
    }
}
