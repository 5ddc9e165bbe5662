//! What callers see while Postgres, Redis or both are away, and what becomes of what was accepted.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use harness::{AppSettings, Protocol, Proxy, eventually};
use serde_json::json;

use super::STREAM;
use super::system::{InboxSystem, event};
use crate::support::SOON;

/// As long as a failover takes that a person has to look at.
const AWAY: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn while_postgres_is_away_events_are_accepted_and_their_jobs_run_once_afterwards() {
    let system = InboxSystem::start("postgres").await;
    let (matter, uploads) = system.matter_with(3).await;

    system.approve(&uploads[..1]).await.unwrap();
    system.wait_until_done().await;
    system.stop_postgres().await;
    system.approve(&uploads[1..2]).await.unwrap();
    system.approve(&uploads[1..]).await.unwrap();
    let (waiting, ready) = (
        system.redis.length(STREAM).await.unwrap(),
        system.ready().await,
    );
    system.start_postgres().await;
    system.wait_until_done().await;

    assert_eq!((waiting, ready), (3, 200));
    assert_eq!(system.clio_counts().await.unwrap(), (1, 1, 3));
    let lines = system.log_lines(matter.firm).await.unwrap();
    assert!(
        lines.iter().all(|line| !line.contains("failed")),
        "{lines:?}"
    );
}

/// An event each moment: no caller is refused, and nothing is lost or doubled.
#[tokio::test(flavor = "multi_thread")]
async fn forty_seconds_without_postgres_refuse_nobody() {
    let system = InboxSystem::start("postgres").await;
    let number = AtomicUsize::new(0);
    let id = |number: usize| format!("event-{number:05}");

    system.stop_postgres().await;
    let away_since = tokio::time::Instant::now();
    let long_enough = eventually(AWAY * 2, || async {
        let answer = system
            .post(&id(number.fetch_add(1, Ordering::Relaxed)))
            .await;
        assert_eq!(answer.status, 202, "{answer:?}");
        (away_since.elapsed() >= AWAY).then_some(())
    });
    long_enough.await.unwrap();
    system.start_postgres().await;
    system.wait_until_done().await;

    let all: Vec<String> = (0..number.into_inner()).map(id).collect();
    assert_eq!(system.stored().await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingress_that_starts_while_postgres_is_away_accepts_too() {
    let system = InboxSystem::start("postgres").await;
    system.stop_postgres().await;

    let second = system.launch_ingress("second", &system.settings).unwrap();
    system.program_ready(&second).await.unwrap();
    let url = format!("{}/api/v1/events", second.url().unwrap());
    let token = system.tokens.service().unwrap();
    let request = system.http.post(url).bearer_auth(token).json(&event("a"));
    let answer = system.send(request).await.unwrap();
    system.start_postgres().await;
    system.wait_until_done().await;

    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(system.stored().await, ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_hangs_delays_nobody_for_long_and_is_used_again_afterwards() {
    let system = InboxSystem::start("postgres").await;
    let postgres: url::Url = system.database.url().parse().unwrap();
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, postgres.port().unwrap()));
    let proxy = Proxy::start(Protocol::Postgres, upstream).await.unwrap();
    let url = proxy.through(system.database.url()).unwrap();
    let mut settings: AppSettings = system.settings.clone();
    settings.more.push(("DATABASE_URL".into(), url));
    let ingress = system.launch_ingress("proxied", &settings).unwrap();
    system.program_ready(&ingress).await.unwrap();
    let url = format!("{}/api/v1/events", ingress.url().unwrap());
    let post = async |id: String| {
        let token = system.tokens.service().unwrap();
        let request = system.http.post(&url).bearer_auth(token).json(&event(&id));
        system.send(request).await.unwrap().status
    };

    let stall = proxy.stall();
    let mut answers = Vec::new();
    for number in 0..20 {
        answers.push(post(format!("during-{number:02}")).await);
    }
    let waiting = system.taken_of(&ingress, "redis").await;
    drop(stall);
    let again = eventually(SOON, || async {
        post("after".to_owned()).await;
        (system.taken_of(&ingress, "postgres").await > 0.0).then_some(())
    });
    again.await.unwrap();
    system.wait_until_done().await;

    assert_eq!(answers, [202; 20]);
    assert_eq!(waiting, 20.0);
    assert_eq!(system.stored().await.len(), 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_as_the_first_choice_takes_the_events_and_their_jobs_run() {
    let system = InboxSystem::start("redis").await;
    let (_, uploads) = system.matter_with(2).await;

    system.approve(&uploads).await.unwrap();
    system.wait_until_done().await;

    assert_eq!(system.taken_by("redis").await, 2.0);
    assert_eq!(system.taken_by("postgres").await, 0.0);
    assert_eq!(system.clio_counts().await.unwrap(), (1, 1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_away_postgres_takes_all_and_redis_is_used_again_afterwards() {
    let system = InboxSystem::start("redis").await;

    system.post_until_taken("a").await;
    system.redis.kill9().unwrap();
    for id in ["b", "c", "d"] {
        assert_eq!(system.post(id).await.status, 202);
    }
    let by_postgres = system.taken_by("postgres").await;
    system.redis.start_again().await.unwrap();
    let again = eventually(SOON, || async {
        system.post("e").await;
        (system.taken_by("redis").await > 1.0).then_some(())
    });
    again.await.unwrap();
    system.wait_until_done().await;

    assert_eq!(by_postgres, 3.0);
    assert_eq!(system.stored().await, ["a", "b", "c", "d", "e"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_both_away_callers_are_told_to_come_back() {
    let system = InboxSystem::start("postgres").await;
    system.stop_postgres().await;
    system.redis.kill9().unwrap();
    system.wait_until_usable(false).await;

    let refused = system.post("a").await;
    let ready = system.ready().await;
    system.redis.start_again().await.unwrap();
    system.post_until_taken("a").await;
    system.start_postgres().await;
    system.wait_until_done().await;

    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.body["error"]["code"], json!("unavailable"));
    let seconds = refused.headers["retry-after"].to_str().unwrap();
    assert!(seconds.parse::<u64>().unwrap() >= 1);
    assert_eq!(ready, 503);
    assert_eq!(system.stored().await, ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_stands_still_is_passed_over() {
    let system = InboxSystem::start("redis").await;

    system.redis.freeze().unwrap();
    let answers = [system.post("a").await.status, system.post("b").await.status];
    system.redis.thaw().unwrap();
    system.wait_until_done().await;

    assert_eq!(answers, [202, 202]);
    assert_eq!(system.stored().await, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_a_repeated_key_answers_with_the_first_one_also_when_redis_is_the_first_choice()
 {
    let system = InboxSystem::start("redis").await;
    let (matter, _) = system.matter_with(0).await;
    let admin = system.tokens.firm_admin(matter.firm).unwrap();
    let ask = async || {
        let url = format!("{}/api/v1/integrations/clio/sync", system.ingress_url());
        let request = system.http.post(url).bearer_auth(&admin);
        let request = request
            .header("idempotency-key", "once")
            .json(&json!({ "matter_id": matter.id }));
        system.send(request).await.unwrap()
    };

    let (first, second) = (ask().await, ask().await);
    system.wait_until_done().await;

    assert_eq!((first.status, second.status), (202, 202));
    assert_eq!(first.body["run_id"], second.body["run_id"]);
}
