//! All workers lose the database together, and come back one after the other.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use harness::app::{Matter, Person};
use harness::{AppSettings, Protocol, Proxy, eventually};
use serde_json::json;

use crate::support::{SOON, TestApp, cluster, start_with};

const WORKERS: usize = 3;
const FIRMS: usize = 9;
/// More of them with `CUTS=…`.
const ROUNDS: usize = 3;

/// Workers with a way to the database each.
async fn start() -> (TestApp, Vec<Proxy>) {
    let mut app = start_with(AppSettings {
        workers: 0,
        // So that each of them has some of the jobs.
        concurrency: 3,
        lease: Duration::from_secs(3),
        visibility_delay: Duration::from_secs(2),
        ..AppSettings::default()
    })
    .await;
    let postgres = SocketAddr::from((Ipv4Addr::LOCALHOST, cluster().port()));
    let mut ways = Vec::new();
    for _ in 0..WORKERS {
        let way = Proxy::start(Protocol::Postgres, postgres).await.unwrap();
        let settings = AppSettings {
            database_proxy: Some(way.address()),
            ..app.settings.clone()
        };
        app.start_worker_with(&settings).await.unwrap();
        ways.push(way);
    }
    (app, ways)
}

/// How many workers' leases stand.
const ALIVE: &str = "select count(*) from workers where alive_until > app_now()";
const BEATS: &str = "select (sum(extract(epoch from alive_until)) * 1000)::bigint from workers";

fn rounds() -> usize {
    let asked = std::env::var("CUTS").ok();
    asked.map_or(ROUNDS, |asked| asked.parse().unwrap())
}

async fn firms(app: &TestApp) -> Vec<Matter> {
    let mut matters = Vec::new();
    for number in 0..FIRMS {
        let person = Person::new("Ann", "Lee", None);
        matters.push(app.firm_with_matter(4000 + number, &person).await);
    }
    matters
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_come_back_seconds_apart_rob_each_other_of_nothing() {
    let (app, ways) = start().await;
    let matters = firms(&app).await;
    let rounds = rounds();
    for round in 0..rounds {
        // Calls that are under way while the database is away.
        app.fault("*", "/api/v4/", 10, &json!({ "delay_ms": 1500 }))
            .await
            .unwrap();
        let mut uploads = Vec::new();
        for matter in &matters {
            let bytes = format!("round {round}");
            uploads.push(
                app.upload(*matter, "a.pdf", None, bytes.as_bytes())
                    .await
                    .unwrap(),
            );
        }
        app.approve(&uploads).await.unwrap();
        let held = "select count(distinct worker) from lanes where worker is not null";
        eventually(SOON, async || {
            (app.count(held).await.ok()? > 1).then_some(())
        })
        .await
        .unwrap();
        let stalls: Vec<_> = ways.iter().map(Proxy::stall).collect();
        // Half a lease after the last one ended.
        let long_dead =
            "select count(*) from workers where alive_until > app_now() - interval '1.5 s'";
        app.counted(long_dead, 0).await;
        for (back, stall) in stalls.into_iter().enumerate() {
            drop(stall);
            let alive = i64::try_from(back).unwrap() + 1;
            eventually(SOON, async || {
                (app.count(ALIVE).await.ok()? >= alive).then_some(())
            })
            .await
            .unwrap();
            // And once more: its takeovers have looked around between.
            let beats = app.count(BEATS).await.unwrap();
            eventually(SOON, async || {
                (app.count(BEATS).await.ok()? > beats).then_some(())
            })
            .await
            .unwrap();
        }
        app.clear_faults().await.unwrap();
        sqlx::query("update jobs set run_at = now() where run_at > now()")
            .execute(&app.admin)
            .await
            .unwrap();
        app.settled(SOON).await.unwrap();

        let lost = "select count(*) from attempts where outcome = 'lost'";
        assert_eq!(app.count(lost).await.unwrap(), 0, "round {round}");
        assert_eq!(
            app.count("select count(*) from workers").await.unwrap(),
            3,
            "round {round}"
        );
    }
    assert_eq!(
        app.clio_counts().await.unwrap(),
        (FIRMS, FIRMS, FIRMS * rounds)
    );
    app.finish().await;
}
