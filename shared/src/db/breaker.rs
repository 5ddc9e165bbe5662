//! The breaker: a platform that does not answer most of its connections pauses as one.

use std::time::Duration;

use sqlx::PgConnection;

use crate::domain::Platform;

/// What the breaker goes by.
#[derive(Debug, Clone, Copy)]
pub struct BreakerRules {
    /// How far back a connection's last word counts.
    pub window: Duration,
    /// Fewer connections than this are no majority.
    pub least: i32,
    /// Until the first try; doubled after each try in vain.
    pub wait: Duration,
    pub longest: Duration,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self {
            window: Duration::from_mins(1),
            least: 3,
            wait: Duration::from_secs(30),
            longest: Duration::from_mins(2),
        }
    }
}

/// What became of a platform.
#[derive(Debug)]
pub struct BreakerChange {
    /// `opened`, `trying`, `failed` (tried in vain) or `closed`.
    pub change: String,
    /// Connections whose last word was no answer.
    pub troubled: i32,
    /// Connections that called.
    pub called: i32,
    /// Until the next step.
    pub wait: Duration,
}

/// Judges one platform; nothing when nothing changed.
pub async fn judge(
    db: &mut PgConnection,
    platform: Platform,
    rules: BreakerRules,
) -> Result<Option<BreakerChange>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select change, troubled, called, wait_ms from breaker_judge($1, $2, $3, $4, $5)"#,
        platform.as_str(),
        ms(rules.window),
        rules.least,
        ms(rules.wait),
        ms(rules.longest),
    )
    .fetch_one(db)
    .await?;
    Ok(row.change.map(|change| BreakerChange {
        change,
        troubled: row.troubled.unwrap_or(0),
        called: row.called.unwrap_or(0),
        wait: Duration::from_millis(row.wait_ms.unwrap_or(0).unsigned_abs()),
    }))
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
