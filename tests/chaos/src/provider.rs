//! The provider's misbehaviour: the next few requests of a kind meet it.

use anyhow::Result;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::stage::Stage;

const WRITES: [(&str, &str); 5] = [
    ("POST", "/api/v4/contacts.json"),
    ("POST", "/api/v4/matters.json"),
    ("POST", "/api/v4/documents.json"),
    ("PATCH", "/api/v4/documents/*"),
    ("PUT", "/storage/*"),
];
const READS: [(&str, &str); 2] = [("GET", "/api/v4/contacts"), ("GET", "/api/v4/*")];

/// The seed alone decides what.
pub(crate) async fn misbehave(stage: &Stage, seed: u64) -> Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    let (method, path) = *if random.random_bool(0.8) {
        WRITES.choose(&mut random).unwrap_or(&WRITES[0])
    } else {
        READS.choose(&mut random).unwrap_or(&READS[0])
    };
    let (times, what) = treatment(&mut random);
    stage.app.fault(method, path, times, &what).await
}

/// The next so many requests of any kind take this long.
pub(crate) async fn slow_down(stage: &Stage, times: u32, delay_ms: u64) -> Result<()> {
    let what = json!({ "delay_ms": delay_ms });
    stage.app.fault("*", "/api/v4/*", times, &what).await
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
        _ => (1, json!({ "hang": true })),
    }
}
