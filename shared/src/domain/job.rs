//! Jobs: data first. A job is its kind, ids and nothing else; its lane and its duplicate's key stand beside it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::domain::{ConnectionId, FirmId, JobId, MatterId, RunId, UploadId, outcome::Waiting};

/// What is to be done. A kind is a wire format: a removed one keeps a consumer for one release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    SyncMatter,
    SyncDocument,
    PullMatters,
    ProcessWebhook,
    Probe,
    SweepLinks,
    RefreshToken,
    /// What only a newer release knows, found by an older one beside it or after a rollback. It is read and never written.
    #[serde(skip)]
    Unknown,
}

impl JobKind {
    /// The name in SQL, JSON and metric labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SyncMatter => "sync_matter",
            Self::SyncDocument => "sync_document",
            Self::PullMatters => "pull_matters",
            Self::ProcessWebhook => "process_webhook",
            Self::Probe => "probe",
            Self::SweepLinks => "sweep_links",
            Self::RefreshToken => "refresh_token",
            Self::Unknown => "unknown",
        }
    }

    /// Whether firms are told of it: its log row is a row of the sync log.
    #[must_use]
    pub fn is_published(self) -> bool {
        match self {
            Self::SyncMatter | Self::SyncDocument | Self::PullMatters => true,
            Self::ProcessWebhook
            | Self::Probe
            | Self::SweepLinks
            | Self::RefreshToken
            | Self::Unknown => false,
        }
    }

    /// Reads the name in SQL; nothing for a kind that this release does not know.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "sync_matter" => Some(Self::SyncMatter),
            "sync_document" => Some(Self::SyncDocument),
            "pull_matters" => Some(Self::PullMatters),
            "process_webhook" => Some(Self::ProcessWebhook),
            "probe" => Some(Self::Probe),
            "sweep_links" => Some(Self::SweepLinks),
            "refresh_token" => Some(Self::RefreshToken),
            _ => None,
        }
    }

    /// How long one execution may take. A document's own limit is set by its size: see [`upload_limit`].
    #[must_use]
    pub fn time_limit(self) -> Duration {
        match self {
            Self::SyncDocument => Duration::from_hours(6),
            Self::SyncMatter
            | Self::PullMatters
            | Self::ProcessWebhook
            | Self::Probe
            | Self::SweepLinks
            | Self::RefreshToken
            | Self::Unknown => Duration::from_mins(10),
        }
    }
}

/// A job with its arguments: what a handler is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    SyncMatter {
        matter: MatterId,
        /// A continuation: the matter is ensured, and its documents up to this one have their jobs.
        after: Option<UploadId>,
    },
    SyncDocument {
        matter: MatterId,
        upload: UploadId,
    },
    PullMatters,
    ProcessWebhook,
    Probe,
    SweepLinks,
    RefreshToken,
    /// Of a kind that only a newer release knows.
    Unknown,
    /// A row that lacks an argument of its kind.
    Incomplete(JobKind),
}

impl Job {
    /// Reads the columns of a row.
    #[must_use]
    pub fn read(kind: &str, matter: Option<MatterId>, upload: Option<UploadId>) -> Self {
        let Some(kind) = JobKind::parse(kind) else {
            return Self::Unknown;
        };
        match (kind, matter, upload) {
            (JobKind::SyncMatter, Some(matter), after) => Self::SyncMatter { matter, after },
            (JobKind::SyncDocument, Some(matter), Some(upload)) => {
                Self::SyncDocument { matter, upload }
            }
            (JobKind::SyncMatter | JobKind::SyncDocument, _, _) => Self::Incomplete(kind),
            (JobKind::PullMatters, _, _) => Self::PullMatters,
            (JobKind::ProcessWebhook, _, _) => Self::ProcessWebhook,
            (JobKind::Probe, _, _) => Self::Probe,
            (JobKind::SweepLinks, _, _) => Self::SweepLinks,
            (JobKind::RefreshToken, _, _) => Self::RefreshToken,
            (JobKind::Unknown, _, _) => Self::Unknown,
        }
    }

    /// Which kind it is.
    #[must_use]
    pub fn kind(self) -> JobKind {
        match self {
            Self::SyncMatter { .. } => JobKind::SyncMatter,
            Self::SyncDocument { .. } => JobKind::SyncDocument,
            Self::PullMatters => JobKind::PullMatters,
            Self::ProcessWebhook => JobKind::ProcessWebhook,
            Self::Probe => JobKind::Probe,
            Self::SweepLinks => JobKind::SweepLinks,
            Self::RefreshToken => JobKind::RefreshToken,
            Self::Unknown => JobKind::Unknown,
            Self::Incomplete(kind) => kind,
        }
    }
}

/// The least throughput at which a transfer is still worth waiting for, in bytes a second.
const LEAST_THROUGHPUT: u64 = 256 * 1024;

/// How long the transfer of a file may take: ten minutes, or its time at the least throughput.
#[must_use]
pub fn upload_limit(bytes: u64) -> Duration {
    Duration::from_mins(10).max(Duration::from_secs(bytes / LEAST_THROUGHPUT))
}

/// Who is served first. A lane's jobs keep their order whatever their priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    Person = 0,
    Event = 1,
    Background = 2,
}

