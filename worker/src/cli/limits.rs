//! `casehug-worker limits`

use serde_json::json;
use shared::limit;

use super::AdminContext;
use super::print::{time_or_dash, words};

const MOST: i64 = 10_000;

pub(super) async fn run(context: &AdminContext) -> anyhow::Result<()> {
    let mut db = context.begin().await?;
    let limits = limit::list(&mut db, context.firm, "", MOST).await?;
    context.form.show(&json!({ "limits": limits }), |_| {
        let mut rows = vec![words([
            "BUCKET",
            "BUDGET",
            "WINDOW",
            "USED",
            "LEFT",
            "PAUSED UNTIL",
            "FREE AT",
        ])];
        rows.extend(limits.iter().map(|bucket| {
            vec![
                bucket.bucket.clone(),
                bucket.budget.to_string(),
                format!("{} ms", bucket.window_ms),
                bucket.used.to_string(),
                bucket.calls_left.to_string(),
                time_or_dash(bucket.paused_until),
                time_or_dash(bucket.free_at),
            ]
        }));
        rows
    })
}
