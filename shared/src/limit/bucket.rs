//! A bucket's numbers, and what moves them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::connection::Connection;
use crate::domain::{ConnectionId, FirmId, Platform, Region};

/// At most `calls` calls in any window of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    pub calls: i32,
    pub window: Duration,
}

impl Budget {
    /// Reads `50/60s`, `5/1s` or `25/500ms`.
    ///
    /// # Errors
    /// A sentence that says the form.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = || "must look like 50/60s or 5/1000ms".to_owned();
        let (calls, window) = text.split_once('/').ok_or_else(form)?;
        let calls: i32 = calls.trim().parse().map_err(|_| form())?;
        let window = window.trim();
        let window = if let Some(ms) = window.strip_suffix("ms") {
            Duration::from_millis(ms.parse().map_err(|_| form())?)
        } else if let Some(secs) = window.strip_suffix('s') {
            Duration::from_secs(secs.parse().map_err(|_| form())?)
        } else {
            return Err(form());
        };
        if calls < 1 || window.is_zero() || window > Duration::from_hours(1) {
            return Err(form());
        }
        Ok(Self { calls, window })
    }

    /// What the window is lengthened by, so that calls that arrive a little late never meet in the provider's count:
    /// half a second of a minute, 20 ms of a second.
    #[must_use]
    pub fn jitter(self) -> Duration {
        if self.window >= Duration::from_secs(30) {
            Duration::from_millis(500)
        } else {
            Duration::from_millis(20)
        }
    }
}

/// Who shares a platform's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountedBy {
    /// An access token. A connection has one at a time.
    Token,
    /// The firm's account, whatever application calls.
    Firm,
    /// Our client id in one region: all firms together.
    Client,
}

/// Whose calls are counted: the identity of a connection as far as limits go.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    pub platform: Platform,
    pub region: Region,
    pub firm: FirmId,
    pub connection: ConnectionId,
}

impl From<&Connection> for Caller {
    fn from(connection: &Connection) -> Self {
        Self {
            platform: connection.platform,
            region: connection.region,
            firm: connection.firm_id,
            connection: connection.id,
        }
    }
}

/// What a platform counts calls by, and how many it allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    pub key: String,
    pub budget: Budget,
    /// The firm whose row it is; nothing when firms share it.
    pub firm: Option<FirmId>,
    /// What rests when it is used up: everything that would ask it in vain.
    pub scope: String,
}

impl Bucket {
    /// The bucket that this caller's calls are taken from.
    #[must_use]
    pub fn of(caller: Caller, counted_by: CountedBy, budget: Budget) -> Self {
        let Caller {
            platform,
            region,
            firm,
            connection,
        } = caller;
        let (key, shared) = match counted_by {
            CountedBy::Token => (format!("{platform}:{connection}"), false),
            CountedBy::Firm => (format!("{platform}:firm:{firm}"), false),
            CountedBy::Client => (format!("{platform}:client:{region}"), true),
        };
        Self {
            key,
            budget,
            firm: (!shared).then_some(firm),
            // A firm has one connection to a platform: what it alone uses up rests with that connection.
            scope: if shared {
                format!("region:{platform}:{region}")
            } else {
                format!("connection:{connection}")
            },
        }
    }
}

/// Opens the bucket of a fresh authorisation, with the one call that learnt its account. A bucket that exists keeps its count:
/// the same token's calls of the last window still stand.
pub async fn open(db: &mut PgConnection, bucket: &Bucket) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"insert into buckets as b (key, firm_id, budget, configured, window_ms, sent, used_at)
           values ($1, $2, $3, $3, $4, array[app_now()], app_now())
           on conflict (key) do update set sent = b.sent || app_now(), used_at = app_now()"#,
        bucket.key,
        bucket.firm.map(|firm| firm.0),
        bucket.budget.calls,
        i32::try_from(bucket.budget.window.as_millis()).unwrap_or(i32::MAX),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Pauses the bucket for every worker at once.
