//! `casehug-worker pauses …`

use chrono::{DateTime, Utc};
use serde_json::json;
use shared::clock;
use shared::db::pauses::{self, PauseScope};
use shared::queue;

use super::AdminContext;
use super::arguments::PausesVerb;
use super::print::{or_dash, time_or_dash, words};

const MOST: i64 = 10_000;

pub(super) async fn run(context: &AdminContext, verb: PausesVerb) -> anyhow::Result<()> {
    match verb {
        PausesVerb::List => list(context).await,
        PausesVerb::Add {
            scope,
            reason,
            until,
            lasting,
        } => {
            let until = until.or_else(|| lasting.map(|time| clock::wall_now() + time));
            add(context, scope, &reason, until).await
        }
        PausesVerb::Remove { scope } => remove(context, scope).await,
    }
}

async fn list(context: &AdminContext) -> anyhow::Result<()> {
    let mut db = context.begin().await?;
    let pauses = pauses::list(&mut db, context.firm, None, MOST).await?;
    context.form.show(&json!({ "pauses": pauses }), |_| {
        let mut rows = vec![words(["SCOPE", "KIND", "UNTIL", "BY", "REASON"])];
        rows.extend(pauses.iter().map(|pause| {
            vec![
                pause.scope.clone(),
                pause.kind.clone(),
                time_or_dash(pause.until),
                pause.author.clone(),
                or_dash(pause.reason.as_deref()),
            ]
        }));
        rows
    })
}

async fn add(
    context: &AdminContext,
    scope: PauseScope,
    reason: &str,
    until: Option<DateTime<Utc>>,
) -> anyhow::Result<()> {
    // An operator may pause what belongs to no firm, and the database role of a firm may not write that.
    let mut db = context.database.worker().await?;
    pauses::insert(&mut db, context.firm, scope, until, reason, &context.author).await?;
    queue::notify_everything(&mut db).await?;
    db.commit().await?;
    let done = json!({ "paused": scope.to_string(), "until": until });
    context.form.show(&done, |_| {
        vec![vec![format!(
            "paused {scope} until {}",
            time_or_dash(until)
        )]]
    })
}

async fn remove(context: &AdminContext, scope: PauseScope) -> anyhow::Result<()> {
    let mut db = context.database.worker().await?;
    pauses::delete(&mut db, context.firm, scope, &context.author).await?;
    queue::notify_everything(&mut db).await?;
    db.commit().await?;
    context
        .form
        .show(&json!({ "lifted": scope.to_string() }), |_| {
            vec![vec![format!("lifted the pause of {scope}")]]
        })
}
