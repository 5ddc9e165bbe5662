//! What stands in Clio, compared with what was approved.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use harness::App;
use serde_json::Value;
use sqlx::Row;
use uuid::Uuid;

use crate::approval::Posted;
use crate::sample::{Document, Sample};
use crate::say;

/// What the demo found.
#[derive(Debug)]
pub(crate) struct Verdict {
    contacts: usize,
    matters: usize,
    documents: usize,
    provider_calls: usize,
    approved_to_synced_ms: i64,
}

impl Verdict {
    /// In this order; programs read it.
    pub(crate) fn json(&self) -> String {
        format!(
            r#"{{"ok":true,"contacts":{},"matters":{},"documents":{},"provider_calls":{},"approved_to_synced_ms":{}}}"#,
            self.contacts,
            self.matters,
            self.documents,
            self.provider_calls,
            self.approved_to_synced_ms
        )
    }
}

/// One contact, one matter, and one document for each file, byte by byte; all mistakes at once.
pub(crate) async fn check(
    app: &App,
    sample: &Sample,
    posted: &Posted,
    provider_calls: usize,
) -> Result<Verdict> {
    let clio = app.clio().await?;
    let held = |kind: &str| clio[kind].as_array().map_or(0, Vec::len);
    let synced = synced(app, sample, posted).await?;
    let mut mistakes = Vec::new();
    for kind in ["contacts", "matters"] {
        if held(kind) != 1 {
            mistakes.push(format!("Clio holds {} {kind}, not one", held(kind)));
        }
    }
    // Two uploads of the same bytes are one document.
    let files: BTreeSet<&str> = sample
        .documents
        .iter()
        .map(|one| one.sha256.as_str())
        .collect();
    if held("documents") != files.len() {
        mistakes.push(format!(
            "Clio holds {} documents, not {}",
            held("documents"),
            files.len()
        ));
    }
    let wrong = sample
        .documents
        .iter()
        .filter_map(|one| mistake(one, &synced.outcomes, &clio));
    mistakes.extend(wrong);
    ensure!(mistakes.is_empty(), "{}", mistakes.join("; "));
    let verdict = Verdict {
        contacts: held("contacts"),
        matters: held("matters"),
        documents: held("documents"),
        provider_calls,
        approved_to_synced_ms: (synced.last - posted.at).num_milliseconds().max(0),
    };
    say(format!(
        "\nIn Clio: 1 contact, 1 matter, {} documents, each the same as the approved file by SHA-256.\n\
         From approval to synced: {} ms; calls to Clio in this run: {}.\n",
        verdict.documents, verdict.approved_to_synced_ms, verdict.provider_calls
    ))?;
    Ok(verdict)
}

/// What the log says since the approval.
struct Synced {
    /// The newest row of each upload.
    outcomes: HashMap<Uuid, Outcome>,
    last: DateTime<Utc>,
}

struct Outcome {
    status: String,
    words: String,
    external_id: Option<String>,
}

async fn synced(app: &App, sample: &Sample, posted: &Posted) -> Result<Synced> {
    let rows = sqlx::query(
        "select upload_id, status, external_id, finished_at, concat_ws(': ', code, error_message) as words
         from integration_sync_logs
         where firm_id = $1 and finished_at >= $2 and not details ? 'joined' order by finished_at",
    )
    .bind(sample.matter.firm)
    .bind(posted.at)
    .fetch_all(&app.admin)
    .await?;
    let mut outcomes = HashMap::new();
    let mut last = None;
    for row in rows {
        let status: String = row.get("status");
        if status == "success" {
            last = Some(row.get("finished_at"));
        }
        if let Some(upload) = row.get("upload_id") {
            let outcome = Outcome {
                status,
                words: row.get("words"),
                external_id: row.get("external_id"),
            };
            outcomes.insert(upload, outcome);
        } else {
            let words: String = row.get("words");
            ensure!(
                status == "success",
                "the matter's sync ended {status} ({words})"
            );
        }
    }
    let last = last.context("no row of the log says success")?;
    Ok(Synced { outcomes, last })
}

fn mistake(document: &Document, outcomes: &HashMap<Uuid, Outcome>, clio: &Value) -> Option<String> {
    let label = &document.label;
    let Some(outcome) = outcomes.get(&document.upload.id) else {
        return Some(format!("the log has no row for the {label}"));
    };
    if outcome.status != "success" {
        return Some(format!(
            "the {label} ended {} ({})",
            outcome.status, outcome.words
        ));
    }
    let id = outcome.external_id.as_deref().unwrap_or_default();
    let documents = clio["documents"].as_array().into_iter().flatten();
    let Some(found) = documents.into_iter().find(|found| {
        found["id"]
            .as_i64()
            .map(|number| number.to_string())
            .as_deref()
            == Some(id)
    }) else {
        return Some(format!(
            "the {label} is not in Clio under the id {id} of the log"
        ));
    };
    if found["fully_uploaded"] != true {
        return Some(format!(
            "the {label} is not marked as fully uploaded in Clio"
        ));
    }
    if found["matter_id"] != clio["matters"][0]["id"] {
        return Some(format!("the {label} does not lie in the matter"));
    }
    (found["sha256"] != document.sha256.as_str()).then(|| {
        format!(
            "the {label} in Clio has other bytes: SHA-256 {}",
            found["sha256"]
        )
    })
}
