//! The search: every state of a scenario, breadth first, so that the way to each finding is a shortest one.

mod rest;
pub mod store;

use std::collections::VecDeque;

use crate::next;
use crate::properties::{ALL, Property, is_at_rest};
use crate::rules::Rules;
use crate::state::State;
use crate::step::{Act, By, Steps};
use store::Store;

/// A scenario with more states than this is cut short: about 8 GB.
const LIMIT: usize = 40_000_000;

/// A property that was reached.
#[derive(Debug)]
pub struct Finding {
    pub property: Property,
    /// The steps of a shortest way, in words.
    pub way: Vec<String>,
}

/// What a search came to.
#[derive(Debug)]
pub struct Explored {
    pub states: usize,
    pub transitions: u64,
    pub depth: u32,
    /// False when it was cut short.
    pub is_complete: bool,
    pub findings: Vec<Finding>,
    /// States from which the service alone never comes to rest: how many, and a shortest way to one.
    pub restless: Option<(usize, Vec<String>)>,
}

struct Search<'a> {
    rules: &'a Rules,
    store: Store,
    /// Those that were found and not looked at yet, with their depth.
    open: VecDeque<(State, u32)>,
    asks_for_rest: bool,
    /// Steps of the service.
    edges: Vec<(u32, u32)>,
    at_rest: Vec<u32>,
    first: Vec<(Property, u32, Act)>,
    transitions: u64,
    depth: u32,
}

/// Explores every state.
#[must_use]
pub fn explore(rules: &Rules) -> Explored {
    let mut search = Search::new(rules, true);
    let is_complete = search.run(|search| search.store.len() > LIMIT);
    let restless = if is_complete { search.restless() } else { None };
    search.told(is_complete, restless)
}

/// Explores until a property is reached. Rest is not asked for.
#[must_use]
pub fn explore_until(rules: &Rules, property: Property) -> Explored {
    let mut search = Search::new(rules, false);
    let is_complete =
        search.run(|search| search.has_reached(property) || search.store.len() > LIMIT);
    search.told(is_complete, None)
}

impl<'a> Search<'a> {
    fn new(rules: &'a Rules, asks_for_rest: bool) -> Self {
        let start = rules.start();
        Self {
            rules,
            store: Store::new(&start.packed()),
            open: VecDeque::from([(start, 0)]),
            asks_for_rest,
            edges: Vec::new(),
            at_rest: Vec::new(),
            first: Vec::new(),
            transitions: 0,
            depth: 0,
        }
    }

    fn has_reached(&self, property: Property) -> bool {
        self.first.iter().any(|(reached, ..)| *reached == property)
    }

    /// True when every state was looked at.
    fn run(&mut self, ends: impl Fn(&Self) -> bool) -> bool {
        let mut steps = Steps::default();
        let mut number = 0;
        while let Some((state, depth)) = self.open.pop_front() {
            self.depth = depth;
            if is_at_rest(self.rules, &state) {
                self.at_rest.push(number);
            }
            next(self.rules, &state, &mut steps);
            for step in &steps.0 {
                self.transitions += 1;
                for about in ALL.iter().filter(|about| step.reached.has(about.property)) {
                    if !self.has_reached(about.property) {
                        self.first.push((about.property, number, step.act));
                    }
                }
                let (to, is_new) = self.store.add(&step.to.packed(), number);
                if is_new {
                    self.open.push_back((step.to, depth + 1));
                }
                if self.asks_for_rest && step.by == By::Service {
                    self.edges.push((number, to));
                }
            }
            if ends(self) {
                return false;
            }
            number += 1;
        }
        true
    }

    fn restless(&self) -> Option<(usize, Vec<String>)> {
        let (count, nearest) = rest::restless(self.store.len(), &self.edges, &self.at_rest)?;
        Some((count, self.words(nearest)))
    }

    fn told(&self, is_complete: bool, restless: Option<(usize, Vec<String>)>) -> Explored {
        let finding = |(property, from, act): &(Property, u32, Act)| {
            let mut way = self.words(*from);
            way.push(act.to_string());
            let property = *property;
            Finding { property, way }
        };
        Explored {
            states: self.store.len(),
            transitions: self.transitions,
            depth: self.depth,
            is_complete,
            findings: self.first.iter().map(finding).collect(),
            restless,
        }
    }

    /// The steps of a shortest way. Only stored forms are kept, so the way is walked once more.
    fn words(&self, to: u32) -> Vec<String> {
        let mut state = self.rules.start();
        let mut steps = Steps::default();
        let mut words = Vec::new();
        for number in &self.store.way(to)[1..] {
            next(self.rules, &state, &mut steps);
            let mut taken = steps.0.iter();
            let step = taken.find(|step| step.to.packed() == *self.store.get(*number));
            let step = step.expect("the step that was stored");
            words.push(step.act.to_string());
            state = step.to;
        }
        words
    }
}
