//! What callers see while Postgres, Redis or both are away, and what becomes of what was accepted.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use harness::{AppSettings, Protocol, Proxy, eventually};
use serde_json::json;

use super::STREAM;
use super::stage::{Stage, event};
use crate::support::SOON;

/// As long as a failover takes that a person has to look at.
const AWAY: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn while_postgres_is_away_events_are_accepted_and_their_jobs_run_once_afterwards() {
    let stage = Stage::start("postgres").await;
    let (matter, uploads) = stage.matter_with(3).await;

    stage.approve(&uploads[..1]).await.unwrap();
    stage.settle().await;
    stage.stop_postgres().await;
    stage.approve(&uploads[1..2]).await.unwrap();
    stage.approve(&uploads[1..]).await.unwrap();
    let (waiting, ready) = (
        stage.redis.length(STREAM).await.unwrap(),
        stage.ready().await,
    );
    stage.start_postgres().await;
    stage.settle().await;

    assert_eq!((waiting, ready), (3, 200));
    assert_eq!(stage.clio_counts().await.unwrap(), (1, 1, 3));
    let lines = stage.log_lines(matter.firm).await.unwrap();
    assert!(
        lines.iter().all(|line| !line.contains("failed")),
        "{lines:?}"
    );
}

/// An event each moment: no caller is refused, and nothing is lost or doubled.
#[tokio::test(flavor = "multi_thread")]
async fn forty_seconds_without_postgres_refuse_nobody() {
    let stage = Stage::start("postgres").await;
    let number = AtomicUsize::new(0);
    let id = |number: usize| format!("event-{number:05}");

    stage.stop_postgres().await;
    let away_since = tokio::time::Instant::now();
    let long_enough = eventually(AWAY * 2, || async {
        let answer = stage
            .post(&id(number.fetch_add(1, Ordering::Relaxed)))
            .await;
        assert_eq!(answer.status, 202, "{answer:?}");
        (away_since.elapsed() >= AWAY).then_some(())
    });
    long_enough.await.unwrap();
    stage.start_postgres().await;
    stage.settle().await;

    let all: Vec<String> = (0..number.into_inner()).map(id).collect();
    assert_eq!(stage.stored().await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingress_that_starts_while_postgres_is_away_accepts_too() {
    let stage = Stage::start("postgres").await;
    stage.stop_postgres().await;

    let second = stage.launch_ingress("second", &stage.settings).unwrap();
    stage.program_ready(&second).await.unwrap();
    let url = format!("{}/api/v1/events", second.url().unwrap());
    let token = stage.tokens.service().unwrap();
    let request = stage.http.post(url).bearer_auth(token).json(&event("a"));
    let answer = stage.send(request).await.unwrap();
    stage.start_postgres().await;
    stage.settle().await;

    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(stage.stored().await, ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_hangs_delays_nobody_for_long_and_is_used_again_afterwards() {
    let stage = Stage::start("postgres").await;
    let postgres: url::Url = stage.database.url().parse().unwrap();
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, postgres.port().unwrap()));
    let proxy = Proxy::start(Protocol::Postgres, upstream).await.unwrap();
    let url = proxy.through(stage.database.url()).unwrap();
    let mut settings: AppSettings = stage.settings.clone();
    settings.more.push(("DATABASE_URL".into(), url));
    let ingress = stage.launch_ingress("proxied", &settings).unwrap();
    stage.program_ready(&ingress).await.unwrap();
    let url = format!("{}/api/v1/events", ingress.url().unwrap());
    let post = async |id: String| {
        let token = stage.tokens.service().unwrap();
        let request = stage.http.post(&url).bearer_auth(token).json(&event(&id));
        stage.send(request).await.unwrap().status
    };

    proxy.stall(true);
    let mut answers = Vec::new();
    for number in 0..20 {
        answers.push(post(format!("during-{number:02}")).await);
    }
    let waiting = stage.taken_of(&ingress, "redis").await;
    proxy.stall(false);
    let again = eventually(SOON, || async {
        post("after".to_owned()).await;
        (stage.taken_of(&ingress, "postgres").await > 0.0).then_some(())
    });
    again.await.unwrap();
    stage.settle().await;

    assert_eq!(answers, [202; 20]);
    assert_eq!(waiting, 20.0);
    assert_eq!(stage.stored().await.len(), 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_as_the_first_choice_takes_the_events_and_their_jobs_run() {
    let stage = Stage::start("redis").await;
    let (_, uploads) = stage.matter_with(2).await;

    stage.approve(&uploads).await.unwrap();
    stage.settle().await;

    assert_eq!(stage.taken_by("redis").await, 2.0);
    assert_eq!(stage.taken_by("postgres").await, 0.0);
    assert_eq!(stage.clio_counts().await.unwrap(), (1, 1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_away_postgres_takes_all_and_redis_is_used_again_afterwards() {
    let stage = Stage::start("redis").await;

    stage.post_until_taken("a").await;
    stage.redis.kill9().unwrap();
    for id in ["b", "c", "d"] {
        assert_eq!(stage.post(id).await.status, 202);
    }
    let by_postgres = stage.taken_by("postgres").await;
    stage.redis.start_again().await.unwrap();
    let again = eventually(SOON, || async {
        stage.post("e").await;
        (stage.taken_by("redis").await > 1.0).then_some(())
    });
    again.await.unwrap();
    stage.settle().await;

    assert_eq!(by_postgres, 3.0);
    assert_eq!(stage.stored().await, ["a", "b", "c", "d", "e"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_both_away_callers_are_told_to_come_back() {
    let stage = Stage::start("postgres").await;
    stage.stop_postgres().await;
    stage.redis.kill9().unwrap();
    stage.wait_until_usable(false).await;

    let refused = stage.post("a").await;
    let ready = stage.ready().await;
    stage.redis.start_again().await.unwrap();
    stage.post_until_taken("a").await;
    stage.start_postgres().await;
    stage.settle().await;

    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.body["error"]["code"], json!("unavailable"));
    let seconds = refused.headers["retry-after"].to_str().unwrap();
    assert!(seconds.parse::<u64>().unwrap() >= 1);
    assert_eq!(ready, 503);
    assert_eq!(stage.stored().await, ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_stands_still_is_passed_over() {
    let stage = Stage::start("redis").await;

    stage.redis.freeze().unwrap();
    let answers = [stage.post("a").await.status, stage.post("b").await.status];
    stage.redis.thaw().unwrap();
    stage.settle().await;

    assert_eq!(answers, [202, 202]);
    assert_eq!(stage.stored().await, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_with_a_repeated_key_answers_with_the_first_one_also_when_redis_is_the_first_choice()
{
    let stage = Stage::start("redis").await;
    let (matter, _) = stage.matter_with(0).await;
    let admin = stage.tokens.firm_admin(matter.firm).unwrap();
    let ask = async || {
        let url = format!("{}/api/v1/integrations/clio/sync", stage.ingress_url());
        let request = stage.http.post(url).bearer_auth(&admin);
        let request = request
            .header("idempotency-key", "once")
            .json(&json!({ "matter_id": matter.id }));
        stage.send(request).await.unwrap()
    };

    let (first, second) = (ask().await, ask().await);
    stage.settle().await;

    assert_eq!((first.status, second.status), (202, 202));
    assert_eq!(first.body["run_id"], second.body["run_id"]);
}
