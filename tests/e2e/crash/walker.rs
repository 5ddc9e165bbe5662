//! A system whose workers go through proxies: it runs one case, strikes at its boundary, and checks what remains.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use harness::app::{Matter, Person, Platform};
use harness::{AppSettings, Held, Hold, Protocol, Proxy, eventually};
use serde_json::{Value, json};

use super::boundaries::rows_at_least;
use super::{Boundary, Case, Strike};
use crate::support::{SOON, TestApp, cluster, start_with};

const LEASE: Duration = Duration::from_secs(1);
const VISIBILITY_DELAY: Duration = Duration::from_secs(2);
/// Shorter than the visibility delay: what is within it must be found.
const SEARCH_LAG: Duration = Duration::from_secs(1);

/// What is walked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route {
    pub(super) platform: Platform,
    /// New records stay out of lists for a while.
    pub(super) search_lag: bool,
}

/// A system whose workers go through both proxies.
pub(super) struct Walker {
    pub(super) app: TestApp,
    pub(super) database: Proxy,
    pub(super) provider: Proxy,
    platform: Platform,
}

impl Walker {
    pub(super) async fn start(route: Route) -> Self {
        let settings = AppSettings {
            workers: 0,
            lease: LEASE,
            visibility_delay: VISIBILITY_DELAY,
            test_platform: route.platform == Platform::Test,
            search_lag: if route.search_lag {
                SEARCH_LAG
            } else {
                Duration::ZERO
            },
            ..AppSettings::default()
        };
        let mut app = start_with(settings).await;
        let off = json!({ "mode": "off" });
        app.limits_at(Platform::Test, &off).await.unwrap();
        let postgres = SocketAddr::from((Ipv4Addr::LOCALHOST, cluster().port()));
        let database = Proxy::start(Protocol::Postgres, postgres).await.unwrap();
        let simulator = app.simulator_socket().unwrap();
        let provider = Proxy::start(Protocol::Http, simulator).await.unwrap();
        app.settings.database_proxy = Some(database.address());
        app.settings.clio_proxy = Some(provider.address());
        app.start_worker().await.unwrap();
        Self {
            app,
            database,
            provider,
            platform: route.platform,
        }
    }

    /// A firm of its own for every case: its own account, contact, matter and document.
    pub(super) async fn matter(&self, number: usize) -> Matter {
        let firm = self.app.firm().await.unwrap();
        let email = format!("person{number}@example.com");
        let person = Person::new("Ann", "Lee", Some(&email));
        let client = self.app.client(firm, &person).await.unwrap();
        let login = match self.platform {
            Platform::Clio => json!({ "account_id": self.account(number), "account_name": "Firm" }),
            Platform::Test => self.account(number),
        };
        let login = json!({ "login": login });
        self.app.change_at(self.platform, &login).await.unwrap();
        self.app.connect_to(self.platform, firm).await.unwrap();
        self.app
            .matter(firm, client, "Lee v. Lee", Some("custody_only"))
            .await
            .unwrap()
    }

    /// As the simulator names it.
    fn account(&self, number: usize) -> Value {
        match self.platform {
            Platform::Clio => json!(5000 + number),
            Platform::Test => json!(format!("account-{number}")),
        }
    }

    fn hold(&self, boundary: &Boundary) -> Held {
        let proxy = match boundary.protocol {
            Protocol::Postgres => &self.database,
            Protocol::Http => &self.provider,
        };
        proxy.hold(Hold {
            label: boundary.label.clone(),
            rows_at_least: rows_at_least(&boundary.label),
            occurrence: boundary.occurrence,
            side: boundary.side,
        })
    }

    pub(super) async fn run(&mut self, case: &Case, number: usize) -> Result<(), String> {
        let matter = self.matter(number).await;
        let upload = self
            .app
            .upload(matter, "intake.pdf", None, b"%PDF-1.7")
            .await
            .unwrap();
        let held = self.hold(&case.boundary);
        self.app.approve(&[upload]).await.unwrap();
        if !held.reached_within(SOON).await {
            return Err("the boundary was not reached".into());
        }
        match case.strike {
            Strike::Kill => self.kill(held).await?,
            Strike::KillThenDeliver => self.kill_then_deliver(held).await?,
            Strike::Freeze => self.freeze(Some(held)).await?,
            Strike::FreezeAndHold => {
                self.freeze(None).await?;
                held.release();
                self.thaw().await;
            }
        }
        self.check(matter, number).await
    }

