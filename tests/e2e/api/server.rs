//! What a client can leave open, and how ingress ends.

use std::time::Duration;

use harness::{AppSettings, eventually};
use reqwest::Method;
use serde_json::json;
use shared::clock::Moment;
use sqlx::{Postgres, Transaction};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::events::event;
use crate::asking::{EVENTS, SYNC, nobody, start_without_workers};
use crate::support::{SOON, TestApp, start_with};

const MIB: u64 = 1024 * 1024;
const SECOND: Duration = Duration::from_secs(1);

/// 1 while events wait for that lock.
pub(super) const APPENDING: &str = "select least(count(*), 1) from pg_locks
    where not granted and relation = 'events'::regclass";

impl TestApp {
    async fn socket(&self) -> TcpStream {
        let address = self.ingress_url().trim_start_matches("http://").to_owned();
        TcpStream::connect(address).await.unwrap()
    }

    pub(super) async fn socket_with(&self, text: &str) -> TcpStream {
        let mut socket = self.socket().await;
        socket.write_all(text.as_bytes()).await.unwrap();
        socket
    }

    /// No event can be appended while the transaction is open.
    pub(super) async fn lock_events(&self) -> Transaction<'static, Postgres> {
        let mut lock = self.admin.begin().await.unwrap();
        let statement = "lock table events in access exclusive mode";
        sqlx::query(statement).execute(&mut *lock).await.unwrap();
        lock
    }

    async fn ops_status(&self, path: &str) -> u16 {
        let answer = self
            .http
            .get(format!("{}{path}", self.ingress_ops_url()))
            .send();
        answer.await.unwrap().status().as_u16()
    }
}

/// The head of a request with events; `framing` says how long its body is.
pub(super) fn head_of_events(token: &str, framing: &str) -> String {
    format!(
        "POST {EVENTS} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n{framing}\r\n\r\n"
    )
}

