//! The firm's sync log, followed as it changes.

use std::collections::HashMap;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use harness::App;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::sample::Sample;
use crate::scenario::News;

#[derive(Debug)]
pub(crate) struct LogRows {
    firm: Uuid,
    labels: HashMap<Uuid, String>,
    since: DateTime<Utc>,
    /// What was last told of each row; nothing yet of those that an earlier run left.
    told: HashMap<Uuid, Told>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Told {
    status: String,
    attempts: i32,
}

impl LogRows {
    /// Rows from now on, and those that an earlier run left pending.
    pub(crate) async fn new(app: &App, sample: &Sample) -> Result<Self> {
        let firm = sample.matter.firm;
        let since = sqlx::query_scalar("select clock_timestamp()")
            .fetch_one(&app.admin)
            .await?;
        let pending: Vec<Uuid> = sqlx::query_scalar(
            "select id from integration_sync_logs where firm_id = $1 and status = 'pending'",
        )
        .bind(firm)
        .fetch_all(&app.admin)
        .await?;
        let labels = sample
            .documents
            .iter()
            .map(|one| (one.upload.id, one.label.clone()));
        let told = pending.into_iter().map(|id| (id, Told::default()));
        Ok(Self {
            firm,
            labels: labels.collect(),
            since,
            told: told.collect(),
        })
    }

    pub(crate) async fn news(&mut self, app: &App) -> Result<Vec<News>> {
        let known: Vec<Uuid> = self.told.keys().copied().collect();
        let rows = sqlx::query(
            "select id, action, upload_id, status, external_id, code, details, attempts, created_at,
               finished_at, clock_timestamp() as now
             from integration_sync_logs where firm_id = $1 and (created_at >= $2 or id = any($3))
             order by created_at, id",
        )
        .bind(self.firm)
        .bind(self.since)
        .bind(known)
        .fetch_all(&app.admin)
        .await
        .context("read the sync log")?;
        Ok(rows.iter().flat_map(|row| self.changes(row)).collect())
    }

    /// A row that has come and gone between two looks was pending too, unless it joined another.
    fn changes(&mut self, row: &PgRow) -> Vec<News> {
        let now = Told {
            status: row.get("status"),
            attempts: row.get("attempts"),
        };
        let before = self.told.insert(row.get("id"), now.clone());
        if before.as_ref() == Some(&now) {
            return Vec::new();
        }
        let created: DateTime<Utc> = row.get("created_at");
        let finished: Option<DateTime<Utc>> = row.get("finished_at");
        let mut news = Vec::new();
        if before.is_none() && finished != Some(created) {
            news.push(News {
                at: created,
                text: self.line(row, "pending", ""),
            });
        }
        if let Some(at) = finished {
            let text = self.line(row, &now.status, &outcome(row));
            news.push(News { at, text });
        } else if let Some(before) = before {
            let more = if before == Told::default() {
                " since an earlier run".to_owned()
            } else {
                format!(", attempt {}", now.attempts)
            };
            news.push(News {
                at: row.get("now"),
                text: self.line(row, "pending", &more),
            });
        }
        news
    }

    fn line(&self, row: &PgRow, status: &str, more: &str) -> String {
        format!(
            "log      {} → {status}{more}",
            self.name(row.get("action"), row.get("upload_id"))
        )
    }

    /// A job as the scenario calls it.
    pub(crate) fn name(&self, action: &str, upload: Option<Uuid>) -> String {
        match upload.and_then(|upload| self.labels.get(&upload)) {
            Some(label) => format!("{action} ({label})"),
            None => action.to_owned(),
        }
    }
}

fn outcome(row: &PgRow) -> String {
    let external_id: Option<String> = row.get("external_id");
    let code: Option<String> = row.get("code");
    let details: serde_json::Value = row.get("details");
    let mut words = String::new();
    if let Some(id) = external_id {
        words += &format!(", Clio id {id}");
    }
    if let Some(code) = code {
        words += &format!(", {code}");
    }
    for (member, meaning) in [
        ("already_there", "already there"),
        ("same_as", "same bytes as another upload"),
        ("joined", "joined a job that waits"),
    ] {
        if details.get(member).is_some() {
            words += &format!(", {meaning}");
        }
    }
    words
}
