//! The ops port: liveness, readiness, metrics.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use axum::{Router, extract::State, http::StatusCode, routing::get};
use shared::clock::Moment;
use shared::db::Database;
use shared::schema;
use shared::telemetry::Metrics;

/// A worker whose last beat is older than so many leases is stuck, or its database is away for good.
const LEASES_UNTIL_STUCK: u32 = 20;

/// When the renewer last beat.
#[derive(Debug, Clone, Default)]
pub(crate) struct Health {
    last: Arc<Mutex<Option<(Moment, Duration)>>>,
}

impl Health {
    pub(crate) fn beat(&self, at: Moment, lease: Duration) {
        if let Ok(mut last) = self.last.lock() {
            *last = Some((at, lease));
        }
    }

    fn is_alive(&self) -> bool {
        match self.last.lock().map(|last| *last) {
            Ok(Some((at, lease))) => at.elapsed() < lease * LEASES_UNTIL_STUCK,
            Ok(None) => true,
            Err(_) => false,
        }
    }
}

#[derive(Clone)]
struct Ops {
    health: Health,
    database: Database,
    metrics: Metrics,
}

/// Serves the ops port until the process ends.
pub(crate) async fn serve(
    address: SocketAddr,
    database: Database,
    metrics: Metrics,
) -> anyhow::Result<Health> {
    let health = Health::default();
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route(
            "/metrics",
            get(|State(ops): State<Ops>| async move { ops.metrics.render() }),
        )
        .with_state(Ops {
            health: health.clone(),
            database,
            metrics,
        });
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("bind {address}"))?;
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(error = %error, "the ops port ended");
        }
    });
    Ok(health)
}

async fn healthz(State(ops): State<Ops>) -> (StatusCode, &'static str) {
    if ops.health.is_alive() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no beat for too long")
    }
}

async fn readyz(State(ops): State<Ops>) -> (StatusCode, &'static str) {
    match schema::check(&ops.database).await {
        Ok(()) => (StatusCode::OK, "ok"),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the database is away or its schema is not ours",
        ),
    }
}
