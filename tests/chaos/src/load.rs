//! The load: events of many firms at a steady rate, each sent again under the same id until some ingress has taken it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use harness::app::Matter;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use crate::clock;
use crate::ledger::say;
use crate::system::ChaosSystem;

const EVENTS_A_SECOND: f64 = 6.0;
/// The share of events that open a new matter. It is small, so that a matter gets several documents, whose order must be kept.
const MATTER_SHARE: f64 = 0.08;
const HAPPEN: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(6);
const BETWEEN_TRIES: std::ops::Range<u64> = 150..700;

/// The events that are not taken yet.
#[derive(Debug)]
pub(crate) struct Deliveries(JoinSet<()>);

impl Deliveries {
    /// Waits for `patience`. Events that no ingress has taken by then are dropped, because no ingress ever promised to process them.
    pub(crate) async fn finish(mut self, patience: Duration) {
        let all = async { while self.0.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, all).await.is_err() {
            say("events are left that no ingress takes");
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Event {
    id: Uuid,
    kind: &'static str,
    matter: Matter,
    upload: Option<(Uuid, String)>,
}

impl Event {
    fn body(&self) -> Value {
        let mut data = json!({ "matter_id": self.matter.id });
        if let Some((upload, _)) = &self.upload {
            data["upload_id"] = json!(upload);
        }
        json!({ "id": self.id, "type": self.kind, "firm_id": self.matter.firm, "data": data })
    }

    pub(crate) fn created(matter: Matter) -> Self {
        Self {
            id: clock::new_id(),
            kind: "matter.created",
            matter,
            upload: None,
        }
    }

    pub(crate) fn approved(matter: Matter, upload: Uuid, sha256: String) -> Self {
        Self {
            id: clock::new_id(),
            kind: "document.approved",
            matter,
            upload: Some((upload, sha256)),
        }
    }
}

pub(crate) fn start(
    system: Arc<ChaosSystem>,
    seed: u64,
    length: Duration,
) -> JoinHandle<Deliveries> {
    tokio::spawn(async move {
        let mut random = StdRng::seed_from_u64(seed.wrapping_add(1));
        let mut deliveries = JoinSet::new();
        let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / EVENTS_A_SECOND));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let all = async {
            loop {
                ticks.tick().await;
                // While Postgres is away nothing can be approved in CaseHug either.
                let happening = tokio::time::timeout(HAPPEN, happen(&system, &mut random));
                if let Ok(Ok(event)) = happening.await {
                    let seed = random.random();
                    deliveries.spawn(deliver(Arc::clone(&system), event, seed));
                }
                while deliveries.try_join_next().is_some() {}
            }
        };
        let _ended: Result<(), _> = tokio::time::timeout(length, all).await;
        Deliveries(deliveries)
    })
}

/// Something happens in CaseHug.
async fn happen(system: &ChaosSystem, random: &mut StdRng) -> Result<Event> {
    let firm = &system.firms[random.random_range(0..system.firms.len())];
    let (number, is_new) = (
        random.random_range(0..10_000),
        random.random_bool(MATTER_SHARE),
    );
    let size = random.random_range(200..20_000);
    if is_new {
        let matter = firm
            .open_matter(&system.app, &system.ledger, number)
            .await?;
        return Ok(Event::created(matter));
    }
    let matter = firm.matter(number);
    let bytes: Vec<u8> = (0..size).map(|_| random.random()).collect();
    let upload = system
        .app
        .upload(matter, "letter.pdf", Some("application/pdf"), &bytes)
        .await?;
    let sha256 = Sha256::digest(&bytes);
    let sha256 = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Event::approved(matter, upload.id, sha256))
}

/// Sends an event, again and again, to one ingress after the other.
pub(crate) async fn deliver(system: Arc<ChaosSystem>, event: Event, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut ingresses = system
        .ingresses()
        .filter_map(|node| node.url.clone())
        .collect::<Vec<_>>();
    let turn = random.random_range(0..ingresses.len());
    ingresses.rotate_left(turn);
    for url in ingresses.iter().cycle() {
        if post(&system, &event, url).await.unwrap_or(false) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(BETWEEN_TRIES))).await;
    }
}

/// One try; true when it was taken.
async fn post(system: &ChaosSystem, event: &Event, url: &str) -> Result<bool> {
    let request = system
        .app
        .http
        .post(format!("{url}/api/v1/events"))
        .bearer_auth(system.app.tokens.service()?)
        .timeout(ANSWER)
        .json(&event.body());
    let sent = clock::now();
    let status = request.send().await.map(|answer| answer.status()).ok();
    let taken = status.is_some_and(|status| status.is_success());
    let (upload, sha256) = event.upload.clone().unzip();
    let line = json!({
        "event": event.id, "type": event.kind, "firm": event.matter.firm, "matter": event.matter.id, "upload": upload,
        "sha256": sha256, "sent": sent, "answered": clock::now(), "status": status.map(|status| status.as_u16()),
    });
    system.ledger.note("posts", &line)?;
    Ok(taken)
}
