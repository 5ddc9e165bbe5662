//! What every test begins and ends with.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use harness::{App, AppSettings, Cluster};
use serde_json::json;

pub(crate) const SOON: Duration = Duration::from_secs(60);

/// One Postgres for all tests; its guard stops it when the program ends.
pub(crate) fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("e2e-postgres");
        Cluster::start(&folder, harness::cluster::FAST).unwrap()
    })
}

/// A test's system, in a folder of its own that goes with it.
pub(crate) struct TestApp {
    pub(crate) app: App,
    folder: tempfile::TempDir,
}

impl std::ops::Deref for TestApp {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}

impl std::ops::DerefMut for TestApp {
    fn deref_mut(&mut self) -> &mut App {
        &mut self.app
    }
}

pub(crate) async fn start() -> TestApp {
    start_with(AppSettings::default()).await
}

pub(crate) async fn start_with(settings: AppSettings) -> TestApp {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let app = App::start(cluster(), folder.path(), settings)
        .await
        .unwrap();
    app.limits(&json!({ "mode": "off" })).await.unwrap();
    TestApp { app, folder }
}

impl TestApp {
    /// Waits until a count is what it shall be.
    pub(crate) async fn counted(&self, statement: &'static str, wanted: i64) {
        harness::eventually(SOON, || async {
            let count = self.count(statement).await.ok()?;
            (count == wanted).then_some(())
        })
        .await
        .unwrap();
    }

    /// The time is over in which events wait for their records.
    pub(crate) async fn end_patience(&self) {
        harness::eventually(SOON, || async {
            let early = "update events set received_at = received_at - interval '2 minutes', look_at = now() where status = 'waiting' and look_at is not null";
            sqlx::query(early).execute(&self.admin).await.ok()?;
            let fresh = "select count(*) from events where status = 'waiting'";
            (self.count(fresh).await.ok()? == 0).then_some(())
        })
        .await
        .unwrap();
    }

    /// Every request that a platform was sent is valid by its own description, no job is left, no invariant is broken.
    pub(crate) async fn finish(self) {
        self.app.settled(SOON).await.unwrap();
        self.app.audit().await.unwrap();
        let report = requests::violations(&self.app.record()).unwrap();
        assert!(
            report.violations.is_empty(),
            "invalid requests: {:#?}",
            report.violations
        );
        drop(self.folder);
    }
}
