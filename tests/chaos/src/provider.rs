//! The providers' misbehaviour: the next few requests of a kind meet it.

use anyhow::Result;
use harness::app::Platform;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::system::ChaosSystem;

/// Kinds of requests that misbehave, four of five times a write.
struct Ways {
    platform: Platform,
    sign_in: &'static str,
    storage: &'static str,
    writes: &'static [(&'static str, &'static str)],
    reads: &'static [(&'static str, &'static str)],
}

const WAYS: [Ways; 2] = [
    Ways {
        platform: Platform::Clio,
        sign_in: "/oauth/token",
        storage: "/storage/*",
        writes: &[
            ("POST", "/api/v4/contacts.json"),
            ("POST", "/api/v4/matters.json"),
            ("POST", "/api/v4/documents.json"),
            ("PATCH", "/api/v4/documents/*"),
            ("PUT", "/storage/*"),
        ],
        reads: &[("GET", "/api/v4/contacts"), ("GET", "/api/v4/*")],
    },
    Ways {
        platform: Platform::Test,
        sign_in: "/oauth/token",
        storage: "/bytes/*",
        writes: &[
            ("POST", "/v1/contacts"),
            ("POST", "/v1/matters"),
            ("POST", "/v1/matters/*/files"),
            ("PUT", "/bytes/*"),
        ],
        reads: &[("GET", "/v1/contacts"), ("GET", "/v1/*")],
    },
];

const HANGING_SIGN_INS: u32 = 3;
/// Enough to close the storage's breaker and to fail one try: each more keeps it closed for minutes.
const HANGING_TRANSFERS: u32 = 4;
const END_TOKENS: &str = "update firm_integrations set token_expires_at = app_now() + (ascii(right(id::text, 1)) % 3) * interval '100 s' \
     where is_active and ascii(left(id::text, 1)) % 2 = 0";

/// The seed alone decides what.
pub(crate) async fn misbehave(system: &ChaosSystem, seed: u64) -> Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    for ways in &WAYS {
        let kinds = if random.random_bool(0.8) {
            ways.writes
        } else {
            ways.reads
        };
        let Some((method, path)) = kinds.choose(&mut random) else {
            continue;
        };
        let (times, what) = treatment(&mut random);
        system
            .app
            .fault_at(ways.platform, method, path, times, &what)
            .await?;
    }
    Ok(())
}

/// The next `times` requests of any kind take `delay_ms` longer.
pub(crate) async fn slow_down(system: &ChaosSystem, times: u32, delay_ms: u64) -> Result<()> {
    let what = json!({ "delay_ms": delay_ms });
    for Ways { platform, .. } in &WAYS {
        let path = format!("{}/*", platform.prefix());
        system
            .app
            .fault_at(*platform, "*", &path, times, &what)
            .await?;
    }
    Ok(())
}

/// Half of the connections need a new token: some at once, some soon. The sign-ins answer the first of them never.
pub(crate) async fn hang_sign_in(system: &ChaosSystem) -> Result<()> {
    for Ways {
        platform, sign_in, ..
    } in &WAYS
    {
        let app = &system.app;
        app.fault_at(*platform, "POST", sign_in, HANGING_SIGN_INS, &hang())
            .await?;
    }
    // While the server is away no token ends.
    let _ = sqlx::query(END_TOKENS).execute(&system.app.admin).await;
    Ok(())
}

/// It takes the bytes of the next transfers and says nothing.
pub(crate) async fn hang_storage(system: &ChaosSystem) -> Result<()> {
    for Ways {
        platform, storage, ..
    } in &WAYS
    {
        let app = &system.app;
        app.fault_at(*platform, "PUT", storage, HANGING_TRANSFERS, &hang())
            .await?;
    }
    Ok(())
}

fn hang() -> Value {
    json!({ "hang": true })
}

fn treatment(random: &mut StdRng) -> (u32, Value) {
    let some = random.random_range(1..4);
    match random.random_range(0..8) {
        0 | 1 => (some, json!({ "lose_answer": true })),
        2 | 3 => (
            some,
            json!({ "apply_after_ms": random.random_range(200..2_000) }),
        ),
        4 => (
            some,
            json!({ "status": 429, "headers": { "Retry-After": 1 } }),
        ),
        5 => (some, json!({ "status": 503 })),
        6 => (
            some,
            json!({ "status": 500, "body": "<html><body>Something went wrong</body></html>" }),
        ),
        _ => (1, hang()),
    }
}