pub async fn pause(
    db: &mut PgConnection,
    bucket: &Bucket,
    wait: Duration,
) -> Result<(), sqlx::Error> {
    let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    sqlx::query!("select bucket_pause($1, $2)", bucket.key, wait_ms)
        .execute(db)
        .await?;
    Ok(())
}

/// A call may have been counted so much later than it was permitted.
pub async fn late(
    db: &mut PgConnection,
    bucket: &Bucket,
    sent_at: DateTime<Utc>,
    late: Duration,
) -> Result<(), sqlx::Error> {
    let late_ms = i64::try_from(late.as_millis()).unwrap_or(i64::MAX);
    sqlx::query!(
        "select bucket_late($1, $2, $3)",
        bucket.key,
        sent_at,
        late_ms
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The answer to the call that stands under `sent_at` says that nothing is left until the provider's window ends.
pub async fn used_up(
    db: &mut PgConnection,
    bucket: &Bucket,
    sent_at: DateTime<Utc>,
    reset_in: Duration,
) -> Result<(), sqlx::Error> {
    let reset_ms = i64::try_from(reset_in.as_millis()).unwrap_or(i64::MAX);
    sqlx::query!(
        "select bucket_used_up($1, $2, $3)",
        bucket.key,
        sent_at,
        reset_ms
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Lets everything that would ask this bucket in vain rest; a later pause wins.
pub async fn rest(
    db: &mut PgConnection,
    bucket: &Bucket,
    wait: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"insert into pauses as p (scope, reason, firm_id, until, author, created_at)
           values ($1, 'retry_after', $2, app_now() + $3::bigint * interval '1 ms', 'worker', app_now())
           on conflict (scope, reason) do update set until = greatest(p.until, excluded.until)"#,
        bucket.scope,
        bucket.firm.map(|firm| firm.0),
        i64::try_from(wait.as_millis()).unwrap_or(i64::MAX),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes over the limit that the provider names: downwards at once, upwards slowly.
pub async fn correct(db: &mut PgConnection, bucket: &Bucket, said: i32) -> Result<(), sqlx::Error> {
    sqlx::query!("select bucket_correct($1, $2)", bucket.key, said)
        .execute(db)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_budget_is_calls_in_a_window() {
        let minute = Budget::parse("50/60s").unwrap();
        assert_eq!((minute.calls, minute.window), (50, Duration::from_mins(1)));
        assert_eq!(
            Budget::parse("25/1000ms").unwrap().window,
            Duration::from_secs(1)
        );
    }

    #[test]
    fn a_bucket_is_shared_by_those_whom_the_platform_counts_together() {
        let caller = |platform, firm, connection| Caller {
            platform,
            region: Region::Us,
            firm: FirmId(Uuid::from_u128(firm)),
            connection: ConnectionId(Uuid::from_u128(connection)),
        };
        let budget = Budget::parse("5/1s").unwrap();
        let platform = Platform::Mycase;
        let bucket = |counted_by, firm, connection| {
            Bucket::of(caller(platform, firm, connection), counted_by, budget)
        };

        for counted_by in [CountedBy::Token, CountedBy::Firm] {
            let (one, other) = (bucket(counted_by, 1, 1), bucket(counted_by, 2, 2));
            assert_ne!(one.key, other.key);
            assert!(one.firm.is_some() && one.scope.starts_with("connection:"));
        }
        assert_ne!(
            bucket(CountedBy::Token, 1, 1).key,
            bucket(CountedBy::Token, 1, 2).key,
            "another connection has another token"
        );
        assert_eq!(
            bucket(CountedBy::Firm, 1, 1).key,
            bucket(CountedBy::Firm, 1, 2).key
        );
        let shared = bucket(CountedBy::Client, 1, 1);
        assert_eq!(shared.key, bucket(CountedBy::Client, 2, 2).key);
        assert_eq!(
            (shared.firm, shared.scope.as_str()),
            (None, "region:mycase:us")
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "50",
            "0/60s",
            "-1/60s",
            "50/0s",
            "50/60",
            "x/60s",
            "50/90000s",
        ] {
            assert!(Budget::parse(text).is_err(), "{text}");
        }
    }
}