/// All that comes until the connection ends.
pub(super) async fn to_the_end(mut socket: TcpStream) -> String {
    let mut text = Vec::new();
    let read = tokio::time::timeout(SOON, socket.read_to_end(&mut text)).await;
    // A connection that is cut off ends too.
    let _ = read.expect("the connection stays open");
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn whatever_a_client_leaves_open_is_ended() {
    let app = start_without_workers().await;
    let token = app.tokens.service().unwrap();
    let mut ends = JoinSet::new();
    for (sent, answered) in [
        (String::new(), ""),
        ("G".to_owned(), ""),
        ("GET / HTTP/1.1\r\nhost: x\r\nx-y: ".to_owned(), ""),
        (
            head_of_events(&token, "content-length: 1000") + "{",
            "HTTP/1.1 408",
        ),
        (
            head_of_events(&token, "transfer-encoding: chunked") + "1\r\n{\r\n",
            "HTTP/1.1 408",
        ),
        // One whole request, and nothing more.
        (
            "GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
            "HTTP/1.1 404",
        ),
    ] {
        let socket = app.socket_with(&sent).await;
        ends.spawn(async move {
            let text = to_the_end(socket).await;
            assert!(text.starts_with(answered), "{sent:?}: {text:?}");
        });
    }
    while let Some(ended) = ends.join_next().await {
        ended.unwrap();
    }
    assert_eq!(app.stored_events().await, 0);
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answers_is_cut_off() {
    let app = start_without_workers().await;
    let mut socket = app.socket().await;
    let requests = "GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1_000);
    // Each answer is as long as hundreds of requests: soon neither side can write.
    let writing = async { while socket.write_all(requests.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(SOON, writing)
        .await
        .expect("the connection stays open");
}

#[tokio::test]
async fn a_head_without_measure_is_refused() {
    let app = start_without_workers().await;
    let long = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    let many = "x-many: 1\r\n".repeat(100);
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{many}\r\n");

    for head in [long, many] {
        let text = to_the_end(app.socket_with(&head).await).await;
        assert!(text.starts_with("HTTP/1.1 431"), "{text:?}");
    }
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let text = to_the_end(app.socket_with(preface).await).await;
    assert!(
        !text.contains("HTTP/1.1 2") && !text.contains("HTTP/2"),
        "{text:?}"
    );
}

/// More than ingress takes, as far as this machine's limits let a test go.
#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_half_open_connections_take_neither_memory_nor_health_nor_the_end() {
    let app = start_without_workers().await;
    let count = 8_000.min(harness::open_files().saturating_sub(1_000));
    app.post_events(&event(nobody(1), "before")).await.unwrap();
    let idle = app.ingress.rss().unwrap();

    let mut opening = JoinSet::new();
    for number in 0..count {
        let address = app.ingress_url().trim_start_matches("http://").to_owned();
        opening.spawn(async move {
            // What is beyond ingress's number and the kernel's queue is never connected.
            let connecting = tokio::time::timeout(SECOND, TcpStream::connect(address));
            let mut socket = connecting.await.ok()?.ok()?;
            let half = format!(
                "POST /api/v1/events HTTP/1.1\r\nhost: x\r\nx-{number}: {}",
                "x".repeat(8_000)
            );
            socket.write_all(half.as_bytes()).await.ok()?;
            Some(socket)
        });
        if opening.len() >= 1_000 {
            opening.join_next().await;
        }
    }
    let mut held = Vec::new();
    while let Some(opened) = opening.join_next().await {
        held.extend(opened.unwrap());
    }
    let peak = app.ingress.peak_rss().unwrap();
    assert!(
        peak < idle + 128 * MIB,
        "{} MiB more than idle",
        (peak - idle) / MIB
    );
    assert_eq!(app.ops_status("/healthz").await, 200);
    assert_eq!(app.ops_status("/metrics").await, 200);

    let began = Moment::now();
    app.ingress.terminate().unwrap();
    app.ingress.wait(Duration::from_secs(30)).await.unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(28),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn at_the_end_callers_are_sent_elsewhere_and_answers_are_finished() {
    let app = start_without_workers().await;
    let matter = app.connected_matter().await.unwrap();
    let member = app.tokens.firm_member(matter.firm).unwrap();
    let request = app
        .ask(Method::POST, SYNC)
        .bearer_auth(&member)
        .header("prefer", "wait=30")
        .json(&json!({ "matter_id": matter.id }));
    let waiting = tokio::spawn(request.send());
    let token = app.tokens.service().unwrap();
    let body = serde_json::to_vec(&event(nobody(1), "late")).unwrap();
    let head = head_of_events(&token, &format!("content-length: {}", body.len()));
    let mut late = app.socket_with(&head).await;
    app.counted(
        "select count(*) from events where type = 'sync.requested'",
        1,
    )
    .await;

    app.ingress.terminate().unwrap();
    eventually(SOON, || async {
        (app.ops_status("/readyz").await == 503).then_some(())
    })
    .await
    .unwrap();
    late.write_all(&body).await.unwrap();

    let text = to_the_end(late).await;
    assert!(text.starts_with("HTTP/1.1 202"), "{text:?}");
    let answer = waiting.await.unwrap().unwrap();
    assert_eq!(answer.status(), 202, "a wait ends with the program");
    app.ingress.wait(Duration::from_secs(30)).await.unwrap();
    assert_eq!(
        app.count("select count(*) from events where id = 'late'")
            .await
            .unwrap(),
        1
    );
}

#[tokio::test]
async fn a_database_that_does_not_answer_does_not_hold_up_the_end() {
    let app = start_with(AppSettings {
        workers: 0,
        more: vec![("SHUTDOWN_GRACE_SECONDS".into(), "1".into())],
        ..AppSettings::default()
    })
    .await;
    let token = app.tokens.service().unwrap();
    let body = serde_json::to_vec(&event(nobody(1), "stuck")).unwrap();
    let head = head_of_events(&token, &format!("content-length: {}", body.len()));
    let lock = app.lock_events().await;
    let mut socket = app.socket_with(&head).await;
    socket.write_all(&body).await.unwrap();
    app.counted(APPENDING, 1).await;

    app.ingress.terminate().unwrap();
    app.ingress.wait(15 * SECOND).await.unwrap();

    assert_eq!(to_the_end(socket).await, "", "the connection is cut off");
    drop(lock);
}
