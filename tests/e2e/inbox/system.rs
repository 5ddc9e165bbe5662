//! The whole system with two inboxes: real processes, a Postgres and a Redis of their own, which come and go.

use std::sync::Arc;
use std::time::Duration;

use harness::app::{Answer, Matter, Program, Upload};
use harness::{App, AppSettings, Cluster, Mode, Process, Redis, eventually};
use serde_json::{Value, json};
use uuid::Uuid;

use super::STREAM;
use super::store::DURABLE;
use crate::support::SOON;

/// No connection cares for its events.
const FIRM: Uuid = Uuid::from_u128(1);

pub(super) struct InboxSystem {
    pub(super) app: App,
    pub(super) redis: Redis,
    cluster: Arc<Cluster>,
    _folder: tempfile::TempDir,
}

impl std::ops::Deref for InboxSystem {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}

impl InboxSystem {
    /// `first` is the inbox of the first choice.
    pub(super) async fn start(first: &str) -> Self {
        Self::start_with(first, &[]).await
    }

    /// With more settings of Redis.
    pub(super) async fn start_with(first: &str, redis: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let redis = Redis::start_with(&folder.path().join("redis"), redis)
            .await
            .unwrap();
        let cluster = Arc::new(Cluster::start(&folder.path().join("postgres"), DURABLE).unwrap());
        let settings = AppSettings {
            more: vec![
                ("REDIS_URL".into(), redis.url()),
                ("INBOX".into(), first.into()),
            ],
            ..AppSettings::default()
        };
        let app = App::start(&cluster, &folder.path().join("app"), settings)
            .await
            .unwrap();
        app.limits(&json!({ "mode": "off" })).await.unwrap();
        sqlx::query("insert into firms (id, name) values ($1, 'firm')")
            .bind(FIRM)
            .execute(&app.admin)
            .await
            .unwrap();
        Self {
            app,
            redis,
            cluster,
            _folder: folder,
        }
    }

    /// As by a crash.
    pub(super) async fn stop_postgres(&self) {
        let cluster = self.cluster.clone();
        let stopped = tokio::task::spawn_blocking(move || cluster.stop(Mode::Immediate));
        stopped.await.unwrap().unwrap();
    }

    pub(super) async fn start_postgres(&self) {
        let cluster = self.cluster.clone();
        let started = tokio::task::spawn_blocking(move || cluster.start_again());
        started.await.unwrap().unwrap();
    }

    /// Everything that was accepted has come to its end.
    pub(super) async fn wait_until_done(&self) {
        let moved = eventually(SOON, || async {
            let left = self.redis.length(STREAM).await.ok()?;
            (left == 0).then_some(())
        });
        if let Err(error) = moved.await {
            let left = self.redis.length(STREAM).await;
            let words = self.app.workers[0].lines();
            let last = &words[words.len().saturating_sub(40)..];
            panic!(
                "{error}: the stream holds {left:?}, the worker's last words:\n{}",
                last.join("\n")
            );
        }
        self.app.settled(SOON).await.unwrap();
    }

    /// A connected firm's matter with `documents` documents.
    pub(super) async fn matter_with(&self, documents: usize) -> (Matter, Vec<Upload>) {
        let matter = self.connected_matter().await.unwrap();
        let mut uploads = Vec::new();
        for number in 0..documents {
            let name = format!("{number}.pdf");
            let upload = self.upload(matter, &name, None, name.as_bytes()).await;
            uploads.push(upload.unwrap());
        }
        (matter, uploads)
    }

    /// Posts an event that no connection cares for.
    pub(super) async fn post(&self, id: &str) -> Answer {
        self.post_events(&event(id)).await.unwrap()
    }

    /// Posts it until it is taken.
    pub(super) async fn post_until_taken(&self, id: &str) {
        let taken = eventually(SOON, || async {
            (self.post(id).await.status == 202).then_some(())
        });
        taken.await.unwrap();
    }

    /// How many events an inbox has taken, as ingress counts.
    pub(super) async fn taken_by(&self, inbox: &str) -> f64 {
        self.taken(&self.ingress_ops_url(), inbox).await
    }

    /// The same of an ingress beside the first one.
    pub(super) async fn taken_of(&self, ingress: &Program, inbox: &str) -> f64 {
        self.taken(&ingress.ops_url(), inbox).await
    }

    async fn taken(&self, ops_url: &str, inbox: &str) -> f64 {
        let name = format!("casehug_inbox_appended_total{{inbox=\"{inbox}\"}}");
        self.metric(ops_url, &name).await.unwrap_or(0.0)
    }

    async fn metric(&self, ops_url: &str, name: &str) -> Option<f64> {
        let url = format!("{ops_url}/metrics");
        let text = self.http.get(url).send().await.ok()?.text().await.ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse().ok()
    }

    /// Waits until ingress would use Redis, or would not.
    pub(super) async fn wait_until_usable(&self, usable: bool) {
        let wanted = f64::from(u8::from(usable));
        let seen = eventually(SOON, || async {
            let found = self
                .metric(&self.ingress_ops_url(), "casehug_redis_inbox_usable")
                .await;
            (found == Some(wanted)).then_some(())
        });
        seen.await.unwrap();
    }

    pub(super) async fn ready(&self) -> u16 {
        let url = format!("{}/readyz", self.ingress_ops_url());
        self.http.get(url).send().await.unwrap().status().as_u16()
    }

    /// The ids of the events in the Postgres inbox.
    pub(super) async fn stored(&self) -> Vec<String> {
        sqlx::query_scalar("select id from events order by id")
            .fetch_all(&self.admin)
            .await
            .unwrap()
    }
}

pub(super) fn event(id: &str) -> Value {
    json!({ "id": id, "type": "client.renamed", "firm_id": FIRM, "data": {} })
}

pub(super) async fn wait_for_words(process: &Process, words: &str) {
    process
        .wait_for_line(|line| line.contains(words), Duration::from_secs(30))
        .await
        .unwrap();
}
