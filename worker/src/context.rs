//! One execution of a job: the job, what it can reach, and its session with the provider once it has one.

use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};

use shared::db::{Transaction, connections, tokens};
use shared::domain::Platform;
use shared::domain::connection::{Connection, ConnectionState, Lost};
use shared::domain::job::LeasedJob;
use shared::domain::link::Account;
use shared::domain::outcome::{CallRecord, Failure, Instruction, Report, SkipReason};
use shared::limit::Bucket;
use shared::providers::{CallError, Configured, Names, Provider, Session, SessionSettings};
use shared::queue::Gate;
use tokio_util::sync::CancellationToken;

use crate::environment::Environment;

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
            // The hourly try: an answer heals it.
            ConnectionState::Active
            | ConnectionState::NeedsReconnect {
                lost: Lost::Refusals,
                ..
            } => Ok(Arc::new(connection)),
            ConnectionState::NeedsReconnect {
                lost: Lost::Grant, ..
            } => Err(CallError::NeedsReconnect),
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
            digests: self.environment.digests.clone(),
            oauth: oauth.clone(),
            tokens,
            cancel: self.cancel.clone(),
            background: self.environment.background.clone(),
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

impl Context<'_> {
    /// After a restore, links of the time since may be missing: a create then looks first, for what was created since.
    pub(crate) fn doubt_since(&self) -> Option<DateTime<Utc>> {
        self.execution.environment.links_doubt_since
    }
}
