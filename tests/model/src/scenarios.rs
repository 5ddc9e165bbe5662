//! The scenarios: which events come, and what may go wrong, and how often.

use crate::rules::Rules;
use crate::state::{Budget, Kind};

const M: (u8, Kind) = (0, Kind::Matter);
const A: (u8, Kind) = (0, Kind::DocumentA);
const B: (u8, Kind) = (0, Kind::DocumentB);
/// The matter of the other lane.
const N: (u8, Kind) = (1, Kind::Matter);

const NONE: Budget = Budget {
    lapse: 0,
    kill: 0,
    start: 0,
    lose_answer: 0,
    lose_request: 0,
    refuse: 0,
    last_attempt: 0,
    blink: 0,
    revoke: 0,
    cancel: 0,
    retry: 0,
    skip: 0,
    pause: 0,
    resume: 0,
    reconnect: 0,
    delete: 0,
    restore: 0,
};

/// A document whose matter is not linked, two workers, a cap of 1.
const BASE: Rules = Rules {
    name: "",
    events: &[A],
    documents: 0b01,
    contact: false,
    explicit: false,
    cap: 1,
    workers: 2,
    poison: false,
    budget: NONE,
    without: None,
};

/// All scenarios, the small ones first.
pub const ALL: &[Rules] = &[
    // Both workers lose the database for longer than a lease.
    Rules {
        name: "outage",
        budget: Budget { lapse: 2, ..NONE },
        ..BASE
    },
    // A process is killed, another one is frozen, a third one starts.
    Rules {
        name: "restart",
        events: &[M],
        documents: 0,
        budget: Budget {
            lapse: 1,
            kill: 1,
            start: 1,
            lose_answer: 1,
            ..NONE
        },
        ..BASE
    },
    Rules {
        name: "double-fault",
        budget: Budget {
            lapse: 2,
            lose_answer: 2,
            lose_request: 1,
            ..NONE
        },
        ..BASE
    },
    Rules {
        name: "pause",
        budget: Budget {
            pause: 1,
            resume: 1,
            lapse: 1,
            lose_answer: 1,
            ..NONE
        },
        ..BASE
    },
    Rules {
        name: "pause-two-lanes",
        events: &[M, N],
        documents: 0,
        cap: 4,
        budget: Budget {
            pause: 1,
            resume: 1,
            lose_answer: 1,
            ..NONE
        },
        ..BASE
    },
    Rules {
        name: "reconnect",
        events: &[M],
        documents: 0,
        budget: Budget {
            revoke: 1,
            reconnect: 2,
            lapse: 1,
            lose_answer: 1,
            ..NONE
        },
        ..BASE
    },
    Rules {
        name: "reconnect-two-lanes",
        events: &[M, N],
        documents: 0,
        cap: 4,
        budget: Budget {
            revoke: 1,
            reconnect: 2,
            ..NONE
        },
        ..BASE
    },
    // A person's own sync reads whether the record is still there, and replaces it. One read may miss a record that stands.
    Rules {
        name: "explicit",
        events: &[M, M],
        documents: 0,
        explicit: true,
        budget: Budget {
            lapse: 1,
            delete: 1,
            restore: 1,
            blink: 1,
            ..NONE
        },
        ..BASE
    },
    Rules {
        name: "twins",
        events: &[A, A, A],
        budget: Budget {
            refuse: 2,
            retry: 2,
            ..NONE
        },
        ..BASE
    },
    // A matter and its document, and an equal event later.
    Rules {
        name: "core",
        events: &[A, A],
        budget: Budget {
            lapse: 1,
            lose_answer: 1,
            lose_request: 1,
            refuse: 1,
            ..NONE
        },
        ..BASE
    },
    // Two matters of one client, who meet in one contact.
    Rules {
        name: "contact",
        events: &[M, N],
        documents: 0,
        contact: true,
        budget: Budget {
            lapse: 1,
            lose_answer: 1,
            lose_request: 1,
            ..NONE
        },
        ..BASE
    },
    Rules {
        name: "contact-cap4",
        events: &[M, N],
        documents: 0,
        contact: true,
        cap: 4,
        budget: Budget {
            lapse: 1,
            lose_answer: 1,
            ..NONE
        },
        ..BASE
    },
    Rules {
        name: "people",
        events: &[A, B],
        documents: 0b11,
        budget: Budget {
            cancel: 1,
            retry: 1,
            lose_answer: 1,
            last_attempt: 1,
            refuse: 1,
            ..NONE
        },
        ..BASE
    },
    Rules {
        name: "people-deep",
        budget: Budget {
            cancel: 1,
            retry: 1,
            skip: 1,
            lose_answer: 1,
            last_attempt: 1,
            lapse: 1,
            ..NONE
        },
        ..BASE
    },
    // A job that takes each process down that runs it, and one that harms nobody and loses its workers to other faults.
    Rules {
        name: "suspects",
        events: &[M, N],
        documents: 0,
        cap: 4,
        poison: true,
        budget: Budget {
            lapse: 1,
            kill: 1,
            ..NONE
        },
        ..BASE
    },
    // Two lanes side by side.
    Rules {
        name: "wide",
        events: &[A, N],
        cap: 4,
        budget: Budget {
            lose_answer: 1,
            cancel: 1,
            retry: 1,
            refuse: 1,
            ..NONE
        },
        ..BASE
    },
    Rules {
        name: "wide-lapse",
        events: &[M, N],
        documents: 0,
        cap: 4,
        budget: Budget {
            lapse: 1,
            lose_answer: 1,
            ..NONE
        },
        ..BASE
    },
];

/// The same with more faults: by name alone, or by the word `deep`.
pub const DEEP: &[Rules] = &[
    Rules {
        name: "restart-deep",
        events: &[M],
        documents: 0,
        budget: Budget {
            lapse: 2,
            kill: 1,
            start: 1,
            lose_answer: 2,
            ..NONE
        },
        ..BASE
    },
    Rules {
        name: "pause-deep",
        budget: Budget {
            pause: 1,
            resume: 1,
            lapse: 2,
            lose_answer: 2,
            ..NONE
        },
        ..BASE
    },
    Rules {
        name: "reconnect-deep",
        events: &[M],
        documents: 0,
        budget: Budget {
            revoke: 1,
            reconnect: 2,
            lapse: 2,
            lose_answer: 1,
            ..NONE
        },
        ..BASE
    },
    Rules {
        name: "explicit-deep",
        events: &[M, M, M],
        documents: 0,
        explicit: true,
        budget: Budget {
            lapse: 1,
            delete: 1,
            restore: 1,
            blink: 1,
            lose_answer: 1,
            ..NONE
        },
        ..BASE
    },
    Rules {
        name: "core-deep",
        events: &[A, A],
        budget: Budget {
            lapse: 2,
            lose_answer: 2,
            lose_request: 1,
            refuse: 1,
            ..NONE
        },
        ..BASE
    },
    Rules {
        name: "contact-deep",
        events: &[M, N],
        documents: 0,
        contact: true,
        budget: Budget {
            lapse: 2,
            lose_answer: 1,
            ..NONE
        },
        ..BASE
    },
];

/// Those that are explored at each run.
pub const SMALL: &[&str] = &[
    "outage",
    "restart",
    "pause",
    "pause-two-lanes",
    "reconnect",
    "reconnect-two-lanes",
    "explicit",
    "twins",
    "core",
    "people-deep",
];

/// The scenario of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Rules> {
    let mut all = ALL.iter().chain(DEEP);
    all.find(|rules| rules.name == name)
}
