//! Firms that came by the connect and have documents to send: real calls to the simulator, whose answers can be held.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::App;
use harness::app::{Matter, Person, Upload};
use serde_json::json;
use uuid::Uuid;

const WITHIN: Duration = Duration::from_secs(60);
/// More than any bench sends.
const ALWAYS: u32 = 1_000_000;
const SLOTS: &str = "select count(*) from lanes where connection_id = $1 and worker is not null";
const CLAIMED: &str = "select count(*) from links k join lanes l on l.key = k.holder_lane \
    where l.connection_id = $1 and l.worker is not null and k.kind = 'document'";

/// A firm with its own account at the provider.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Firm {
    pub(crate) firm: Uuid,
    pub(crate) connection: Uuid,
    client: Uuid,
}

pub(crate) async fn connected_firm(app: &App, account: u64) -> Result<Firm> {
    let firm = app.firm().await?;
    let login = json!({ "login": { "account_id": account, "account_name": "Firm" } });
    app.change(&login).await?;
    app.connect(firm).await?;
    let email = format!("person.{account}@example.com");
    let client = app
        .client(firm, &Person::new("Ann", "Lee", Some(&email)))
        .await?;
    let connection = sqlx::query_scalar("select id from firm_integrations where firm_id = $1");
    Ok(Firm {
        firm,
        connection: connection.bind(firm).fetch_one(&app.admin).await?,
        client,
    })
}

impl Firm {
    pub(crate) async fn matter(&self, app: &App, number: u64) -> Result<Matter> {
        let title = format!("Matter {number}");
        app.matter(self.firm, self.client, &title, Some("custody_only"))
            .await
    }

    /// A new matter with `documents` approved documents, no two of equal bytes.
    pub(crate) async fn matter_with(
        &self,
        app: &App,
        number: u64,
        documents: u64,
    ) -> Result<Vec<Upload>> {
        let matter = self.matter(app, number).await?;
        let mut uploads = Vec::new();
        for document in 0..documents {
            let bytes = format!("document {document} of matter {number} of {}", self.firm);
            let name = format!("document-{document}.txt");
            uploads.push(app.upload(matter, &name, None, bytes.as_bytes()).await?);
        }
        Ok(uploads)
    }
}

/// Everything that was approved stands at the provider, once, and nothing has failed. (What joined a waiting duplicate is skipped.)
pub(crate) async fn ensure_sent(app: &App, documents: usize) -> Result<()> {
    let failed = "select count(*) from integration_sync_logs where status in ('pending', 'failed')";
    let failed = app.count(failed).await?;
    ensure!(
        failed == 0,
        "{failed} log rows are neither success nor skipped"
    );
    let (_, _, there) = app.clio_counts().await?;
    ensure!(
        there == documents,
        "{there} of {documents} documents stand at the provider"
    );
    Ok(())
}

/// Lets signed transfers take this long from now on.
pub(crate) async fn slow_transfers(app: &App, length: Duration) -> Result<()> {
    let slow = json!({ "delay_ms": length.as_millis() as u64 });
    app.fault("PUT", "/storage/*", ALWAYS, &slow).await
}

/// Brings the firm's connection to where each of its slots (one, and one for a transfer) sends a file for this long.
pub(crate) async fn fill_slots(app: &App, firm: &Firm, length: Duration) -> Result<()> {
    slow_transfers(app, length).await?;
    let mut uploads = Vec::new();
    for number in 0..2 {
        uploads.extend(firm.matter_with(app, number, 1).await?);
    }
    app.approve(&uploads).await?;
    harness::eventually(WITHIN, || async {
        let held: i64 = sqlx::query_scalar(SLOTS)
            .bind(firm.connection)
            .fetch_one(&app.admin)
            .await
            .ok()?;
        let sending: i64 = sqlx::query_scalar(CLAIMED)
            .bind(firm.connection)
            .fetch_one(&app.admin)
            .await
            .ok()?;
        (held >= 2 && sending >= 2).then_some(())
    })
    .await
    .context("the big firm's slots did not fill with uploads")?;
    app.clear_faults().await?;
    let sending: i64 = sqlx::query_scalar(CLAIMED)
        .bind(firm.connection)
        .fetch_one(&app.admin)
        .await?;
    ensure!(sending >= 2, "an upload ended too soon");
    Ok(())
}
