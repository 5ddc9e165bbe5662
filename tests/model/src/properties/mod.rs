//! What must hold in every state and at every step, and what may happen by decision.

mod broken;
mod rest;

pub use broken::{broken_by_effect, broken_in};
pub use rest::is_at_rest;

/// Something that may be reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Property {
    Doubled,
    OrderOfEffects,
    Overwritten,
    StaleFinish,
    StaleComplete,
    StaleFound,
    StaleMissing,
    StaleSupersede,
    Theft,
    FreedOfAnother,
    FreshParked,
    CancelFailed,
    IdleWithJob,
    ReadyWithoutJob,
    HeldByNobody,
    NotItsHead,
    LeftBehind,
    AboveCap,
    LogDiffers,
    Duplicates,
    JoinedRunning,
    Unswept,
    BrokenPromise,
    SuspectBeside,
    NotAlone,
    LostAgain,
    // By decision.
    TakenAfterPause,
    SentAfterTakeOver,
    AppearsAfterTheEnd,
    RestoredBeside,
}

/// Its name, and whether and why it may be reached.
#[derive(Debug)]
pub struct About {
    pub property: Property,
    pub name: &'static str,
    /// Why it is accepted; nothing where it must never be reached.
    pub accepted: Option<&'static str>,
}

const fn never(property: Property, name: &'static str) -> About {
    About {
        property,
        name,
        accepted: None,
    }
}

const fn accepted(property: Property, name: &'static str, why: &'static str) -> About {
    About {
        property,
        name,
        accepted: Some(why),
    }
}

/// All of them.
pub const ALL: &[About] = &[
    never(Property::Doubled, "an effect stands twice at the provider"),
    never(
        Property::OrderOfEffects,
        "an effect came into being after one of a later place of its lane",
    ),
    never(
        Property::Overwritten,
        "an outcome was written over a job that had ended",
    ),
    never(
        Property::StaleFinish,
        "an outcome was accepted under a stale fence",
    ),
    never(
        Property::StaleComplete,
        "link_complete was accepted under a stale fence",
    ),
    never(
        Property::StaleFound,
        "link_found_nothing or link_not_sent was accepted under a stale fence",
    ),
    never(
        Property::StaleMissing,
        "link_note_missing was accepted under a stale fence",
    ),
    never(
        Property::StaleSupersede,
        "a link was superseded under a stale fence",
    ),
    never(
        Property::Theft,
        "a takeover by a worker that has not renewed for one lease length",
    ),
    never(
        Property::FreedOfAnother,
        "a takeover freed a lane that the dead worker did not hold",
    ),
    never(
        Property::FreshParked,
        "a grant that nobody refused was parked",
    ),
    never(
        Property::CancelFailed,
        "a job whose cancel was acknowledged ended as failed",
    ),
    never(Property::IdleWithJob, "an idle lane has a waiting job"),
    never(Property::ReadyWithoutJob, "a ready lane has no job"),
    never(
        Property::HeldByNobody,
        "a lane is held by a worker without a row",
    ),
    never(
        Property::NotItsHead,
        "a held lane does not run its own head",
    ),
    never(
        Property::LeftBehind,
        "a job waits at a place that its lane has gone through",
    ),
    never(Property::AboveCap, "a connection is above its cap"),
    never(Property::LogDiffers, "a log row differs from its job"),
    never(
        Property::Duplicates,
        "two duplicates wait, neither of which has run",
    ),
    never(
        Property::JoinedRunning,
        "an event joined a job that had begun to read",
    ),
    never(
        Property::Unswept,
        "a creation is in doubt, and neither a job nor a sweep will look for it",
    ),
    never(
        Property::BrokenPromise,
        "an event's wish hangs on a job that is gone without an end",
    ),
    never(
        Property::SuspectBeside,
        "a suspect runs on a worker that does not run alone",
    ),
    never(
        Property::NotAlone,
        "a worker that runs alone holds two lanes, or one that is not suspect",
    ),
    never(
        Property::LostAgain,
        "a job that took three workers down took another one",
    ),
    accepted(
        Property::TakenAfterPause,
        "a job was taken after a pause was committed",
        "a lease that has read the pauses may commit after the pause; the job's first permit says `paused`, and nothing is sent",
    ),
    accepted(
        Property::SentAfterTakeOver,
        "a create was sent after its lane was taken over, before `send_until`",
        "it was permitted before the takeover, and the next holder meets the link as `creating` and waits for it",
    ),
    accepted(
        Property::AppearsAfterTheEnd,
        "an effect came into being after its job had ended and a later job's effect stood",
        "a cancel or the last attempt may end a job while its answer is out, and the lane does not wait for the visibility delay",
    ),
    accepted(
        Property::RestoredBeside,
        "a record that a person restored stands beside the one that replaced it",
        "a look or two reads had missed it, and the person restored it after that: no statement can see it",
    ),
];

/// A set of properties.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Reached(u32);

impl Reached {
    /// With one more, if `broken`.
    #[must_use]
    pub fn with_if(self, property: Property, broken: bool) -> Self {
        Self(self.0 | u32::from(broken) << property as u8)
    }

    /// With those of another set.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a property is in it.
    #[must_use]
    pub fn has(self, property: Property) -> bool {
        self.0 >> property as u8 & 1 == 1
    }

    /// One bit for each property.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }
}
