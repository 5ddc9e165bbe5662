//! How buckets stand, for people.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::FirmId;

/// One bucket now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BucketState {
    /// Platform, and what the platform counts by.
    pub bucket: String,
    /// Null when firms share it.
    pub firm_id: Option<Uuid>,
    /// Calls in a window, as the provider said last.
    pub budget: i32,
    /// Calls in a window, as configured.
    pub configured: i32,
    pub window_ms: i32,
    /// Calls of the last window.
    pub used: i32,
    /// Calls that may go at once.
    pub calls_left: i32,
    /// The provider said so, or we count a window that we do not know of as used up.
    pub paused_until: Option<DateTime<Utc>>,
    /// When there is room again; null when there is.
    pub free_at: Option<DateTime<Utc>>,
}

/// Buckets by name behind `after`; with a firm, its own and those it shares.
pub async fn list(
    db: &mut PgConnection,
    firm: Option<FirmId>,
    after: &str,
    limit: i64,
) -> Result<Vec<BucketState>, sqlx::Error> {
    sqlx::query_as!(
        BucketState,
        r#"select b.key as bucket, b.firm_id, b.budget, b.configured, b.window_ms, u.used as "used!",
             case when p.until is null then greatest(b.budget - u.used, 0) else 0 end as "calls_left!",
             p.until as paused_until, bucket_free_at(b.key) as free_at
           from buckets b
           cross join lateral (
             select count(*)::integer as used from unnest(b.sent) s where s > app_now() - b.window_ms * interval '1 ms') u
           cross join lateral (select case when b.paused_until > app_now() then b.paused_until end as until) p
           where ($1::uuid is null or b.firm_id = $1 or b.firm_id is null) and b.key > $2
           order by b.key limit $3"#,
        firm.map(|firm| firm.0),
        after,
        limit,
    )
    .fetch_all(db)
    .await
}
