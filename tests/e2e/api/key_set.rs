//! Tokens that are signed by a key of a published set (`AUTH_JWKS_URL`).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use harness::app::Answer;
use harness::{AppSettings, eventually};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use crate::asking::{STATUS, assert_refused};
use crate::support::{SOON, TestApp, start_with};

/// Made for these tests; they open nothing.
const P256_KEY: &[u8] = b"-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgYbFKUGbLETG9rE6S
jceuqpA13QohJ4hlfYr7ndZGZMKhRANCAAT5TKiCPoTRXSISIVJ2Ic98CYzcuZ/t
9mgrAjMzlLm5WBHQeLtDDI3j65ffMcdnt8cTCLluD/4TO586wu/vIB7l
-----END PRIVATE KEY-----
";
const ED25519_KEY: &[u8] = b"-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIGWzL5NuP+LmsxY0P81inUaXpthd/HvQvwvEOk6i6vXc
-----END PRIVATE KEY-----
";
const P256_X: &str = "-Uyogj6E0V0iEiFSdiHPfAmM3Lmf7fZoKwIzM5S5uVg";
const P256_Y: &str = "EdB4u0MMjePrl98xx2e3xxMIuW4P_hM7nzrC7-8gHuU";
const ED25519_X: &str = "YHyd9zCqP-0z6DV8n6AzaRT0HDQrQ7Cy7dYXDSygrcA";

fn key_set() -> Value {
    json!({ "keys": [
        { "kid": "p256", "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "x": P256_X, "y": P256_Y },
        { "kid": "ed", "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "x": ED25519_X },
    ] })
}

/// What is published, and how often it was asked for.
#[derive(Clone)]
struct Published {
    answer: Arc<Mutex<String>>,
    fetches: Arc<AtomicUsize>,
}

impl Published {
    fn new(answer: String) -> Self {
        Self {
            answer: Arc::new(Mutex::new(answer)),
            fetches: Arc::default(),
        }
    }

    fn set(&self, answer: String) {
        *self.answer.lock().unwrap() = answer;
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }
}

/// A whole answer with a key set.
fn answer_of(keys: &Value) -> String {
    let body = keys.to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    format!("{head}content-length: {}\r\n\r\n{body}", body.len())
}

/// Ingress with a key set in the place of a secret.
async fn start_with_key_set() -> TestApp {
    start_with_published(&Published::new(answer_of(&key_set()))).await
}

async fn start_with_published(published: &Published) -> TestApp {
    let published = published.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(publish(stream, published.clone()));
        }
    });
    let more = vec![
        ("AUTH_JWT_SECRET".into(), String::new()),
        ("AUTH_JWKS_URL".into(), url),
        ("AUTH_JWKS_REFRESH_SECONDS".into(), "1".into()),
    ];
    start_with(AppSettings {
        workers: 0,
        more,
        ..AppSettings::default()
    })
    .await
}

async fn publish(mut stream: TcpStream, published: Published) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await?;
    published.fetches.fetch_add(1, Ordering::Relaxed);
    let answer = published.answer.lock().unwrap().clone();
    stream.write_all(answer.as_bytes()).await
}

impl TestApp {
    fn token_from(
        &self,
        firm: Uuid,
        algorithm: Algorithm,
        id: Option<&str>,
        key: &EncodingKey,
    ) -> String {
        let mut header = Header::new(algorithm);
        header.kid = id.map(str::to_owned);
        encode(&header, &self.tokens.claims("firm_admin", Some(firm)), key).unwrap()
    }

    async fn status_for(&self, token: &str) -> Answer {
        self.get(STATUS, token).await.unwrap()
    }
}