/// A job to be appended to its lane.
#[derive(Debug, Clone, Serialize)]
pub struct NewJob {
    pub id: JobId,
    pub firm_id: FirmId,
    pub connection_id: ConnectionId,
    pub lane: String,
    pub kind: JobKind,
    pub priority: i16,
    pub matter_id: Option<MatterId>,
    pub upload_id: Option<UploadId>,
    /// A person asked for it by name: each record that stands is then read, and made anew where it is gone. Only such a job replaces a matter.
    pub explicit: bool,
    pub run_id: RunId,
    pub dedupe_key: Option<String>,
    pub event_ids: Vec<String>,
}

/// Where a run's jobs belong, and who asked for them.
#[derive(Debug, Clone)]
pub struct RunContext {
    pub firm_id: FirmId,
    pub connection_id: ConnectionId,
    pub run_id: RunId,
    pub priority: Priority,
    pub explicit: bool,
    pub event_ids: Vec<String>,
}

impl RunContext {
    /// Ensure contact and matter. The dedupe key is (kind, matter).
    #[must_use]
    pub fn sync_matter(&self, matter_id: MatterId) -> NewJob {
        let key = format!("sync_matter:{matter_id}");
        let lane = outbound_lane(self.connection_id, matter_id);
        NewJob {
            matter_id: Some(matter_id),
            ..self.job(JobKind::SyncMatter, lane, key)
        }
    }

    /// Go on with the documents of a matter behind one. The dedupe key is (kind, matter, upload).
    #[must_use]
    pub fn sync_matter_after(&self, matter_id: MatterId, upload_id: UploadId) -> NewJob {
        NewJob {
            upload_id: Some(upload_id),
            dedupe_key: Some(format!("sync_matter:{matter_id}:{upload_id}")),
            ..self.sync_matter(matter_id)
        }
    }

    /// Bring one document to the provider. The dedupe key is (kind, upload).
    #[must_use]
    pub fn sync_document(&self, matter_id: MatterId, upload_id: UploadId) -> NewJob {
        let key = format!("sync_document:{upload_id}");
        let lane = outbound_lane(self.connection_id, matter_id);
        NewJob {
            matter_id: Some(matter_id),
            upload_id: Some(upload_id),
            ..self.job(JobKind::SyncDocument, lane, key)
        }
    }

    /// Look once more at every link of the connection that was ever in doubt. One waits at a time.
    #[must_use]
    pub fn sweep_links(&self) -> NewJob {
        let lane = format!("out:{}:sweep_links", self.connection_id);
        self.job(JobKind::SweepLinks, lane, "sweep_links".into())
    }

    /// Get a new access token before the old one ends. One waits at a time.
    #[must_use]
    pub fn refresh_token(&self) -> NewJob {
        let lane = format!("out:{}:refresh_token", self.connection_id);
        self.job(JobKind::RefreshToken, lane, "refresh_token".into())
    }

    /// Do nothing: shows that a worker turns. Each has a lane of the caller's choice and no duplicate.
    #[must_use]
    pub fn probe(&self, lane: &str) -> NewJob {
        let lane = format!("out:{}:probe:{lane}", self.connection_id);
        NewJob {
            dedupe_key: None,
            ..self.job(JobKind::Probe, lane, String::new())
        }
    }

    fn job(&self, kind: JobKind, lane: String, dedupe_key: String) -> NewJob {
        NewJob {
            id: JobId(clock::new_id()),
            firm_id: self.firm_id,
            connection_id: self.connection_id,
            lane,
            kind,
            priority: self.priority as i16,
            matter_id: None,
            upload_id: None,
            explicit: self.explicit,
            run_id: self.run_id,
            dedupe_key: Some(dedupe_key),
            event_ids: self.event_ids.clone(),
        }
    }
}

/// The lane of everything that goes out for one matter on one connection.
#[must_use]
pub fn outbound_lane(connection_id: ConnectionId, matter_id: MatterId) -> String {
    format!("out:{connection_id}:{matter_id}")
}

/// A worker's right to run a lane's head, and the job itself.
#[derive(Debug, Clone)]
pub struct LeasedJob {
    pub id: JobId,
    pub lane: String,
    pub fence: i64,
    pub firm_id: FirmId,
    pub connection_id: ConnectionId,
    pub work: Job,
    pub explicit: bool,
    pub run_id: RunId,
    pub event_ids: Vec<String>,
    pub priority: i16,
    /// Attempts that ended `retry` or `fail` before this one.
    pub attempts: i32,
    /// Answers of 429 in a row before this execution.
    pub limited: i32,
    /// Since its first execution began.
    pub age: Duration,
    pub cancelled: bool,
    /// What it waited for last, and since when it waits for something that has a time limit.
    pub waited: Option<(Waiting, Duration)>,
}

impl LeasedJob {
    /// What follow-up jobs of this one inherit.
    #[must_use]
    pub fn run_context(&self) -> RunContext {
        RunContext {
            firm_id: self.firm_id,
            connection_id: self.connection_id,
            run_id: self.run_id,
            priority: match self.priority {
                0 => Priority::Person,
                1 => Priority::Event,
                _ => Priority::Background,
            },
            explicit: false,
            event_ids: self.event_ids.clone(),
        }
    }
}
