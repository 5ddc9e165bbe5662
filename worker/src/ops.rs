//! The ops port: liveness, readiness, metrics.

use std::net::SocketAddr;

use anyhow::Context;
use axum::{Router, extract::State, http::StatusCode, routing::get};
use shared::db::Database;
use shared::schema;
use shared::telemetry::Metrics;

use crate::watchdog::Watchdogs;

#[derive(Clone)]
struct Ops {
    watchdogs: Watchdogs,
    database: Database,
    metrics: Metrics,
}

/// Serves the ops port until the process ends.
pub(crate) async fn serve(
    address: SocketAddr,
    database: Database,
    metrics: Metrics,
) -> anyhow::Result<Watchdogs> {
    let watchdogs = Watchdogs::default();
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route(
            "/metrics",
            get(|State(ops): State<Ops>| async move { ops.metrics.render() }),
        )
        .with_state(Ops {
            watchdogs: watchdogs.clone(),
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
    Ok(watchdogs)
}

/// Alive while every vital task makes progress; a database that is away is no reason to be started anew.
async fn healthz(State(ops): State<Ops>) -> (StatusCode, String) {
    let stuck = ops.watchdogs.stuck();
    if stuck.is_empty() {
        (StatusCode::OK, "ok".into())
    } else {
        let text = format!("stuck: {}", stuck.join(", "));
        (StatusCode::SERVICE_UNAVAILABLE, text)
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
