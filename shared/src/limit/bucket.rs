//! A bucket's numbers, and what moves them.

use std::time::Duration;

use sqlx::PgConnection;

use crate::domain::FirmId;

/// So many calls in any window.
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

/// What a platform counts calls by, and how many it allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    pub key: String,
    pub budget: Budget,
}

/// Opens the bucket of a fresh authorisation, with the one call that learnt its account. A bucket that exists keeps its count:
/// the same token's calls of the last window still stand.
pub async fn open(db: &mut PgConnection, bucket: &Bucket, firm: FirmId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"insert into buckets as b (key, firm_id, budget, configured, window_ms, sent, used_at)
           values ($1, $2, $3, $3, $4, array[app_now()], app_now())
           on conflict (key) do update set sent = b.sent || app_now(), used_at = app_now()"#,
        bucket.key,
        firm.0,
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
