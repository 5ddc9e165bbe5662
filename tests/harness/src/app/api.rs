//! The service's API, as the application and firm admins call it.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sqlx::Row;
use uuid::Uuid;

use super::{App, Matter, Platform, Upload};
use crate::{clock, eventually};

/// An answer of ingress.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl App {
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer> {
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes = answer.bytes().await?;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    pub async fn get(&self, path: &str, token: &str) -> Result<Answer> {
        let url = format!("{}{path}", self.ingress_url());
        self.send(self.http.get(url).bearer_auth(token)).await
    }

    pub async fn post(&self, path: &str, token: &str, body: &Value) -> Result<Answer> {
        let url = format!("{}{path}", self.ingress_url());
        self.send(self.http.post(url).bearer_auth(token).json(body))
            .await
    }

    /// Posts one event, or an array of them.
    pub async fn post_events(&self, events: &Value) -> Result<Answer> {
        self.post("/api/v1/events", &self.tokens.service()?, events)
            .await
    }

    /// `document.approved` for each upload, in one request; the ids are new.
    pub async fn approve(&self, uploads: &[Upload]) -> Result<()> {
        let events: Vec<Value> = uploads.iter().map(|u| approved(*u)).collect();
        let answer = self.post_events(&json!(events)).await?;
        anyhow::ensure!(
            answer.status == 202,
            "approving was answered with {answer:?}"
        );
        Ok(())
    }

    /// A firm admin's "Sync to Clio", waited for.
    pub async fn sync(&self, matter: Matter) -> Result<Answer> {
        self.sync_to(Platform::Clio, matter).await
    }

    /// The same with another platform.
    pub async fn sync_to(&self, platform: Platform, matter: Matter) -> Result<Answer> {
        let url = format!(
            "{}/api/v1/integrations/{}/sync",
            self.ingress_url(),
            platform.word()
        );
        let request = self
            .http
            .post(url)
            .bearer_auth(self.tokens.firm_admin(matter.firm)?)
            .header("prefer", "wait=30")
            .json(&json!({ "matter_id": matter.id }));
        self.send(request).await
    }

    /// Waits until every event has been relayed.
    pub async fn relayed(&self, within: Duration) -> Result<()> {
        eventually(within, || async {
            let waiting = "select exists (select from events where status = 'waiting')";
            let is_waiting: bool = sqlx::query_scalar(waiting)
                .fetch_one(&self.admin)
                .await
                .ok()?;
            (!is_waiting).then_some(())
        })
        .await
        .context("events were not relayed")
    }

    /// Waits until every event has been relayed and no log row is pending.
    pub async fn settled(&self, within: Duration) -> Result<()> {
        eventually(within, || async {
            let row = sqlx::query(
                "select exists (select from events where status = 'waiting')
                   or exists (select from jobs where state = 'queued')
                   or exists (select from integration_sync_logs where status = 'pending')
                   or exists (select from activity where status = 'pending') as busy",
            )
            .fetch_one(&self.admin)
            .await
            .ok()?;
            (!row.get::<bool, _>("busy")).then_some(())
        })
        .await
        .context("the queue did not settle")
    }

    /// A firm's log rows, oldest first, as `action status code`.
    pub async fn log_lines(&self, firm: Uuid) -> Result<Vec<String>> {
        let rows = sqlx::query(
            "select action, status, code from integration_sync_logs where firm_id = $1 order by created_at, id",
        )
        .bind(firm)
        .fetch_all(&self.admin)
        .await?;
        Ok(rows
            .iter()
            .map(|row| {
                let code: Option<String> = row.get("code");
                let line = format!(
                    "{} {} {}",
                    row.get::<String, _>("action"),
                    row.get::<String, _>("status"),
                    code.unwrap_or_default()
                );
                line.trim_end().to_owned()
            })
            .collect())
    }

    /// A number out of the database.
    pub async fn count(&self, statement: &'static str) -> Result<i64> {
        Ok(sqlx::query_scalar(statement).fetch_one(&self.admin).await?)
    }
}

/// The event of one approval, with a new id.
pub(super) fn approved(upload: Upload) -> Value {
    json!({
        "id": clock::new_id(),
        "type": "document.approved",
        "firm_id": upload.matter.firm,
        "data": { "matter_id": upload.matter.id, "upload_id": upload.id },
    })
}
