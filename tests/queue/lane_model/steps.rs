//! What may happen to lanes.

use proptest::prelude::*;

pub(super) const LANES: usize = 6;
pub(super) const WORKERS: usize = 3;

/// Numbers choose among whatever there is when the step is played (modulo its count).
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// `duplicate`: a dedupe key.
    Enqueue {
        lane: usize,
        priority: i16,
        duplicate: Option<u8>,
    },
    Lease {
        worker: usize,
        limit: i32,
    },
    Finish {
        held: usize,
        effect: Effect,
        continue_lane: bool,
    },
    /// An outcome that was written before, or whose lease was lost, comes again.
    FinishStale {
        old: usize,
    },
    GiveBack {
        held: usize,
    },
    Retry {
        failed: usize,
    },
    Skip {
        failed: usize,
    },
    Cancel {
        job: usize,
    },
    RunNow {
        job: usize,
    },
    Pause {
        connection: usize,
    },
    Resume {
        connection: usize,
    },
    /// A worker dies, and another one takes over.
    Crash {
        worker: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Done,
    /// Done, and two jobs follow in the lane.
    DoneAndFollowed,
    Fail,
    LaterAtOnce,
    LaterInAnHour,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let which = any::<u16>().prop_map(usize::from);
    let effect = prop_oneof![
        4 => Just(Effect::Done),
        1 => Just(Effect::DoneAndFollowed),
        2 => Just(Effect::Fail),
        1 => Just(Effect::LaterAtOnce),
        1 => Just(Effect::LaterInAnHour),
    ];
    prop_oneof![
        8 => (0..LANES, 0..3_i16, proptest::option::weighted(0.3, 0..2_u8))
            .prop_map(|(lane, priority, duplicate)| Step::Enqueue { lane, priority, duplicate }),
        6 => (0..WORKERS, 1..5).prop_map(|(worker, limit)| Step::Lease { worker, limit }),
        8 => (which.clone(), effect, any::<bool>()).prop_map(|(held, effect, continue_lane)| Step::Finish { held, effect, continue_lane }),
        2 => which.clone().prop_map(|old| Step::FinishStale { old }),
        1 => which.clone().prop_map(|held| Step::GiveBack { held }),
        2 => which.clone().prop_map(|failed| Step::Retry { failed }),
        1 => which.clone().prop_map(|failed| Step::Skip { failed }),
        1 => which.clone().prop_map(|job| Step::Cancel { job }),
        2 => which.clone().prop_map(|job| Step::RunNow { job }),
        1 => which.clone().prop_map(|connection| Step::Pause { connection }),
        2 => which.clone().prop_map(|connection| Step::Resume { connection }),
        1 => (0..WORKERS).prop_map(|worker| Step::Crash { worker }),
    ]
}
