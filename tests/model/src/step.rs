//! A step: what happens, by whose doing, and to which state it leads.

use std::fmt;

use crate::properties::{Property, Reached};
use crate::state::{EFFECTS, State};

/// By whose doing a step happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// The service and the provider, as they go on by themselves, and time.
    Service,
    Fault,
    Person,
}

/// What a step is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum On {
    Nothing,
    Lane(u8),
    Effect(u8),
    Job(u8),
    Event(u8),
    Worker(u8),
}

/// The words for a step in a trace.
#[derive(Clone, Copy, Debug)]
pub struct Act {
    pub what: &'static str,
    pub worker: Option<u8>,
    pub on: On,
}

impl Act {
    /// Of a worker.
    #[must_use]
    pub fn of(worker: u8, what: &'static str, on: On) -> Self {
        let worker = Some(worker);
        Self { what, worker, on }
    }

    /// Of somebody else.
    #[must_use]
    pub fn other(what: &'static str, on: On) -> Self {
        let worker = None;
        Self { what, worker, on }
    }
}

const EFFECT_NAMES: [&str; EFFECTS] = [
    "the contact",
    "matter 0",
    "matter 1",
    "document A",
    "document B",
];

impl fmt::Display for On {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Lane(lane) => write!(to, " (lane {lane})"),
            Self::Effect(effect) => write!(to, " ({})", EFFECT_NAMES[*effect as usize]),
            Self::Job(job) => write!(to, " (job {job})"),
            Self::Event(event) => write!(to, " (event {event})"),
            Self::Worker(worker) => write!(to, " (worker {worker})"),
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(worker) = self.worker {
            write!(to, "worker {worker}: ")?;
        }
        write!(to, "{}{}", self.what, self.on)
    }
}

/// One step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub act: Act,
    pub by: By,
    pub to: State,
    /// The properties that it breaks.
    pub reached: Reached,
}

/// The steps that are possible in a state.
#[derive(Debug, Default)]
pub struct Steps(pub Vec<Step>);

impl Steps {
    /// A step of the service.
    pub fn service(&mut self, act: Act, to: State) {
        self.reaching(act, to, Reached::default());
    }

    /// A step of the service that breaks properties.
    pub fn reaching(&mut self, act: Act, to: State, reached: Reached) {
        let by = By::Service;
        self.0.push(Step {
            act,
            by,
            to,
            reached,
        });
    }

    /// A fault or an act of a person.
    pub fn by(&mut self, by: By, act: Act, to: State) {
        let reached = Reached::default();
        self.0.push(Step {
            act,
            by,
            to,
            reached,
        });
    }

    /// A step of the service that breaks a property if `broken`.
    pub fn checked(&mut self, act: Act, to: State, property: Property, broken: bool) {
        self.reaching(act, to, Reached::default().with_if(property, broken));
    }
}
