//! One execution of a job: the job, what it can reach, and its session with the provider once it has one.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};

use shared::clock::Moment;
use shared::db::{Transaction, connections, links, tokens};
use shared::domain::connection::{Connection, ConnectionState};
use shared::domain::job::LeasedJob;
use shared::domain::link::{Account, Claim, Effect, Sent};
use shared::domain::outcome::{CallRecord, Failure, Instruction, Report, SkipReason, Waiting};
use shared::domain::{LinkId, Platform};
use shared::limit::Bucket;
use shared::providers::{CallError, Configured, Names, Provider, Session, SessionSettings};
use shared::queue::{Gate, StopReason};
use tokio_util::sync::CancellationToken;

use crate::environment::Environment;

/// A search that found nothing is believed for 10 minutes: a job that was postponed between search and create need not search again.
const SEARCH_HOLDS: Duration = Duration::from_mins(10);
/// Another lane is creating the same record: it takes a call or two.
const BUSY_AT_LEAST: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub struct Execution {
    pub(crate) environment: Environment,
    pub(crate) job: Arc<LeasedJob>,
    /// Ends with the lease, or with the worker's patience at shutdown.
    pub(crate) cancel: CancellationToken,
    platform: OnceLock<Platform>,
    session: OnceLock<Arc<Session>>,
}

impl Execution {
    pub(crate) fn new(
        environment: Environment,
        job: Arc<LeasedJob>,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            environment,
            job,
            cancel,
            platform: OnceLock::new(),
            session: OnceLock::new(),
        }
    }

    /// The connection's platform, once it was read.
    pub(crate) fn platform(&self) -> Option<Platform> {
        self.platform.get().copied()
    }

    /// Runs a job to its instruction. An error becomes one whose message names the platform.
    pub(crate) async fn instruction_of(
        &self,
        job: impl Future<Output = Result<Report, CallError>> + Send,
    ) -> Instruction {
        match job.await {
            Ok(report) => Instruction::Done(report),
            Err(error) => error.instruction(&self.names()),
        }
    }

    /// How messages name the platform.
    fn names(&self) -> Names {
        let configured = self
            .platform()
            .and_then(|platform| self.environment.providers.of(platform));
        configured.map_or(Names::UNKNOWN, |configured| configured.profile().names())
    }

    /// The calls made so far.
    pub(crate) fn calls(&self) -> Vec<CallRecord> {
        self.session
            .get()
            .map(|session| session.calls())
            .unwrap_or_default()
    }

    /// The connection, when work may go on over it.
    async fn connection(&self, db: &mut Transaction) -> Result<Arc<Connection>, CallError> {
        let found = connections::find(db, self.job.firm_id, self.job.connection_id).await?;
        let Some(connection) = found else {
            return Err(Instruction::Skipped(SkipReason::ConnectionGone).into());
        };
        let _ = self.platform.set(connection.platform);
        match &connection.state {
            ConnectionState::Active => Ok(Arc::new(connection)),
            ConnectionState::NeedsReconnect { .. } => Err(CallError::NeedsReconnect),
            ConnectionState::Disconnected => {
                Err(Instruction::Skipped(SkipReason::ConnectionGone).into())
            }
        }
    }

    /// Reads the connection and opens the session with its platform: one an execution.
    pub(crate) async fn open(&self) -> Result<Context<'_>, CallError> {
        Ok(self.open_reading().await?.0)
    }

    /// The same, and the firm's transaction in which the connection was read, for what else the job has to read first: every
    /// transaction costs a trip to the database. To be dropped before anything is waited for.
    pub(crate) async fn open_reading(&self) -> Result<(Context<'_>, Transaction), CallError> {
        let digests = self.environment.digests().await?;
        let mut db = self.environment.database.firm(self.job.firm_id).await?;
        let connection = self.connection(&mut db).await?;
        let platform = connection.platform;
        let configured = self.environment.providers.of(platform);
        let configured = configured.ok_or_else(|| not_configured(platform))?;
        let oauth = configured.oauth(connection.region);
        let oauth = oauth.ok_or_else(|| not_configured(platform))?;
        let tokens = tokens::find(&mut db, connection.id).await?;
        let counted_by = configured.profile().counted_by;
        let bucket = Bucket::of(connection.as_ref().into(), counted_by, configured.budget);
        let session = Arc::new(Session::new(SessionSettings {
            http: configured.http.clone(),
            gate: Gate::new(
                self.environment.gates.clone(),
                self.job.clone(),
                connection.clone(),
                bucket,
            ),
            keys: self.environment.keys.clone(),
            digests,
            oauth: oauth.clone(),
            tokens,
            cancel: self.cancel.clone(),
        }));
        let session = self.session.get_or_init(|| session).clone();
        let context = Context {
            execution: self,
            account: connection.account(),
            connection,
            session,
            configured,
            provider: configured.provider.as_ref(),
        };
        Ok((context, db))
    }
}

