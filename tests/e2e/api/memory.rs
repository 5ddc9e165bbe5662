//! Memory is bounded by bytes: the worst bodies that may be sent, as many at a time as a caller may send.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::events::event;
use super::server::{APPENDING, head_of_events, to_the_end};
use crate::asking::{CONNECT, EVENTS, SYNC, assert_refused, nobody, start_without_workers};
use crate::support::{SOON, TestApp};

const MIB: u64 = 1024 * 1024;
const KIB: usize = 1024;
/// As many as one caller may send in a minute by default.
const AT_ONCE: usize = 600;

/// Members that take a hundred bytes of memory for each that is sent, if they are kept.
fn padded(object: &str, length: usize) -> Bytes {
    let filler = r#"{"":0},"#;
    let comma = if object == "{}" { "" } else { "," };
    let head = format!("{}{comma}\"x\":[", object.trim_end_matches('}'));
    let fillers = (length - head.len() - 8) / filler.len();
    format!("{head}{}0]}}", filler.repeat(fillers)).into()
}

fn list_of(item: &str, length: usize) -> Bytes {
    let items = (length - 8) / (item.len() + 1);
    format!("[{}{item}]", format!("{item},").repeat(items)).into()
}

impl TestApp {
    /// Waits until a gauge of ingress has a value.
    async fn ingress_gauge(&self, name: &str, wanted: f64) {
        let url = format!("{}/metrics", self.ingress_ops_url());
        harness::eventually(SOON, || async {
            let text = self.http.get(&url).send().await.ok()?.text().await.ok()?;
            let line = text.lines().find(|line| line.starts_with(name))?;
            let value: f64 = line.rsplit(' ').next()?.parse().ok()?;
            (value == wanted).then_some(())
        })
        .await
        .unwrap();
    }
}

async fn send_at_once(app: &Arc<TestApp>, path: &str, token: &str, body: &Bytes) {
    let mut sending = JoinSet::new();
    for _ in 0..AT_ONCE {
        let request = app
            .ask(Method::POST, path)
            .bearer_auth(token)
            .header("content-type", "application/json")
            .body(body.clone());
        sending.spawn(async move { request.send().await.map(|answer| answer.status().as_u16()) });
    }
    while let Some(sent) = sending.join_next().await {
        let status = sent.unwrap().unwrap();
        assert!(status < 500 || status == 503, "{path}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn six_hundred_of_the_worst_bodies_at_once_take_little_memory() {
    let app = Arc::new(start_without_workers().await);
    let matter = app.connected_matter().await.unwrap();
    let (service, admin, operator) = (
        app.tokens.service().unwrap(),
        app.tokens.firm_admin(matter.firm).unwrap(),
        app.tokens.operator().unwrap(),
    );
    app.post_events(&event(nobody(1), "before")).await.unwrap();
    let idle = app.ingress.rss().unwrap();
    let sync = json!({ "matter_id": matter.id }).to_string();
    let one = event(nobody(1), "one").to_string();
    let pause = json!({ "scope": "all", "reason": "x" }).to_string();
    let events = 1024 * KIB;

    for (path, token, body) in [
        (SYNC, &admin, padded(&sync, 16 * KIB)),
        (SYNC, &admin, padded(&sync, 1024 * KIB)),
        (CONNECT, &admin, padded("{}", 16 * KIB)),
        ("/api/v1/pauses", &operator, padded(&pause, 16 * KIB)),
        (
            "/api/v1/jobs/retry",
            &admin,
            padded(r#"{"dry_run":true}"#, 16 * KIB),
        ),
        (
            "/api/v1/jobs/retry",
            &admin,
            padded(r#"{"dry_run":true,"filter":{}}"#, 16 * KIB),
        ),
        ("/api/v1/jobs/probe", &operator, padded("{}", 16 * KIB)),
        (EVENTS, &service, padded(&one, events)),
        (EVENTS, &service, list_of("0", events)),
        (EVENTS, &service, list_of("{}", events)),
        (EVENTS, &service, list_of("[[[[]]]]", events)),
        (EVENTS, &service, list_of(&one, events)),
    ] {
        send_at_once(&app, path, token, &body).await;
        let peak = app.ingress.peak_rss().unwrap();
        assert!(
            peak < idle + 128 * MIB,
            "{path} {:?}…: {} MiB more than idle",
            &body[..20],
            (peak - idle) / MIB
        );
    }
}

#[tokio::test]
async fn more_bodies_in_flight_than_fit_are_told_to_come_back() {
    let app = start_without_workers().await;
    let token = app.tokens.service().unwrap();
    let mut held = Vec::new();
    // 31 that say how long they are, and one that does not.
    for number in 0..32 {
        let framing = if number == 0 {
            "transfer-encoding: chunked"
        } else {
            "content-length: 1048576"
        };
        let socket = app.socket_with(&head_of_events(&token, framing)).await;
        held.push(socket);
    }
    app.ingress_gauge("casehug_event_bodies_bytes", 32.0 * 1024.0 * 1024.0)
        .await;
    let refused = app.post_events(&event(nobody(1), "another")).await.unwrap();
    assert_refused(&refused, 503, "busy");
    assert!(refused.headers.contains_key("retry-after"), "{refused:?}");

    // One is ended, and its room is free.
    let mut body = serde_json::to_vec(&event(nobody(1), "held")).unwrap();
    body.resize(1024 * KIB, b' ');
    let mut one = held.pop().unwrap();
    one.write_all(&body).await.unwrap();
    let mut text = [0; 12];
    one.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"HTTP/1.1 202");
    let taken = app.post_events(&event(nobody(1), "after")).await.unwrap();
    assert_eq!(taken.status, 202, "{taken:?}");
}

#[tokio::test]
async fn bodies_whose_senders_have_gone_count_until_their_events_are_committed() {
    let app = start_without_workers().await;
    let token = app.tokens.service().unwrap();
    let mut body = serde_json::to_vec(&event(nobody(1), "left alone")).unwrap();
    body.resize(1024 * KIB, b' ');
    let head = head_of_events(&token, &format!("content-length: {}", body.len()));
    let lock = app.lock_events().await;
    let mut socket = app.socket_with(&head).await;
    socket.write_all(&body).await.unwrap();
    app.counted(APPENDING, 1).await;
    socket.shutdown().await.unwrap();
    assert_eq!(to_the_end(socket).await, "", "the request is given up");

    app.ingress_gauge("casehug_event_bodies_bytes", 1024.0 * 1024.0)
        .await;
    lock.commit().await.unwrap();
    app.ingress_gauge("casehug_event_bodies_bytes", 0.0).await;
    assert_eq!(app.stored_events().await, 1);
}
