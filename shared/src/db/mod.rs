//! The database: one pool, and two kinds of transaction.
//!
//! Every pooled connection sits in role `casehug_none`, which may do nothing; a transaction takes up `casehug_firm` (the rows
//! of one firm) or `casehug_worker` (all rows) for its own length. A forgotten role is refused and not unguarded. A few functions
//! of the schema take up the worker's role themselves, for statements that are one trip.

pub mod activity;
pub mod authorisation;
pub mod breaker;
pub mod channels;
pub mod connections;
pub mod digest_key;
pub mod events;
pub mod gauges;
pub mod links;
pub mod matters;
pub mod oauth_states;
pub mod pauses;
pub mod provider_cache;
pub mod retention;
pub mod schedules;
pub mod storages;
pub mod sync_logs;
pub mod tokens;

use std::time::Duration;

use sqlx::{
    AssertSqlSafe, Executor, PgPool, PgTransaction,
    postgres::{PgConnectOptions, PgPoolOptions},
    raw_sql,
};

use crate::domain::FirmId;

/// Breaks off this transaction's statements that take longer.
///
/// # Errors
/// The database is away.
pub async fn limit_statements(db: &mut Transaction, longest: Duration) -> Result<(), sqlx::Error> {
    let limit = format!("set local statement_timeout = {}", longest.as_millis());
    db.execute(AssertSqlSafe(limit)).await.map(|_| ())
}

/// Whether the database broke a statement off because it took too long.
#[must_use]
pub fn took_too_long(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.as_deref() == Some("57014")
}

/// A caller waits at most this long for a connection of the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// A session begins without any right. A statement of the service is short; one that is not, is stuck. No transaction waits for
/// anything but the database: one that idles belongs to a frozen process, whose locks must not outlive its lease for long.
/// Nothing is read from end to end: a plan that is kept from when a table was small would do so when it is large.
/// Nothing here is worth compiling: plans with forbidden scans look dear and would be. (Not as start-up options: poolers refuse those.)
const SESSION: &str = "set role casehug_none; set statement_timeout = '30s'; \
                       set idle_in_transaction_session_timeout = '5s'; set enable_seqscan = off; set jit = off";
/// A session else plans a statement five times for its values before it keeps one plan.
const KEEP_PLANS: &str = "set plan_cache_mode = force_generic_plan";

/// The pool, and the only way to a transaction.
#[derive(Debug, Clone)]
pub struct Database {
    pool: PgPool,
}

impl Database {
    /// A pool that connects when it is first used: a program can start while its database is away.
    ///
    /// # Errors
    /// A malformed address.
    pub fn lazy(url: &str, max_connections: u32) -> Result<Self, sqlx::Error> {
        Self::open(url, max_connections, false)
    }

    /// The same, for who asks the same statements for ever and finds rows by key whatever the values: each session plans a statement once.
    /// Not for lists that filter by what they are given: one plan for all filters reads what a filter would have passed over.
    ///
    /// # Errors
    /// A malformed address.
    pub fn lazy_keeping_plans(url: &str, max_connections: u32) -> Result<Self, sqlx::Error> {
        Self::open(url, max_connections, true)
    }

    fn open(url: &str, max_connections: u32, keep_plans: bool) -> Result<Self, sqlx::Error> {
        let options: PgConnectOptions = url.parse()?;
        let options = options.application_name("casehug");
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .min_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    connection.execute(SESSION).await?;
                    if keep_plans {
                        connection.execute(KEEP_PLANS).await?;
                    }
                    Ok(())
                })
            })
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// A transaction that sees and writes the rows of one firm alone.
    ///
    /// # Errors
    /// The database is away.
    pub async fn firm(&self, firm: FirmId) -> Result<Transaction, sqlx::Error> {
        // The id prints as hexadecimal digits and dashes: nothing in it can end the literal.
        let begin = format!("begin; set local role casehug_firm; set local app.firm_id = '{firm}'");
        self.pool.begin_with(AssertSqlSafe(begin)).await
    }

    /// A transaction of the queue's own machinery, and of intake: it sees all firms.
    ///
    /// # Errors
    /// The database is away.
    pub async fn worker(&self) -> Result<Transaction, sqlx::Error> {
        self.pool
            .begin_with("begin; set local role casehug_worker")
            .await
    }

    /// For a statement that stands alone and calls a function that takes up the worker's role itself: one trip, where a transaction makes
    /// three. It is committed when it is answered.
    #[must_use]
    pub fn single(&self) -> &PgPool {
        &self.pool
    }

    /// Tells the listeners of a channel, without waiting for a disk: who listens also looks by itself.
    ///
    /// Of its own and not in the transaction that it tells of: those that notify commit one after the other, each with its
    /// own sync, for Postgres keeps all of them in one order.
    ///
    /// # Errors
    /// The database is away.
    pub async fn notify(&self, channel: &'static str) -> Result<(), sqlx::Error> {
        // Several statements in one message are one transaction, and one trip.
        let told = format!(
            "set local role casehug_worker; set local synchronous_commit = off; select pg_notify('{channel}', '')"
        );
        raw_sql(AssertSqlSafe(told)).execute(&self.pool).await?;
        Ok(())
    }

    /// Closes all connections. One that a statement still holds is left to the end of the process.
    pub async fn close(&self) {
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.pool.close()).await;
    }
}

/// A transaction in one of the two roles; dropped without commit it is rolled back.
pub type Transaction = PgTransaction<'static>;

/// What a database call can end in; other crates need not know sqlx for it.
pub type DbError = sqlx::Error;

/// Data that the database will never take: a violated constraint, text it cannot store. Everything else passes.
#[must_use]
pub fn is_refusal(error: &DbError) -> bool {
    match error {
        DbError::Database(error) => error
            .code()
            .is_some_and(|code| code.starts_with("22") || code.starts_with("23")),
        DbError::Encode(_) | DbError::Decode(_) | DbError::ColumnDecode { .. } => true,
        _ => false,
    }
}

/// True when two transactions waited for each other and Postgres ended this one: it may be tried again.
#[must_use]
pub fn is_deadlock(error: &DbError) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.code().as_deref() == Some("40P01"))
}

/// True when a statement broke this unique constraint or index.
#[must_use]
pub fn violates(error: &DbError, constraint: &str) -> bool {
    error
        .as_database_error()
        .and_then(|e| e.constraint())
        .is_some_and(|name| name == constraint)
}

/// A row that does not fit the domain, by its table and column: another program than CaseHug must have written it.
pub(crate) fn corrupt(table_column: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{table_column} holds what the domain does not know").into())
}