    async fn kill(&mut self, held: Held) -> Result<(), String> {
        self.app.workers.pop().unwrap().kill9().unwrap();
        held.cut();
        self.app.start_worker().await.unwrap();
        self.wait_until_done().await
    }

    async fn kill_then_deliver(&mut self, held: Held) -> Result<(), String> {
        self.app.workers.pop().unwrap().kill9().unwrap();
        // At once, and not when the next worker is up, because no worker can foresee what arrives later than the visibility delay.
        // If the upstream refuses the dead client's message, that is a valid end, too.
        let _ = held.deliver_then_cut().await;
        self.app.start_worker().await.unwrap();
        self.wait_until_done().await
    }

    async fn freeze(&mut self, held: Option<Held>) -> Result<(), String> {
        self.app.workers[0].stop().unwrap();
        let frozen: uuid::Uuid = sqlx::query_scalar("select id from workers")
            .fetch_one(&self.app.admin)
            .await
            .unwrap();
        let passed = held.is_some();
        if let Some(held) = held {
            held.release();
        }
        self.app.start_worker().await.unwrap();
        self.wait_until_done().await?;
        // Past its lease, and replaced: a worker that goes on earlier is none the worse for it.
        eventually(SOON, || async {
            let row = sqlx::query("select from workers where id = $1").bind(frozen);
            row.fetch_optional(&self.app.admin)
                .await
                .ok()?
                .is_none()
                .then_some(())
        })
        .await
        .unwrap();
        if passed {
            self.thaw().await;
        }
        Ok(())
    }

    /// The frozen worker goes on, learns that it was replaced, and changes nothing.
    async fn thaw(&mut self) {
        let frozen = self.app.workers.remove(0);
        frozen.resume().unwrap();
        frozen
            .wait_for_line(|line| line.contains("another worker took over"), SOON)
            .await
            .unwrap();
        frozen.kill9().unwrap();
    }

    pub(super) async fn wait_until_done(&self) -> Result<(), String> {
        let Err(_) = self.app.settled(SOON).await else {
            return Ok(());
        };
        let state = sqlx::query_scalar::<_, String>(
            "select concat_ws(' ', 'lane', ready_at <= now(), worker, running_job, fence) from lanes where worker is not null or ready_at is not null
             union all select concat_ws(' ', 'job', state, run_at <= now(), waiting_for) from jobs
             union all select concat_ws(' ', 'worker', id, alive_until - now()) from workers
             union all select concat_ws(' ', 'session', pid, state, now() - xact_start, left(query, 60)) from pg_stat_activity
               where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()",
        )
        .fetch_all(&self.app.admin)
        .await
        .unwrap();
        Err(format!("the queue did not visibility_delay: {state:#?}"))
    }

    pub(super) async fn check(&self, matter: Matter, number: usize) -> Result<(), String> {
        let lines = self.app.log_lines(matter.firm).await.unwrap();
        let held = self.app.held_by(self.platform).await.unwrap();
        let account = self.account(number);
        let of_account = |kind: &str| -> Vec<Value> {
            let rows = held[kind].as_array().cloned().unwrap_or_default();
            rows.into_iter()
                .filter(|row| row["account_id"] == account)
                .collect()
        };
        let documents = of_account("documents");
        let complete = documents
            .iter()
            .filter(|d| d["fully_uploaded"] == json!(true))
            .count();
        let counts = (
            of_account("contacts").len(),
            of_account("matters").len(),
            documents.len(),
            complete,
        );
        if counts != (1, 1, 1, 1) || lines != ["sync_matter success", "sync_document success"] {
            return Err(format!(
                "contacts, matters, documents, complete: {counts:?}; log: {lines:?}"
            ));
        }
        Ok(())
    }
}
