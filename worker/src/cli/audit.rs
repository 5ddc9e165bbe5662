//! `casehug-worker audit`: everything is looked at once; what is broken is shown, and mended when that is asked for.

use serde_json::json;
use shared::db::Database;
use shared::queue::auditor::{self, Breach};

use super::print::{Form, words};

/// The most breaches recorded by running workers that are shown beside those that stand now.
const RECORDED: i64 = 100;

/// Looks at everything. What was recorded earlier is shown and is no reason to fail.
pub(super) async fn run(database: &Database, form: Form, repair: bool) -> anyhow::Result<()> {
    let audited = auditor::audit_everything(database).await?;
    let recorded = auditor::list_recorded(database, RECORDED).await?;
    let is_clean = audited.breaches.is_empty();
    let breaches = if repair {
        auditor::handle(database, audited.breaches).await?
    } else {
        audited.breaches
    };
    database.close().await;
    let report = json!({ "ok": is_clean, "breaches": breaches, "recorded": recorded });
    form.show(&report, |_| {
        let mut rows = vec![words(["WHEN", "RULE", "LANE", "REPAIRED"])];
        rows.extend(breaches.iter().map(|breach| row("now", breach)));
        rows.extend(recorded.iter().map(|breach| row("earlier", breach)));
        rows
    })?;
    anyhow::ensure!(is_clean, "invariants are broken");
    Ok(())
}

fn row(when: &str, breach: &Breach) -> Vec<String> {
    let lane = breach.lane.as_deref().unwrap_or("-");
    let repaired = if breach.repaired { "yes" } else { "no" };
    words([when, &breach.rule, lane, repaired])
}