#[tokio::test]
async fn a_token_by_a_key_of_the_set_is_taken() {
    let app = start_with_key_set().await;
    let firm = app.firm().await.unwrap();
    let p256 = EncodingKey::from_ec_pem(P256_KEY).unwrap();
    let ed25519 = EncodingKey::from_ed_pem(ED25519_KEY).unwrap();

    let tokens = [
        app.token_from(firm, Algorithm::ES256, Some("p256"), &p256),
        app.token_from(firm, Algorithm::EdDSA, Some("ed"), &ed25519),
    ];

    for token in tokens {
        let answer = app.status_for(&token).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn a_token_by_any_other_key_is_refused() {
    let app = start_with_key_set().await;
    let firm = app.firm().await.unwrap();
    let p256 = EncodingKey::from_ec_pem(P256_KEY).unwrap();
    let ed25519 = EncodingKey::from_ed_pem(ED25519_KEY).unwrap();
    let public_as_secret = EncodingKey::from_secret(ED25519_X.as_bytes());
    let old_secret = EncodingKey::from_secret(app.tokens.secret.as_bytes());
    let no_secret = EncodingKey::from_secret(b"");

    let tokens = [
        app.token_from(firm, Algorithm::ES256, None, &p256),
        app.token_from(firm, Algorithm::ES256, Some("unknown"), &p256),
        app.token_from(firm, Algorithm::ES256, Some("ed"), &p256),
        app.token_from(firm, Algorithm::EdDSA, Some("p256"), &ed25519),
        app.token_from(firm, Algorithm::HS256, Some("ed"), &public_as_secret),
        app.token_from(firm, Algorithm::HS256, Some("p256"), &old_secret),
        app.token_from(firm, Algorithm::HS256, None, &no_secret),
    ];

    for token in tokens {
        assert_refused(&app.status_for(&token).await, 401, "unauthorized");
    }
}

#[tokio::test]
async fn a_key_that_is_taken_out_is_trusted_no_longer_and_one_that_is_put_in_is() {
    let published = Published::new(answer_of(&key_set()));
    let app = start_with_published(&published).await;
    let firm = app.firm().await.unwrap();
    let p256 = EncodingKey::from_ec_pem(P256_KEY).unwrap();
    let token = app.token_from(firm, Algorithm::ES256, Some("p256"), &p256);
    let becomes = async |wanted: u16| {
        let ask = async || (app.status_for(&token).await.status == wanted).then_some(());
        eventually(SOON, ask).await.unwrap();
    };
    becomes(200).await;

    let mut others = key_set();
    others["keys"].as_array_mut().unwrap().remove(0);
    published.set(answer_of(&others));
    becomes(401).await;
    published.set(answer_of(&key_set()));
    becomes(200).await;

    // What is no set says nothing: the last one is kept for a while.
    for trouble in [
        "HTTP/1.1 503 Away\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
            .to_owned(),
        answer_of(&json!({ "keys": "none" })),
        answer_of(&json!({ "keys": [], "x": "x".repeat(300 * 1024) })),
        String::new(),
    ] {
        published.set(trouble);
        let fetches = published.fetches();
        eventually(SOON, async || {
            (published.fetches() > fetches + 1).then_some(())
        })
        .await
        .unwrap();
        assert_eq!(app.status_for(&token).await.status, 200);
    }
}

#[tokio::test]
async fn a_key_is_used_for_what_its_set_says() {
    let mut keys = key_set();
    keys["keys"][0]["use"] = json!("enc");
    keys["keys"][1]["alg"] = json!("ES256");
    let app = start_with_published(&Published::new(answer_of(&keys))).await;
    let firm = app.firm().await.unwrap();
    let p256 = EncodingKey::from_ec_pem(P256_KEY).unwrap();
    let ed25519 = EncodingKey::from_ed_pem(ED25519_KEY).unwrap();

    for token in [
        app.token_from(firm, Algorithm::ES256, Some("p256"), &p256),
        app.token_from(firm, Algorithm::EdDSA, Some("ed"), &ed25519),
    ] {
        assert_refused(&app.status_for(&token).await, 401, "unauthorized");
    }
}

#[tokio::test]
async fn tokens_of_unknown_keys_cause_no_fetch_and_wait_for_none() {
    let published = Published::new(answer_of(&key_set()));
    let app = start_with_published(&published).await;
    let firm = app.firm().await.unwrap();
    let p256 = EncodingKey::from_ec_pem(P256_KEY).unwrap();
    let began = shared::clock::Moment::now();
    let before = published.fetches();

    for number in 0..200 {
        let unknown = app.token_from(
            firm,
            Algorithm::ES256,
            Some(&format!("key {number}")),
            &p256,
        );
        assert_refused(&app.status_for(&unknown).await, 401, "unauthorized");
    }

    let by_time = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    let fetches = published.fetches() - before;
    assert!(fetches <= by_time, "{fetches} fetches in {by_time} s");
}
