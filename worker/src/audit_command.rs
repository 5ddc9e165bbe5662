//! `casehug-worker audit`: everything is looked at once; what is broken is printed, and repaired when that is asked for.

use serde_json::json;
use shared::db::Database;
use shared::queue::auditor::{self, Breach};

/// So many breaches that running workers recorded are printed beside those that stand now.
const RECORDED: i64 = 100;

/// Runs the command; true when nothing is broken. What was recorded earlier is printed and does not count.
///
/// # Errors
/// `DATABASE_URL` is missing, an argument is unknown, or the database refused.
pub async fn run(arguments: impl Iterator<Item = String>) -> anyhow::Result<bool> {
    let (mut as_json, mut repair) = (false, false);
    for argument in arguments {
        match argument.as_str() {
            "--json" => as_json = true,
            "--repair" => repair = true,
            _ => anyhow::bail!("audit takes --json and --repair"),
        }
    }
    let url =
        std::env::var("DATABASE_URL").map_err(|_| anyhow::anyhow!("DATABASE_URL is missing"))?;
    let database = Database::lazy(&url, 1)?;
    let audited = auditor::audit_everything(&database).await?;
    let recorded = auditor::list_recorded(&database, RECORDED).await?;
    let is_clean = audited.breaches.is_empty();
    let breaches = if repair {
        auditor::handle(&database, audited.breaches).await?
    } else {
        audited.breaches
    };
    database.close().await;
    if as_json {
        let line = json!({ "ok": is_clean, "breaches": breaches, "recorded": recorded });
        print(&line.to_string());
    } else {
        print_table("stands now", &breaches);
        print_table("was recorded", &recorded);
        print(if is_clean {
            "nothing is broken"
        } else {
            "invariants are broken"
        });
    }
    Ok(is_clean)
}

fn print_table(when: &str, breaches: &[Breach]) {
    for breach in breaches {
        let lane = breach.lane.as_deref().unwrap_or("-");
        let repaired = if breach.repaired { "repaired" } else { "" };
        print(&format!("{when}  {:<20} {lane} {repaired}", breach.rule));
    }
}

#[expect(clippy::print_stdout, reason = "this command's output")]
fn print(line: &str) {
    println!("{line}");
}
