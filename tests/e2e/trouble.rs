//! What tests of bad days begin with, and how their waits are brought to an end.

use harness::app::{Matter, Person};
use serde_json::json;

use crate::support::{SOON, TestApp};

/// Workers remember until when a connection is paused.
pub(crate) const LOOK: &str = "select pg_notify('casehug_jobs', '*')";
/// In one statement: an event becomes jobs in one commit.
pub(crate) const LEFT: &str = "select (select count(*) from jobs where state = 'queued') + (select count(*) from events where status = 'waiting')";

impl TestApp {
    /// A connected firm with an account of its own, and a matter of this person.
    pub(crate) async fn firm_with_matter(&self, account: usize, person: &Person) -> Matter {
        let firm = self.firm().await.unwrap();
        let login = json!({ "login": { "account_id": account, "account_name": "Firm" } });
        self.change(&login).await.unwrap();
        self.connect(firm).await.unwrap();
        let client = self.client(firm, person).await.unwrap();
        self.matter(firm, client, "Lee v. Lee", None).await.unwrap()
    }

    /// A worker has alarmed operators of one refusal of CaseHug's own credentials or requests.
    pub(crate) async fn misconfigured_once(&self) {
        let metrics = reqwest::get(format!("{}/metrics", self.worker_ops_urls()[0]))
            .await
            .unwrap();
        let metrics = metrics.text().await.unwrap();
        assert!(
            metrics.contains("casehug_misconfigured_total{platform=\"clio\"} 1"),
            "{metrics}"
        );
    }

    /// All waits are over: of jobs, of connections, of buckets, of the breaker.
    pub(crate) async fn end_waits(&self) {
        for statement in [
            "update jobs set run_at = now() - interval '1 s' where run_at > now()",
            "update pauses set until = now() where reason in ('retry_after', 'misconfigured')",
            "update pauses set try_at = now() where reason = 'breaker'",
            "update storages set try_at = now() where try_at > now()",
            "update firm_integrations set refused_at = refused_at - interval '10 minutes'",
            "update buckets set paused_until = null",
            "update lanes set ready_at = now() - interval '1 s' where ready_at > now()",
            LOOK,
        ] {
            sqlx::query(statement).execute(&self.admin).await.unwrap();
        }
    }

    /// Ends waits until nothing is left to do.
    pub(crate) async fn done(&self) {
        harness::eventually(SOON, || async {
            self.end_waits().await;
            (self.count(LEFT).await.ok()? == 0).then_some(())
        })
        .await
        .unwrap();
    }
}
