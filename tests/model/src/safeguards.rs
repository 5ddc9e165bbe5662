//! Safeguards that are taken away, one by one, to see that the model finds what follows.

use crate::properties::Property;
use crate::rules::{Rules, Safeguard};
use crate::scenarios;

/// A safeguard, and what its absence leads to.
#[derive(Debug)]
pub struct Taken {
    pub safeguard: Safeguard,
    /// Said of it in the results.
    pub name: &'static str,
    /// The scenario from which it is taken.
    pub scenario: &'static str,
    /// What is then reached.
    pub leads_to: Property,
}

const fn taken(
    safeguard: Safeguard,
    name: &'static str,
    scenario: &'static str,
    leads_to: Property,
) -> Taken {
    Taken {
        safeguard,
        name,
        scenario,
        leads_to,
    }
}

/// All of them.
pub const ALL: &[Taken] = &[
    taken(
        Safeguard::HeadsAfterLock,
        "heads read after the lane is locked",
        "core",
        Property::IdleWithJob,
    ),
    taken(
        Safeguard::Look,
        "the look before a create in doubt",
        "core",
        Property::Doubled,
    ),
    taken(
        Safeguard::LinkComparedInPermit,
        "the link compared and set in the permit",
        "core",
        Property::Doubled,
    ),
    taken(
        Safeguard::FenceInFinish,
        "the fence in finish",
        "core",
        Property::StaleFinish,
    ),
    taken(
        Safeguard::TakeOverLocksLanes,
        "lanes locked by the takeover",
        "core",
        Property::FreedOfAnother,
    ),
    taken(
        Safeguard::JoinsPassOverRunning,
        "joins pass over the running job",
        "core",
        Property::JoinedRunning,
    ),
    taken(
        Safeguard::LeaseLocksWorker,
        "a lease locks its worker's row",
        "restart",
        Property::HeldByNobody,
    ),
    taken(
        Safeguard::LinksAskForFence,
        "links ask for the running fence",
        "explicit",
        Property::Doubled,
    ),
    taken(
        Safeguard::RequeueJoins,
        "a requeued job joins its duplicate",
        "twins",
        Property::Duplicates,
    ),
    taken(
        Safeguard::CancelWins,
        "a cancel wins over a failure",
        "people-deep",
        Property::CancelFailed,
    ),
    taken(
        Safeguard::RenewedSince,
        "a takeover asks for renewals",
        "outage",
        Property::Theft,
    ),
    taken(
        Safeguard::ParksOwnEpoch,
        "the epoch of its own session is parked",
        "reconnect",
        Property::FreshParked,
    ),
    taken(
        Safeguard::DoubtedSince,
        "a creation that no claim has met counts as doubted",
        "people-deep",
        Property::Unswept,
    ),
    taken(
        Safeguard::TwoReads,
        "a second read before a record counts as gone",
        "explicit",
        Property::Doubled,
    ),
    taken(
        Safeguard::SuspectsAlone,
        "suspects are taken by workers that run alone",
        "suspects",
        Property::SuspectBeside,
    ),
    taken(
        Safeguard::SentInTime,
        "assumption: nothing is sent after send_until",
        "core",
        Property::Doubled,
    ),
    taken(
        Safeguard::VisibleInTime,
        "assumption: visible within the visibility delay",
        "core",
        Property::Doubled,
    ),
];

impl Taken {
    /// The scenario without the safeguard.
    ///
    /// # Panics
    /// There is no such scenario.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let rules = scenarios::find(self.scenario).expect("a scenario of that name");
        Rules {
            without: Some(self.safeguard),
            ..rules.clone()
        }
    }
}
