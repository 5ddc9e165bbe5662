//! What CaseHug and the firm do: connect to Clio, and approve the documents.

use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use chrono::{DateTime, Utc};
use harness::App;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::sample::{Document, Sample};
use crate::say;

/// Connects the firm through Clio's consent, unless it is connected and fit for work.
pub(crate) async fn connect(app: &App, sample: &Sample) -> Result<()> {
    let firm = sample.matter.firm;
    let token = app.tokens.firm_admin(firm)?;
    let status = app.get("/api/v1/integrations/clio/status", &token).await?;
    ensure!(
        status.status == 200,
        "asking for the status was answered with {}",
        status.status
    );
    if status.body["connected"] == true {
        return say("\nThe firm is connected to Clio since an earlier run");
    }
    match status.body["needs_reconnect"].as_str() {
        Some(reason) => say(format!("\nConnecting the firm to Clio again ({reason})"))?,
        None => say("\nConnecting the firm to Clio through its OAuth redirect")?,
    }
    app.connect(firm).await.context("connect to Clio")?;
    Ok(())
}

/// The approvals that were posted.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) at: DateTime<Utc>,
    ids: Vec<String>,
}

/// Approves each document, as a person in CaseHug does, and tells the service in one request.
pub(crate) async fn approve(app: &App, sample: &Sample) -> Result<Posted> {
    set_approved(app, sample).await?;
    let at = DateTime::<Utc>::from(SystemTime::now());
    let id = |number: usize| format!("demo-{}-{number}", at.timestamp_micros());
    let ids: Vec<String> = (1..=sample.documents.len()).map(id).collect();
    let events = sample.documents.iter().zip(&ids);
    let events: Vec<Value> = events
        .map(|(document, id)| approved(document, id, at))
        .collect();
    let answer = app.post_events(&json!(events)).await?;
    say(format!(
        "\nApproving {} documents: POST /api/v1/events → {} {}",
        events.len(),
        answer.status,
        answer.body
    ))?;
    let accepted = answer.status == 202 && answer.body["accepted"] == json!(events.len());
    ensure!(accepted, "the approvals were not accepted");
    Ok(Posted { at, ids })
}

async fn set_approved(app: &App, sample: &Sample) -> Result<()> {
    let uploads: Vec<Uuid> = sample
        .documents
        .iter()
        .map(|document| document.upload.id)
        .collect();
    sqlx::query(
        "update uploads set status = 'approved', approved_at = now()
         where id = any($1) and status <> 'approved'",
    )
    .bind(uploads)
    .execute(&app.admin)
    .await
    .context("approve the uploads")?;
    Ok(())
}

fn approved(document: &Document, id: &str, at: DateTime<Utc>) -> Value {
    let matter = document.upload.matter;
    json!({
        "id": id,
        "type": "document.approved",
        "created_at": at,
        "firm_id": matter.firm,
        "data": { "matter_id": matter.id, "upload_id": document.upload.id },
    })
}

impl Posted {
    /// The service's own word on every event.
    pub(crate) async fn ensure_done(&self, app: &App, sample: &Sample) -> Result<()> {
        let token = app.tokens.service()?;
        for id in &self.ids {
            let path = format!("/api/v1/events/{id}?firm_id={}", sample.matter.firm);
            let answer = app.get(&path, &token).await?;
            if answer.body["status"] != "done" {
                bail!("event {id} is not done: {} {}", answer.status, answer.body);
            }
        }
        Ok(())
    }
}
