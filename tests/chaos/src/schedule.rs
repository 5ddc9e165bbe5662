//! What is broken when: the seed alone decides.

use std::time::Duration;

use harness::cluster::Mode;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// Everybody has started by then, and something is in the queue.
const CALM_BEFORE: Duration = Duration::from_secs(4);
/// Postgres is away this long once in a run, in a short one a tenth of it.
const LONG_AWAY: Duration = Duration::from_secs(40);
/// A window during which the provider's connections stand; what is let go must arrive well within the visibility delay.
const SHORT_STALL_MS: std::ops::Range<u64> = 200..1_000;
const CLOCKS: [&str; 7] = ["-2h", "-30m", "-90", "+90", "+30m", "+2h", "+0"];

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    Kill,
    RestartPostgres(Mode),
    KeepPostgresAway(Duration),
    TerminateBackends,
    StallDatabase(Duration),
    CutDatabase,
    /// What was held arrives in the end.
    StallProvider(Duration),
    /// What was held never arrives.
    StallAndCutProvider(Duration),
    /// A short stall within one whose end never lets go what it holds.
    StallProviderTwice(Duration),
    /// From the database, for one and a half leases.
    CutOffAllWorkers,
    /// Refreshes that are due now are not answered.
    HangSignIn,
    /// Storage takes bytes and does not answer.
    HangStorage,
    CutProvider,
    /// Past its lease, and on again while another worker runs what it held.
    FreezeAtWork,
    /// Past its lease, between the committed intent to create and the first byte.
    FreezeAtIntent,
    JumpClock(&'static str),
    Poison,
    Provider(u64),
    KillRedis,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Planned {
    pub(crate) at: Duration,
    pub(crate) fault: Fault,
    /// Which node, counted around.
    pub(crate) whom: usize,
}

/// How often a fault of a kind falls: the mean time between two of them.
const RHYTHM: [(u64, Kind); 17] = [
    (45, Kind::RestartFast),
    (45, Kind::RestartImmediate),
    (20, Kind::TerminateBackends),
    (12, Kind::StallDatabase),
    (10, Kind::CutDatabase),
    (8, Kind::StallProvider),
    (20, Kind::StallAndCutProvider),
    (40, Kind::StallProviderTwice),
    (60, Kind::CutOffAllWorkers),
    (60, Kind::HangSignIn),
    (240, Kind::HangStorage),
    (10, Kind::CutProvider),
    (16, Kind::FreezeAtWork),
    (20, Kind::FreezeAtIntent),
    (9, Kind::JumpClock),
    (2, Kind::Provider),
    (40, Kind::KillRedis),
];

#[derive(Debug, Clone, Copy)]
enum Kind {
    RestartFast,
    RestartImmediate,
    TerminateBackends,
    StallDatabase,
    CutDatabase,
    StallProvider,
    StallAndCutProvider,
    StallProviderTwice,
    CutOffAllWorkers,
    HangSignIn,
    HangStorage,
    CutProvider,
    FreezeAtWork,
    FreezeAtIntent,
    JumpClock,
    Provider,
    KillRedis,
}

/// All faults of a run, in the order of their moments.
pub(crate) fn plan(seed: u64, kills: usize, length: Duration) -> Vec<Planned> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut faults = vec![Fault::Kill; kills];
    for (mean_seconds, kind) in RHYTHM {
        let times = (length.as_secs() / mean_seconds).max(1);
        faults.extend((0..times).map(|_| kind.fault(&mut random)));
    }
    let mut plan: Vec<Planned> = faults
        .into_iter()
        .map(|fault| Planned {
            at: random.random_range(CALM_BEFORE..length),
            fault,
            whom: random.random_range(0..1_000),
        })
        .collect();
    plan.push(Planned {
        at: length.mul_f64(0.2),
        fault: Fault::Poison,
        whom: 0,
    });
    plan.push(Planned {
        at: length.mul_f64(0.6),
        fault: Fault::KeepPostgresAway(LONG_AWAY.min(length / 10)),
        whom: 0,
    });
    plan.sort_by_key(|planned| planned.at);
    plan
}

impl Kind {
    fn fault(self, random: &mut StdRng) -> Fault {
        let mut seconds =
            |range: std::ops::Range<u64>| Duration::from_millis(random.random_range(range));
        match self {
            Self::RestartFast => Fault::RestartPostgres(Mode::Fast),
            Self::RestartImmediate => Fault::RestartPostgres(Mode::Immediate),
            Self::TerminateBackends => Fault::TerminateBackends,
            Self::StallDatabase => Fault::StallDatabase(seconds(500..7_000)),
            Self::CutDatabase => Fault::CutDatabase,
            Self::StallProvider => Fault::StallProvider(seconds(SHORT_STALL_MS)),
            Self::StallAndCutProvider => Fault::StallAndCutProvider(seconds(2_000..8_000)),
            Self::StallProviderTwice => Fault::StallProviderTwice(seconds(3_000..8_000)),
            Self::CutOffAllWorkers => Fault::CutOffAllWorkers,
            Self::HangSignIn => Fault::HangSignIn,
            Self::HangStorage => Fault::HangStorage,
            Self::CutProvider => Fault::CutProvider,
            Self::FreezeAtWork => Fault::FreezeAtWork,
            Self::FreezeAtIntent => Fault::FreezeAtIntent,
            Self::JumpClock => Fault::JumpClock(CLOCKS.choose(random).unwrap_or(&"+0")),
            Self::Provider => Fault::Provider(random.random()),
            Self::KillRedis => Fault::KillRedis,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_the_schedule() {
        let minute = Duration::from_secs(60);

        assert_eq!(plan(7, 20, minute), plan(7, 20, minute));
        assert_ne!(plan(7, 20, minute), plan(8, 20, minute));
    }

    #[test]
    fn a_short_run_meets_every_kind_of_blow_and_all_its_kills() {
        let plan = plan(1, 30, Duration::from_secs(90));

        let kills = plan.iter().filter(|p| p.fault == Fault::Kill).count();
        let frozen = plan.iter().any(|p| p.fault == Fault::FreezeAtIntent);
        assert_eq!((kills, frozen), (30, true));
        assert!(plan.is_sorted_by_key(|p| p.at));
        assert!(plan.len() > 30 + RHYTHM.len());
    }
}
