use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use harness::{Held, Hold, Protocol, Proxy, Side, eventually};
use tokio::net::TcpListener;

use crate::SOON;

/// Counts the bytes it was sent, after reading all of them.
async fn count(State(counted): State<Arc<AtomicU64>>, body: Body) -> String {
    use http_body_util::BodyExt;
    let mut body = body;
    let mut bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
    counted.fetch_add(bytes, Ordering::SeqCst);
    bytes.to_string()
}

/// A server, the bytes it has counted, and a proxy before it.
struct Scene {
    proxy: Proxy,
    counted: Arc<AtomicU64>,
}

impl Scene {
    async fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server: SocketAddr = listener.local_addr().unwrap();
        let counted = Arc::<AtomicU64>::default();
        let router = Router::new()
            .route("/things/{id}", post(count).put(count))
            .route("/storage/{*key}", axum::routing::put(count))
            .route("/stream", get(|| async { Body::from_stream(blocks(64)) }))
            .route("/fixed", get(|| async { "x".repeat(100_000) }))
            .with_state(Arc::clone(&counted));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let proxy = Proxy::start(Protocol::Http, server).await.unwrap();
        Self { proxy, counted }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.proxy.address())
    }

    fn post(&self, body: &'static str) -> tokio::task::JoinHandle<reqwest::Result<String>> {
        let request = reqwest::Client::new()
            .post(self.url("/things/12345?a=b"))
            .body(body);
        tokio::spawn(async move { request.send().await?.text().await })
    }

    fn hold(&self, side: Side) -> Held {
        let label = "POST /things/{id}".to_owned();
        self.proxy.hold(Hold {
            label,
            rows_at_least: 0,
            occurrence: 1,
            side,
        })
    }

    fn counted(&self) -> u64 {
        self.counted.load(Ordering::SeqCst)
    }
}

const BLOCK: usize = 1 << 20;

fn blocks(count: usize) -> impl futures::Stream<Item = std::io::Result<Vec<u8>>> + Send + 'static {
    futures::stream::iter((0..count).map(|_| Ok(vec![7; BLOCK])))
}

#[tokio::test]
async fn requests_are_steps_over_one_kept_connection() {
    let scene = Scene::set().await;
    let client = reqwest::Client::new();

    for path in ["/fixed", "/stream", "/fixed"] {
        let answer = client
            .get(scene.url(path))
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        assert!(answer.len() == 100_000 || answer.len() == 64 * BLOCK);
    }
    let head = client.head(scene.url("/fixed")).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], "100000");
    client.get(scene.url("/missing/77")).send().await.unwrap();

    let steps: Vec<(String, u64)> = scene
        .proxy
        .steps()
        .into_iter()
        .map(|step| (step.label, step.occurrence))
        .collect();
    let expected = [
        ("GET /fixed", 1),
        ("GET /stream", 1),
        ("GET /fixed", 2),
        ("HEAD /fixed", 1),
        ("GET /missing/{id}", 1),
    ];
    assert_eq!(
        steps,
        expected.map(|(label, occurrence)| (label.to_owned(), occurrence))
    );
}

#[tokio::test]
async fn large_bodies_stream_through_with_length_and_in_chunks() {
    let scene = Scene::set().await;
    let client = reqwest::Client::new();

    let chunked = reqwest::Body::wrap_stream(blocks(200));
    let put = client
        .put(scene.url("/storage/a/b?signature=1"))
        .body(chunked);
    let answer = put.send().await.unwrap().text().await.unwrap();
    assert_eq!(answer, (200 * BLOCK).to_string());

    let fixed = reqwest::Body::wrap_stream(blocks(200));
    let put = client
        .put(scene.url("/storage/a/b"))
        .header("content-length", (200 * BLOCK).to_string())
        .body(fixed);
    let answer = put.send().await.unwrap().text().await.unwrap();
    assert_eq!(answer, (200 * BLOCK).to_string());

    assert_eq!(scene.proxy.steps()[0].label, "PUT /storage");
}

#[tokio::test]
async fn a_request_cut_before_never_arrives() {
    let scene = Scene::set().await;
    let held = scene.hold(Side::Before);

    let client = scene.post("12345");
    assert!(held.reached_within(SOON).await);
    assert_eq!(scene.counted(), 0);
    held.cut();

    client.await.unwrap().unwrap_err();
    assert_eq!(scene.counted(), 0);
}

#[tokio::test]
async fn a_request_held_after_has_had_its_effect() {
    let scene = Scene::set().await;
    let held = scene.hold(Side::After);

    let client = scene.post("12345");
    assert!(held.reached_within(SOON).await);
    assert_eq!(scene.counted(), 5);
    assert!(!client.is_finished());
    held.cut();

    client.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn a_released_request_and_a_released_answer_go_on() {
    let scene = Scene::set().await;

    for side in [Side::Before, Side::After] {
        let held = scene.hold(side);
        let client = scene.post("12345");
        assert!(held.reached_within(SOON).await);
        held.release();
        assert_eq!(client.await.unwrap().unwrap(), "5");
    }
}

#[tokio::test]
async fn a_dead_clients_request_is_delivered_late_or_dropped_as_told() {
    let scene = Scene::set().await;

    let held = scene.hold(Side::Before);
    kill_when_reached(&scene, &held).await;
    held.cut();
    assert_eq!(scene.counted(), 0);

    let held = scene.hold(Side::Before);
    kill_when_reached(&scene, &held).await;
    assert_eq!(scene.counted(), 0);
    held.deliver_then_cut().await.unwrap();
    assert_eq!(scene.counted(), 5);

    let held = scene.hold(Side::After);
    kill_when_reached(&scene, &held).await;
    held.deliver_then_cut().await.unwrap();
    assert_eq!(scene.counted(), 10);
}

async fn kill_when_reached(scene: &Scene, held: &Held) {
    let client = scene.post("12345");
    assert!(held.reached_within(SOON).await);
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn a_server_that_is_gone_ends_the_connection_and_a_new_one_finds_the_new_server() {
    let scene = Scene::set().await;
    let other = Scene::set().await;
    let gone = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();

    scene.proxy.set_upstream(gone);
    scene.post("1").await.unwrap().unwrap_err();
    scene.proxy.set_upstream(other.proxy.address());
    assert_eq!(scene.post("12").await.unwrap().unwrap(), "2");

    assert_eq!((scene.counted(), other.counted()), (0, 2));
}

#[tokio::test]
async fn a_stalled_proxy_passes_nothing_and_a_cut_ends_everything() {
    let scene = Scene::set().await;

    let (stall, other) = (scene.proxy.stall(), scene.proxy.stall());
    drop(other);
    let client = scene.post("123");
    let arrived = eventually(Duration::from_millis(200), || async {
        (scene.counted() > 0).then_some(())
    });
    assert!(arrived.await.is_err());
    scene.proxy.cut_all();

    client.await.unwrap().unwrap_err();
    drop(stall);
    assert_eq!(scene.post("12").await.unwrap().unwrap(), "2");
    assert_eq!(scene.counted(), 2);
}
