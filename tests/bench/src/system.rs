//! What a bench runs on: a Postgres of its own with default durability, and the whole system as real processes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use harness::{App, AppSettings, Cluster, Database};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Executor, PgPool, Row};

use crate::{options, profile};

const HOLD: &str = "insert into pauses (scope, reason, until, author, created_at) values ('all', 'paused', 'infinity', 'bench', now()) \
    on conflict do nothing";
/// A new database's first audit of everything would meet the bench's backlog: it counts as done, until the next night.
const AUDITED: &str = "update audits set began_at = now(), ended_at = now() where name = 'full'";
const LET_GO: &str = "with gone as (delete from pauses where scope = 'all' returning 1) select pg_notify('casehug_jobs', '*') from gone";

/// A server in a folder that goes with it. Nothing is set but where it listens, and what the knob POSTGRES names.
#[derive(Debug)]
pub(crate) struct TestServer {
    pub(crate) cluster: Cluster,
    folder: tempfile::TempDir,
}

impl TestServer {
    pub(crate) fn start() -> Result<Arc<Self>> {
        let folder = tempfile::tempdir()?;
        let given = options::pairs("POSTGRES")?;
        let mut settings: Vec<(&str, &str)> = given
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        if profile::is_wanted() {
            settings.extend(profile::SETTINGS);
        }
        let cluster = Cluster::start(&folder.path().join("postgres"), &settings)?;
        Ok(Arc::new(Self { cluster, folder }))
    }
}

/// One system on a database of its own.
#[derive(Debug)]
pub(crate) struct BenchSystem {
    pub(crate) app: App,
    /// As the service's own role, as its programs come.
    pub(crate) queue: PgPool,
    pub(crate) server: Arc<TestServer>,
}

impl BenchSystem {
    pub(crate) async fn start(settings: AppSettings) -> Result<Self> {
        Self::start_on(TestServer::start()?, "app", settings).await
    }

    pub(crate) async fn start_on(
        server: Arc<TestServer>,
        name: &str,
        settings: AppSettings,
    ) -> Result<Self> {
        let template = harness::app::migrated(&server.cluster).await?;
        let database = Database::from_template(&server.cluster, &template).await?;
        let queue = PgPoolOptions::new()
            .max_connections(4)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute("set role casehug_worker").await?;
                    Ok(())
                })
            })
            .connect(database.url())
            .await?;
        let folder = server.folder.path().join(name);
        let app = App::start_on(database, &folder, settings).await?;
        app.admin.execute(AUDITED).await?;
        if profile::is_wanted() {
            profile::begin(&app.admin).await?;
        }
        Ok(Self { app, queue, server })
    }

    /// Starts `count` more workers.
    pub(crate) async fn add_workers(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            self.app.start_worker().await?;
        }
        Ok(())
    }

    /// An operator's pause of everything: workers stay up and take nothing.
    pub(crate) async fn hold(&self) -> Result<()> {
        self.app.admin.execute(HOLD).await?;
        Ok(())
    }

    pub(crate) async fn let_go(&self) -> Result<()> {
        self.app.admin.execute(LET_GO).await?;
        Ok(())
    }

    /// The database's own time, in seconds since 1970.
    pub(crate) async fn database_now(&self) -> Result<f64> {
        let now = sqlx::query_scalar("select extract(epoch from clock_timestamp())::float8");
        Ok(now.fetch_one(&self.app.admin).await?)
    }

    /// What the workers have counted under this name, with these labels among its own.
    pub(crate) async fn metric(&self, name: &str, labels: &[&str]) -> Result<Option<f64>> {
        let mut sum = None;
        for url in self.app.worker_ops_urls() {
            // A worker that was killed has no figures.
            let Ok(answer) = self.app.http.get(format!("{url}/metrics")).send().await else {
                continue;
            };
            for value in values(&answer.text().await?, name, labels) {
                sum = Some(sum.unwrap_or(0.0) + value);
            }
        }
        Ok(sum)
    }

    /// Executions that ended well, as the workers count them: cheap to ask, and a little ahead of the commits.
    pub(crate) async fn executed(&self) -> Result<u64> {
        let labels = [r#"kind="probe""#, r#"outcome="done""#];
        let executed = self.metric("casehug_jobs_finished_total", &labels).await?;
        Ok(executed.unwrap_or(0.0) as u64)
    }

    /// Waits until no job is queued any more.
    pub(crate) async fn wait_empty(&self, within: Duration) -> Result<()> {
        harness::eventually(within, || async {
            let left =
                sqlx::query("select exists(select from jobs where state = 'queued') as left");
            let row = left.fetch_one(&self.app.admin).await.ok()?;
            (!row.get::<bool, _>("left")).then_some(())
        })
        .await
        .context("the queue did not become empty")
    }

    /// Bytes of a table with its indexes.
    pub(crate) async fn size_of(&self, table: &'static str) -> Result<i64> {
        let size = sqlx::query_scalar("select pg_total_relation_size($1::regclass)");
        Ok(size.bind(table).fetch_one(&self.app.admin).await?)
    }

    pub(crate) async fn end(self) {
        if profile::is_wanted() {
            profile::show(&self.app.admin).await.ok();
        }
        self.queue.close().await;
        self.app.stop().await;
    }
}

/// As in production: logs at `info`.
pub(crate) fn settings(workers: usize, concurrency: u16) -> AppSettings {
    AppSettings {
        workers,
        concurrency,
        caller_limit: u32::MAX,
        more: vec![("RUST_LOG".into(), "info".into())],
        ..AppSettings::default()
    }
}

fn values<'a>(text: &'a str, name: &'a str, wanted: &'a [&str]) -> impl Iterator<Item = f64> + 'a {
    text.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        let is_whole_name = labels.is_empty() || labels.starts_with('{');
        let is_wanted = is_whole_name && wanted.iter().all(|label| labels.contains(label));
        is_wanted.then(|| value.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::values;

    #[test]
    fn a_metric_is_found_with_and_without_its_labels() {
        let text = "# TYPE a counter\na{x=\"1\"} 2\na{x=\"2\"} 3\na_more 9\n";

        assert_eq!(values(text, "a", &[]).sum::<f64>(), 5.0);
        assert_eq!(values(text, "a", &["x=\"2\""]).sum::<f64>(), 3.0);
    }
}
