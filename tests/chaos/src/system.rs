//! Everything that plays: Postgres, Redis, the simulator, two ingress, four workers, each behind proxies of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use harness::app::Platform;
use harness::{App, AppSettings, Cluster, Database, Redis};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use crate::arguments::Arguments;
use crate::firms::{self, Firm};
use crate::history;
use crate::ledger::{Ledger, say};
use crate::node::{Node, Part};

/// Short, so that takeovers happen all the time; long enough that a busy machine does not lose every one of them.
pub(crate) const LEASE: Duration = Duration::from_secs(3);
/// Longer than whatever the run does to an effect: held up 1 s, applied 2 s late, found 1 s later.
const VISIBILITY_DELAY: Duration = Duration::from_secs(6);
const SEARCH_LAG: Duration = Duration::from_secs(1);
/// A record of the platform that accepts first shows within this, in milliseconds.
const SHOWN_AFTER_MS: (u64, u64) = (0, 1_000);
const WORKERS: usize = 4;
/// One ingress each: where it appends first.
const FIRST_CHOICES: [&str; 2] = ["postgres", "redis"];
/// What a commit promises must hold when the server is killed; that the machine stays up is taken for granted.
const POSTGRES: &[(&str, &str)] = &[("fsync", "off"), ("full_page_writes", "off")];

#[derive(Debug)]
pub(crate) struct ChaosSystem {
    pub(crate) nodes: Vec<Arc<Node>>,
    pub(crate) app: App,
    pub(crate) firms: Vec<Firm>,
    pub(crate) poisoned: harness::app::Matter,
    pub(crate) ledger: Ledger,
    pub(crate) redis: Redis,
    pub(crate) cluster: Arc<Cluster>,
    /// Held by the fault that keeps Postgres away.
    pub(crate) postgres: Mutex<()>,
}

impl ChaosSystem {
    pub(crate) async fn start(folder: &Path, arguments: &Arguments) -> Result<Self> {
        let ledger = Ledger::open(&folder.join("ledgers"))?;
        let cluster = Arc::new(Cluster::start(&folder.join("postgres"), POSTGRES)?);
        let redis = Redis::start(&folder.join("redis")).await?;
        let template = harness::app::migrated(&cluster).await?;
        let database = Database::from_template(&cluster, &template).await?;
        let app = App::start_on(database, &folder.join("app"), settings(&redis)).await?;
        let limits = json!({ "limit": 2000, "window_ms": 1000 });
        for platform in [Platform::Clio, Platform::Test] {
            app.limits_at(platform, &limits).await?;
        }
        let shown = json!({ "visible_after_ms": SHOWN_AFTER_MS });
        app.change_at(Platform::Test, &shown).await?;
        let firms = firms::found(&app, &ledger, arguments).await?;
        let poisoned = firms::found_poisoned(&app, &ledger, arguments).await?;
        // It was there for the connects alone; the two that play are behind proxies.
        app.ingress.kill9()?;
        history::install(&app.admin).await?;
        if let Some(sabotage) = arguments.sabotage {
            sabotage.apply(&app.admin).await?;
            say(&format!("sabotage: {sabotage:?}"));
        }
        let nodes = nodes(&app, &cluster, folder).await?;
        let system = Self {
            nodes,
            app,
            firms,
            poisoned,
            ledger,
            redis,
            cluster,
            postgres: Mutex::new(()),
        };
        system.note_run(arguments)?;
        Ok(system)
    }

    fn note_run(&self, arguments: &Arguments) -> Result<()> {
        let hosts: Map<String, Value> = self
            .nodes
            .iter()
            .map(|node| (node.host(), json!(node.name)))
            .collect();
        let line = json!({
            "seed": arguments.seed,
            "started": crate::clock::now(),
            "lease_ms": LEASE.as_millis(),
            "hosts": hosts,
            "poisoned": self.poisoned.id,
        });
        self.ledger.note("run", &line)
    }

    pub(crate) fn workers(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.iter().filter(|node| node.part == Part::Worker)
    }

    pub(crate) fn ingresses(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes
            .iter()
            .filter(|node| matches!(node.part, Part::Ingress { .. }))
    }

    /// Everything up, nothing stalled, no fault left.
    pub(crate) async fn mend(&self) -> Result<()> {
        let cluster = Arc::clone(&self.cluster);
        tokio::task::spawn_blocking(move || cluster.start_again()).await??;
        self.app.clear_faults().await?;
        for node in &self.nodes {
            node.mend();
            let mut program = node.program.lock().await;
            // What stands still is let go, what is dead starts again.
            if program.process().resume().is_err() {
                program.start_again()?;
            }
        }
        Ok(())
    }

    /// Programs first: a program that still runs would only see everything else vanish.
    pub(crate) async fn end(self) {
        drop(self.nodes);
        self.app.stop().await;
    }
}

fn settings(redis: &Redis) -> AppSettings {
    let more = vec![
        ("RUST_LOG".to_owned(), "info".to_owned()),
        ("REDIS_URL".to_owned(), redis.url()),
    ];
    AppSettings {
        workers: 0,
        lease: LEASE,
        visibility_delay: VISIBILITY_DELAY,
        search_lag: SEARCH_LAG,
        test_platform: true,
        more,
        ..AppSettings::default()
    }
}

async fn nodes(app: &App, cluster: &Cluster, folder: &Path) -> Result<Vec<Arc<Node>>> {
    let postgres = SocketAddr::from((Ipv4Addr::LOCALHOST, cluster.port()));
    let mut nodes = Vec::new();
    for (number, inbox) in (1..).zip(FIRST_CHOICES) {
        let name = format!("ingress-{number}");
        let part = Part::Ingress { inbox };
        nodes.push(Node::start(app, part, &name, postgres, None).await?);
    }
    for number in 1..=WORKERS {
        let name = format!("worker-{number}");
        let clock = folder.join("clock");
        let clock = (number == WORKERS).then_some(clock.as_path());
        let worker = Node::start(app, Part::Worker, &name, postgres, clock).await;
        nodes.push(worker.with_context(|| format!("start {name}"))?);
    }
    Ok(nodes.into_iter().map(Arc::new).collect())
}
