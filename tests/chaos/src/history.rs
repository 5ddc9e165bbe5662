//! The history that triggers write into the run's own database, and the last look at its tables.

use anyhow::{Context, Result};
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, PgPool, raw_sql};

use crate::ledger::Ledger;

/// What the checker reads of the end.
const TABLES: [&str; 8] = [
    "select to_jsonb(t) from lanes t",
    "select to_jsonb(t) from jobs t",
    "select to_jsonb(t) from workers t",
    "select to_jsonb(t) from events t",
    "select to_jsonb(t) from integration_sync_logs t",
    "select to_jsonb(t) from activity t",
    "select to_jsonb(t) from audit_breaches t",
    "select jsonb_build_object('id', t.id, 'platform', t.platform) from firm_integrations t",
];
const NAMES: [&str; 8] = [
    "lanes",
    "jobs",
    "workers",
    "events",
    "logs",
    "activity",
    "recorded",
    "connections",
];

pub(crate) async fn install(admin: &PgPool) -> Result<()> {
    raw_sql(include_str!("history.sql"))
        .execute(admin)
        .await
        .context("install the history")?;
    Ok(())
}

/// `audit` is what the service's own auditor finds at the end.
pub(crate) async fn write(admin: &PgPool, audit: &Value, ledger: &Ledger) -> Result<()> {
    for (book, statement) in [
        (
            "holds",
            "select to_jsonb(t) from chaos.holds t order by t.number",
        ),
        ("ends", "select to_jsonb(t) from chaos.ends t order by t.at"),
        (
            "appends",
            "select distinct to_jsonb(t) from chaos.appends t",
        ),
        ("workers", "select to_jsonb(t) from chaos.workers t"),
    ] {
        ledger.note_all(book, &rows(admin, statement).await?)?;
    }
    let mut tables = Map::new();
    for (name, statement) in NAMES.into_iter().zip(TABLES) {
        tables.insert(name.to_owned(), Value::Array(rows(admin, statement).await?));
    }
    tables.insert("standing".to_owned(), audit["breaches"].clone());
    // The server's own word for now: leases are judged by it.
    let now = rows(admin, "select to_jsonb(app_now())").await?;
    tables.insert("now".to_owned(), Value::Array(now));
    ledger.write("database", &Value::Object(tables))
}

async fn rows(admin: &PgPool, statement: &'static str) -> Result<Vec<Value>> {
    Ok(sqlx::query_scalar(AssertSqlSafe(statement))
        .fetch_all(admin)
        .await?)
}
