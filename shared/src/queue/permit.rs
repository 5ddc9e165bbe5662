//! The permit: one statement before every call to a provider, and the local half of the same question.
//!
//! The database answers whether the fence holds, the connection is the same, nothing is paused and there is budget.
//! The worker's own clock answers whether the lease lasts long enough: a frozen process has no right to send.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::json;
use tokio::sync::watch;

use crate::clock::Moment;
use crate::db::{Database, corrupt};
use crate::domain::{LinkId, WorkerId, connection::Connection, job::LeasedJob, link::Sent};
use crate::limit::{self, Bucket, LocalLimits};

/// A wait of at most 2 s is slept; a longer one gives the slot back.
const PATIENCE: Duration = Duration::from_secs(2);
/// Waits of 50 ms or more are re-checked. A shorter wait is like a call that is under way.
const LONG_WAIT: Duration = Duration::from_millis(50);
/// The permit is re-checked 10 ms before the wait ends, so that the answer is there in time.
const CONFIRM_AHEAD: Duration = Duration::from_millis(10);
/// The longest time within which the bytes of a write must have left.
const LONGEST_SEND: Duration = Duration::from_secs(3);

/// How long the worker's own lease lasts, as its renewer last saw it.
#[derive(Debug, Clone)]
pub struct Lease {
    pub length: Duration,
    /// Until when the lease is certain, by this machine's clock.
    pub until: watch::Receiver<Moment>,
}

impl Lease {
    /// Until when the bytes of a write must have left once it is permitted: 3 s, at most a fifth of the lease.
    #[must_use]
    pub fn send_deadline(&self) -> Duration {
        LONGEST_SEND.min(self.length / 5)
    }

    /// What must remain of the lease beside the send deadline.
    #[must_use]
    pub fn margin(&self) -> Duration {
        self.length / 10
    }

    /// True while a call may begin.
    fn allows(&self, ask: &Ask) -> bool {
        let needed = match ask {
            Ask::Read | Ask::Authorise => self.margin(),
            Ask::Write { .. } => self.send_deadline() + self.margin(),
        };
        self.until.borrow().remaining() > needed
    }
}

/// Why a call may not be made now or ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    LeaseLost,
    ConnectionChanged,
    Cancelled,
    Paused,
}

/// What is to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Read,
    /// A write; with a link when it creates the link's record.
    Write {
        link: Option<LinkId>,
    },
    /// A token call: it takes no budget.
    Authorise,
}

/// A call that may be made, after a wait that is slept ([`Gate::wait`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    pub wait: Duration,
    /// A write's bytes must have left by then.
    pub send_until: Moment,
    /// Not before this the call is made.
    pub due: Moment,
    /// Under which time it stands in its bucket; nothing when it takes no budget.
    pub sent_at: Option<DateTime<Utc>>,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    Go(Granted),
    /// Not before this wait; nothing is reserved.
    At {
        wait: Duration,
    },
    Stop(StopReason),
}

/// What every gate of a worker shares.
#[derive(Debug, Clone)]
pub struct GateSettings {
    pub database: Database,
    pub worker: WorkerId,
    pub lease: Lease,
    /// What this worker knows of limits; shared by all its gates.
    pub limits: Arc<LocalLimits>,
}

/// One job's way to its provider.
#[derive(Debug, Clone)]
pub struct Gate {
    settings: GateSettings,
    job: Arc<LeasedJob>,
    connection: Arc<Connection>,
    bucket: Bucket,
}

impl Gate {
    /// The gate of one execution.
    #[must_use]
    pub fn new(
        settings: GateSettings,
        job: Arc<LeasedJob>,
        connection: Arc<Connection>,
        bucket: Bucket,
    ) -> Self {
        Self {
            settings,
            job,
            connection,
            bucket,
        }
    }

