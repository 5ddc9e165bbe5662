//! What tests of the administration begin with: probes, failures, and the command line as an operator uses it.

use harness::app::Answer;
use harness::built_program;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;

/// A firm's connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connected {
    pub(crate) firm: Uuid,
    pub(crate) id: Uuid,
}

impl TestApp {
    pub(crate) async fn connected(&self) -> Connected {
        let firm = self.firm().await.unwrap();
        // An account is active in one firm only.
        let account = 8_000 + self.count("select count(*) from firms").await.unwrap();
        let login = json!({ "login": { "account_id": account, "account_name": "Firm" } });
        self.change(&login).await.unwrap();
        self.connect(firm).await.unwrap();
        let id = sqlx::query_scalar("select id from firm_integrations where firm_id = $1")
            .bind(firm)
            .fetch_one(&self.admin)
            .await
            .unwrap();
        Connected { firm, id }
    }

    /// Runs `casehug-worker … --json --as olga`; the answer, or what it wrote about its failure.
    pub(crate) async fn cli(&self, words: &[&str]) -> Result<Value, String> {
        let output = tokio::process::Command::new(built_program("casehug-worker").unwrap())
            .args(words)
            .args(["--json", "--as", "olga"])
            .env_clear()
            .env("DATABASE_URL", self.database.url())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        if output.status.success() {
            Ok(serde_json::from_slice(&output.stdout).unwrap())
        } else {
            Err(String::from_utf8(output.stderr).unwrap())
        }
    }

    pub(crate) async fn probes(&self, connected: Connected, count: u32, lanes: u32) -> Vec<Uuid> {
        let (firm, connection) = (connected.firm.to_string(), connected.id.to_string());
        let (count, lanes) = (count.to_string(), lanes.to_string());
        let answer = self
            .cli(&[
                "jobs",
                "probe",
                "--firm",
                &firm,
                "--connection",
                &connection,
                "--count",
                &count,
                "--lanes",
                &lanes,
            ])
            .await
            .unwrap();
        sqlx::query_scalar("select id from activity where run_id = $1::uuid order by id")
            .bind(answer["run_id"].as_str().unwrap())
            .fetch_all(&self.admin)
            .await
            .unwrap()
    }

    /// Probes that have failed: they were held back by a pause, and are marked as a worker would have left them.
    pub(crate) async fn failed_probes(
        &self,
        connected: Connected,
        count: u32,
        lanes: u32,
    ) -> Vec<Uuid> {
        let scope = format!("connection:{}", connected.id);
        let pause = ["pauses", "add", &scope, "--reason", "set-up"];
        self.cli(&pause).await.unwrap();
        let jobs = self.probes(connected, count, lanes).await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
            "begin;
             update jobs set state = 'failed', code = 'broken', failed_at = app_now(), error_message = 'field ' || seq || ' is broken'
             where connection_id = '{0}';
             update activity set status = 'failed', code = 'broken', finished_at = app_now() where connection_id = '{0}' and author is null;
             update lanes set ready_at = null, gone_through = tail where connection_id = '{0}';
             commit;",
            connected.id
        )))
        .execute(&self.admin)
        .await
        .unwrap();
        self.cli(&["pauses", "remove", &scope]).await.unwrap();
        jobs
    }

    pub(crate) async fn job(&self, id: Uuid) -> Value {
        self.cli(&["jobs", "show", &id.to_string()]).await.unwrap()
    }

    /// As the firm's admin, over HTTP.
    pub(crate) async fn act(&self, firm: Uuid, job: Uuid, verb: &str) -> Answer {
        let token = self.tokens.firm_admin(firm).unwrap();
        self.post(&format!("/api/v1/jobs/{job}/{verb}"), &token, &json!({}))
            .await
            .unwrap()
    }
}