fn not_configured(platform: Platform) -> CallError {
    Instruction::Fail(Failure::new(
        "not_configured",
        format!("{} is not configured", platform.title()),
        "CaseHug has to be given credentials for this platform and region",
    ))
    .into()
}

/// What the steps of a job share: the execution, the account, and the provider with its session.
pub(crate) struct Context<'a> {
    pub(crate) execution: &'a Execution,
    pub(crate) connection: Arc<Connection>,
    pub(crate) account: Account,
    pub(crate) session: Arc<Session>,
    pub(crate) configured: &'a Configured,
    pub(crate) provider: &'a dyn Provider,
}

/// What a claim leaves to be done.
pub(crate) enum Step {
    /// Create it; a search that found nothing is still good.
    Create(LinkId),
    /// Search first.
    Search(LinkId),
    /// Somebody may have created it: look for it.
    Look(Look),
    /// It exists.
    Exists(shared::domain::link::Existing),
}

/// What to look for: what was sent, and not what CaseHug says now.
pub(crate) struct Look {
    pub(crate) link: LinkId,
    /// It cannot be older than this, by the database's clock.
    pub(crate) since: DateTime<Utc>,
    pub(crate) sent: Sent,
}

impl Context<'_> {
    /// Claims an effect and says the next step. A wait for another lane becomes a snooze.
    pub(crate) async fn claim(&self, effect: &Effect) -> Result<Step, CallError> {
        let Execution {
            environment, job, ..
        } = self.execution;
        let delay = self.configured.visibility_delay;
        let claim = links::claim(&environment.database, &self.account, effect, job, delay).await?;
        match claim {
            Claim::Mine {
                link,
                looked_ago: Some(ago),
            } if ago < SEARCH_HOLDS => Ok(Step::Create(link)),
            Claim::Mine { link, .. } => Ok(Step::Search(link)),
            Claim::Have(existing) => Ok(Step::Exists(existing)),
            Claim::Look { link, since, sent } => Ok(Step::Look(Look { link, since, sent })),
            Claim::Wait { wait, in_doubt } => Err(CallError::Later {
                wait: wait.max(BUSY_AT_LEAST),
                reason: if in_doubt {
                    Waiting::Doubt
                } else {
                    Waiting::Contact
                },
            }),
            Claim::Lost => Err(CallError::Stopped(StopReason::LeaseLost)),
        }
    }

    /// Notes that a search or a look, begun at `asked`, found nothing.
    pub(crate) async fn found_nothing(&self, link: LinkId, asked: Moment) -> Result<(), CallError> {
        let mut db = self.execution.environment.database.worker().await?;
        let held = links::found_nothing(&mut db, link, &self.execution.job, asked).await?;
        db.commit().await?;
        if held {
            Ok(())
        } else {
            Err(CallError::Stopped(StopReason::LeaseLost))
        }
    }

    /// Retires a link whose record is gone at the provider.
    pub(crate) async fn supersede(&self, link: LinkId) -> Result<(), CallError> {
        let mut db = self.execution.environment.database.worker().await?;
        let held = links::supersede(&mut db, link, &self.execution.job).await?;
        db.commit().await?;
        if held {
            Ok(())
        } else {
            Err(CallError::Stopped(StopReason::LeaseLost))
        }
    }

    /// After a restore, links of the time since may be missing: a create then looks first, for what was created since.
    pub(crate) fn doubt_since(&self) -> Option<DateTime<Utc>> {
        self.execution.environment.links_doubt_since
    }
}
