//! Outcomes: a job returns an instruction, built where the fact is known; one `match` turns it into the database change.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::{ExternalId, LinkId, job::NewJob};

/// What a job says of itself when it stops.
#[derive(Debug)]
pub enum Instruction {
    Done(Report),
    Skipped(SkipReason),
    /// A postponement without a failure: no attempt is counted.
    Snooze {
        wait: Duration,
        reason: Waiting,
        /// The reason's time limit begins now: the job waits for another record than before.
        anew: bool,
    },
    /// The provider's limit was hit: `pause` says for how long. A wait that it asked for (`kept`), and that ends in another 429, counts.
    Limited {
        pause: Duration,
        kept: bool,
    },
    Retry(Failure),
    Fail(Failure),
    /// The connection is parked, and its lanes wait with it.
    NeedsReconnect(Failure),
}

/// What a job that is done leaves behind.
#[derive(Debug, Default)]
pub struct Report {
    pub external_id: Option<ExternalId>,
    /// For people: what was found, created, skipped. Never client data.
    pub details: Map<String, Value>,
    /// Jobs that come behind this one, in its own lane.
    pub follow_ups: Vec<NewJob>,
    /// Failed jobs of the lane with this code are put behind it again.
    pub requeue_code: Option<&'static str>,
}

/// Why there was nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    NotApproved,
    RecordGone,
    Cancelled,
    ConnectionGone,
    /// The platform has nothing of the kind.
    NotOffered,
}

impl SkipReason {
    /// The log's code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotApproved => "not_approved",
            Self::RecordGone => "record_gone",
            Self::Cancelled => "cancelled",
            Self::ConnectionGone => "connection_gone",
            Self::NotOffered => "not_offered",
        }
    }
}

/// What a postponed job waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    Retry,
    Limited,
    Paused,
    Provider,
    Contact,
    Doubt,
    Shutdown,
    NeedsReconnect,
    /// A worker of the release that knows the job's kind.
    NewerWorker,
    /// Another job is renewing the connection's token.
    SignIn,
    /// An operator: the platform refuses CaseHug's own credentials, or no key opens the connection's tokens.
    Misconfigured,
    /// The platform's storage of files, which takes no bytes of anybody.
    Storage,
}

impl Waiting {
    /// The name in SQL and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Limited => "limited",
            Self::Paused => "paused",
            Self::Provider => "provider",
            Self::Contact => "contact",
            Self::Doubt => "doubt",
            Self::Shutdown => "shutdown",
            Self::NeedsReconnect => "needs_reconnect",
            Self::NewerWorker => "newer_worker",
            Self::SignIn => "sign_in",
            Self::Misconfigured => "misconfigured",
            Self::Storage => "storage",
        }
    }

    /// Reads the name in SQL.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Retry,
            Self::Limited,
            Self::Paused,
            Self::Provider,
            Self::Contact,
            Self::Doubt,
            Self::Shutdown,
            Self::NeedsReconnect,
            Self::NewerWorker,
            Self::SignIn,
            Self::Misconfigured,
            Self::Storage,
        ]
        .into_iter()
        .find(|waiting| waiting.as_str() == text)
    }

    /// How long a job waits for it at most; nothing where the wait ends with its cause.
    #[must_use]
    pub fn limit(self) -> Option<Duration> {
        match self {
            Self::Provider => Some(Duration::from_mins(2)),
            Self::Contact | Self::Doubt => Some(Duration::from_hours(1)),
            Self::Retry
            | Self::Limited
            | Self::Paused
            | Self::Shutdown
            | Self::NeedsReconnect
            | Self::NewerWorker
            | Self::SignIn
            | Self::Misconfigured
            | Self::Storage => None,
        }
    }
}

/// Something that went wrong, in the product's words: it is shown to people and holds no client data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub code: &'static str,
    pub message: String,
    /// What to do about it.
    pub resolution: String,
    /// The least wait before the next attempt, when the provider named one.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
    /// The provider's full words, sealed: they may repeat client data and are for the firm's admins alone.
    #[serde(skip)]
    pub provider_words: Option<String>,
    /// Which records at the provider may be the one that was created.
    #[serde(skip)]
    pub suspected: Option<Suspected>,
}

/// Records at the provider that may be the one that was created: a person may choose one of them (`queue_adopt`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suspected {
    pub link: LinkId,
    pub records: Vec<ExternalId>,
}

/// What to do about a failure that is tried again; it may go on with a place to look at.
pub const RETRIED: &str = "no action needed: CaseHug retries automatically";

impl Failure {
    /// The same, once it is not tried again.
    #[must_use]
    pub fn given_up(mut self) -> Self {
        if let Some(rest) = self.resolution.strip_prefix(RETRIED) {
            self.resolution = format!(
                "retry it when the trouble is over: CaseHug has tried again and again and stopped{rest}"
            );
        }
        self
    }

    /// The same, with the provider's full words, sealed.
    #[must_use]
    pub fn with_words(mut self, sealed: Option<String>) -> Self {
        self.provider_words = sealed;
        self
    }

    /// A failure in fixed words.
    #[must_use]
    pub fn new(
        code: &'static str,
        message: impl Into<String>,
        resolution: impl Into<String>,
    ) -> Self {
        Self {
            code,
            message: message.into(),
            resolution: resolution.into(),
            retry_after: None,
            provider_words: None,
            suspected: None,
        }
    }

    /// The same, not to be tried again before `wait`.
    #[must_use]
    pub fn not_before(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// A document whose matter has no link: it is put back when the matter's own job succeeds.
    #[must_use]
    pub fn matter_not_synced() -> Self {
        Self::new(
            MATTER_NOT_SYNCED,
            "the matter is not synced",
            "retry the matter's own sync; its documents follow by themselves",
        )
    }

    /// A fault of CaseHug itself that should not happen.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(
            "internal",
            message,
            "retry; if it fails again, contact support@calmintake.com",
        )
    }
}

/// The code of a document whose matter has no link.
pub const MATTER_NOT_SYNCED: &str = "matter_not_synced";

/// One call to a provider, for the history of an attempt: no bodies, no query, ids out of the path.
#[derive(Debug, Clone, Serialize)]
pub struct CallRecord {
    pub method: &'static str,
    pub path: &'static str,
    /// Nothing when no answer came.
    pub status: Option<u16>,
    pub ms: u64,
    pub request_id: Option<String>,
}