    /// The database that answers.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.settings.database
    }

    /// The bucket that calls are taken from.
    #[must_use]
    pub fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// How many calls the bucket allows now, as far as this worker knows.
    #[must_use]
    pub fn allowed_calls(&self) -> i32 {
        self.settings.limits.calls(&self.bucket)
    }

    /// Notes a call that the provider may have counted later than the window was lengthened for: it `took` this long from when it
    /// was due to its answer. What the provider answered is worth more than this: a database that is away is passed over.
    pub async fn note_answered(&self, granted: &Granted, method: &Method, took: Duration) {
        let Some(sent_at) = granted.sent_at else {
            return;
        };
        let to = (self.connection.platform, self.connection.region);
        let late = self.settings.limits.lateness(to, method, took);
        if late > self.bucket.budget.jitter()
            && let Err(error) = self.note_late(sent_at, late).await
        {
            tracing::warn!(error = %error, "a late call keeps its early place in its bucket");
        }
    }

    async fn note_late(&self, sent_at: DateTime<Utc>, late: Duration) -> Result<(), sqlx::Error> {
        let mut db = self.settings.database.worker().await?;
        limit::late(&mut db, &self.bucket, sent_at, late).await?;
        db.commit().await
    }

    /// The connection that is called for.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The same, to be kept beyond the call.
    #[must_use]
    pub fn shared_connection(&self) -> Arc<Connection> {
        self.connection.clone()
    }

    /// The job that calls.
    #[must_use]
    pub fn job(&self) -> &LeasedJob {
        &self.job
    }

    /// May this call be made? On `Go` the budget is taken, and a link is `creating`, with what is sent.
    ///
    /// # Errors
    /// The database refused: no call may be made.
    pub async fn ask(&self, ask: Ask, sent: Option<&Sent>) -> Result<Permit, sqlx::Error> {
        if !self.wait_for_lease(&ask).await {
            return Ok(Permit::Stop(StopReason::LeaseLost));
        }
        if ask != Ask::Authorise
            && let Some(wait) = self.settings.limits.wait(&self.bucket)
        {
            if wait > PATIENCE {
                return Ok(Permit::At { wait });
            }
            tokio::time::sleep(wait).await;
        }
        let asked = Moment::now();
        let row = self.query(ask, sent).await?;
        self.measure(&row);
        let used_up = (row.verdict == "at").then_some(row.wait());
        self.settings
            .limits
            .learn(&self.bucket, row.budget, used_up);
        // Counted from before the question: the database's send_until is never earlier than ours.
        row.permit(|row| Granted {
            wait: row.wait(),
            send_until: asked + row.wait() + self.settings.lease.send_deadline(),
            due: asked + row.wait(),
            sent_at: row.sent_at,
        })
    }

    /// Sleeps the wait of a permit, and asks at its end whether the call may still be made: the bucket may have been paused meanwhile
    /// (a 429), or the job cancelled. What it took from the bucket stays taken.
    ///
    /// # Errors
    /// The database refused: the call may not be made.
    pub async fn wait(&self, granted: &Granted) -> Result<Permit, sqlx::Error> {
        let due = Moment::now() + granted.wait;
        let mut permit = Permit::Go(*granted);
        if granted.wait >= LONG_WAIT {
            tokio::time::sleep(granted.wait - CONFIRM_AHEAD).await;
            permit = self.confirm(granted).await?;
        }
        if matches!(permit, Permit::Go(_)) {
            tokio::time::sleep(due.remaining()).await;
        }
        Ok(permit)
    }

    async fn confirm(&self, granted: &Granted) -> Result<Permit, sqlx::Error> {
        let row = sqlx::query_as!(
            Row,
            r#"select verdict as "verdict!", wait_ms as "wait_ms!", reason, budget as "budget!", used as "used!", sent_at
               from queue_confirm_permit($1, $2, $3, $4, $5, $6, $7, $8)"#,
            self.settings.worker.0,
            self.job.lane,
            self.job.fence,
            self.job.id.0,
            self.connection.id.0,
            self.connection.epoch,
            self.bucket.key.as_str(),
            ms(CONFIRM_AHEAD),
        )
        .fetch_one(self.settings.database.single())
        .await?;
        row.permit(|_| *granted)
    }

    /// True when the lease is still certain for this kind of call, right now.
    #[must_use]
    pub fn lease_allows(&self, ask: &Ask) -> bool {
        self.settings.lease.allows(ask)
    }

    /// A lease that is about to be renewed is waited for, but never longer than a lease.
    async fn wait_for_lease(&self, ask: &Ask) -> bool {
        let mut until = self.settings.lease.until.clone();
        let renewed = async {
            while !self.settings.lease.allows(ask) {
                if until.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(self.settings.lease.length, renewed)
            .await
            .unwrap_or(false)
    }

    /// Calls that take no budget say nothing of their bucket.
    fn measure(&self, row: &Row) {
        if row.budget > 0 {
            metrics::histogram!("casehug_bucket_use_ratio", "platform" => self.connection.platform.as_str())
                .record(f64::from(row.used) / f64::from(row.budget));
        }
    }

    async fn query(&self, ask: Ask, sent: Option<&Sent>) -> Result<Row, sqlx::Error> {
        let link = match ask {
            Ask::Write { link } => link,
            Ask::Read | Ask::Authorise => None,
        };
        let bucket = (ask != Ask::Authorise).then_some(self.bucket.key.as_str());
        let budget = self.bucket.budget;
        sqlx::query_as!(
            Row,
            r#"select verdict as "verdict!", wait_ms as "wait_ms!", reason, budget as "budget!", used as "used!", sent_at
               from queue_permit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"#,
            self.settings.worker.0,
            self.job.lane,
            self.job.fence,
            self.job.id.0,
            self.connection.id.0,
            self.connection.epoch,
            bucket,
            self.bucket.firm.map(|firm| firm.0),
            budget.calls,
            ms(budget.window),
            ms(budget.jitter()),
            ms(PATIENCE),
            link.map(|id| id.0),
            ms(self.settings.lease.send_deadline()),
            sent.map(|sent| json!(sent)),
        )
        .fetch_one(self.settings.database.single())
        .await
    }
}

struct Row {
    verdict: String,
    wait_ms: i32,
    reason: Option<String>,
    /// Calls in a window, as the bucket stands now; 0 when it was not asked.
    budget: i32,
    /// Calls of this window, this one included; 0 when it was not asked.
    used: i32,
    sent_at: Option<DateTime<Utc>>,
}

impl Row {
    fn wait(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.wait_ms).unwrap_or(0))
    }

    fn permit(&self, granted: impl FnOnce(&Self) -> Granted) -> Result<Permit, sqlx::Error> {
        Ok(match self.verdict.as_str() {
            "go" => Permit::Go(granted(self)),
            "at" => Permit::At { wait: self.wait() },
            "stop" => Permit::Stop(match self.reason.as_deref() {
                Some("connection_changed") => StopReason::ConnectionChanged,
                Some("cancelled") => StopReason::Cancelled,
                Some("paused") => StopReason::Paused,
                _ => StopReason::LeaseLost,
            }),
            _ => return Err(corrupt("permit_answer.verdict")),
        })
    }
}

fn ms(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
