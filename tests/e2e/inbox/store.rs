//! An inbox as the service has it, and the store behind it, which can be killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use harness::{Cluster, Mode, Redis, eventually};
use serde_json::json;
use shared::db::Database;
use shared::domain::FirmId;
use shared::domain::event::NewEvent;
use shared::inbox::{Inbox, PostgresInbox, RedisAddress, RedisDrain, RedisInbox};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{SOON, cluster};

/// What a commit promises must hold when the server is killed; that the machine stays up is taken for granted.
pub(super) const DURABLE: &[(&str, &str)] = &[("fsync", "off"), ("full_page_writes", "off")];

pub(super) struct Store {
    pub(super) inbox: Arc<dyn Inbox>,
    pub(super) database: Database,
    pub(super) admin: PgPool,
    kind: Kind,
    _database: harness::Database,
    _folder: tempfile::TempDir,
}

enum Kind {
    Postgres(Arc<Cluster>),
    Redis(Box<Redis>),
}

impl Store {
    pub(super) async fn postgres() -> Self {
        let folder = folder();
        let cluster = Arc::new(Cluster::start(&folder.path().join("postgres"), DURABLE).unwrap());
        let (database, admin, own) = open(&cluster).await;
        Self {
            inbox: Arc::new(PostgresInbox::new(database.clone())),
            database,
            admin,
            kind: Kind::Postgres(cluster),
            _database: own,
            _folder: folder,
        }
    }

    pub(super) async fn redis() -> Self {
        Self::redis_with(&[]).await
    }

    pub(super) async fn redis_with(settings: &[(&str, &str)]) -> Self {
        let folder = folder();
        let redis = Redis::start_with(&folder.path().join("redis"), settings)
            .await
            .unwrap();
        let (database, admin, own) = open(cluster()).await;
        let address = RedisAddress::parse(&redis.url()).unwrap();
        Self {
            inbox: Arc::new(RedisInbox::start(address).await),
            database,
            admin,
            kind: Kind::Redis(Box::new(redis)),
            _database: own,
            _folder: folder,
        }
    }

    /// As by `kill -9`.
    pub(super) async fn kill(&self) {
        match &self.kind {
            Kind::Postgres(cluster) => {
                let cluster = cluster.clone();
                let stopped = tokio::task::spawn_blocking(move || cluster.stop(Mode::Immediate));
                stopped.await.unwrap().unwrap();
            }
            Kind::Redis(redis) => redis.kill9().unwrap(),
        }
    }

    pub(super) async fn start_again(&self) {
        match &self.kind {
            Kind::Postgres(cluster) => {
                let cluster = cluster.clone();
                let started = tokio::task::spawn_blocking(move || cluster.start_again());
                started.await.unwrap().unwrap();
            }
            Kind::Redis(redis) => redis.start_again().await.unwrap(),
        }
    }

    pub(super) fn server(&self) -> &Redis {
        match &self.kind {
            Kind::Redis(redis) => redis,
            Kind::Postgres(_) => panic!("this store is Postgres"),
        }
    }

    pub(super) fn redis_drain(&self) -> RedisDrain {
        let address = RedisAddress::parse(&self.server().url()).unwrap();
        RedisDrain::new(self.database.clone(), address)
    }

    /// Waits until everything that was accepted is in the Postgres inbox.
    pub(super) async fn drain(&self) {
        if let Kind::Redis(redis) = &self.kind {
            let mut drain = self.redis_drain();
            while redis.length(super::STREAM).await.unwrap() > 0 {
                drain.run_once().await.unwrap();
            }
        }
    }

    /// A firm's events in the Postgres inbox, in their order.
    pub(super) async fn ids(&self, firm: FirmId) -> Vec<String> {
        let ids = eventually(SOON, || async {
            sqlx::query_scalar("select id from events where firm_id = $1 order by position")
                .bind(firm.0)
                .fetch_all(&self.admin)
                .await
                .ok()
        });
        ids.await.unwrap()
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

async fn open(cluster: &Cluster) -> (Database, PgPool, harness::Database) {
    let template = harness::app::migrated(cluster).await.unwrap();
    let own = harness::Database::from_template(cluster, &template)
        .await
        .unwrap();
    let database = Database::lazy(own.url(), 8).unwrap();
    let admin = PgPool::connect(own.admin_url()).await.unwrap();
    (database, admin, own)
}

/// One caller of an inbox: sends its firm's events in order, each batch again and again until it is taken.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) firm: FirmId,
    pub(super) taken: Arc<AtomicUsize>,
    pub(super) refused: Arc<AtomicUsize>,
    pub(super) enough: Arc<AtomicBool>,
}

impl Caller {
    pub(super) fn new(number: u128) -> Self {
        Self {
            firm: FirmId(Uuid::from_u128(number)),
            taken: Arc::default(),
            refused: Arc::default(),
            enough: Arc::default(),
        }
    }

    pub(super) fn event(&self, number: usize) -> NewEvent {
        NewEvent {
            firm_id: self.firm,
            id: format!("event-{number}"),
            event_type: "client.renamed".into(),
            data: json!({ "client_id": Uuid::from_u128(number as u128) }),
            created_at: None,
            requested_by_person: false,
        }
    }

    pub(super) fn batch(&self, batch: usize, size: usize) -> Vec<NewEvent> {
        (batch * size..(batch + 1) * size)
            .map(|number| self.event(number))
            .collect()
    }

    /// Sends batches until `enough` is set.
    pub(super) async fn send(self, inbox: Arc<dyn Inbox>, size: usize) {
        while !self.enough.load(Ordering::Relaxed) {
            let batch = self.batch(self.taken.load(Ordering::Relaxed), size);
            let taken = eventually(SOON, || async {
                let answer = inbox.append(&batch).await;
                if answer.is_err() {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
                answer.ok()
            });
            assert_eq!(taken.await.unwrap().len(), size);
            self.taken.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until the counter, of taken batches or of refused attempts, has reached `number`.
    pub(super) async fn wait_for(&self, counter: &AtomicUsize, number: usize) {
        let counted = eventually(SOON, || async {
            (counter.load(Ordering::Relaxed) >= number).then_some(())
        });
        counted.await.unwrap();
    }

    pub(super) fn expected(&self, events: usize) -> Vec<String> {
        (0..events).map(|number| self.event(number).id).collect()
    }
}
