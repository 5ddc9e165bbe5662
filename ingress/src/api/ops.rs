//! The ops port: liveness, readiness, metrics.

use axum::{Router, extract::State, http::StatusCode, routing::get};
use shared::telemetry::Metrics;

use crate::inboxes::Inboxes;

#[derive(Clone)]
struct Ops {
    inboxes: Inboxes,
    metrics: Metrics,
}

/// The ops routes.
pub(crate) fn router(inboxes: Inboxes, metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(readyz))
        .route(
            "/metrics",
            get(|State(ops): State<Ops>| async move { ops.metrics.render() }),
        )
        .with_state(Ops { inboxes, metrics })
}

/// Ready when events are taken.
async fn readyz(State(ops): State<Ops>) -> (StatusCode, &'static str) {
    if ops.inboxes.is_there().await {
        return (StatusCode::OK, "ok");
    }
    (
        StatusCode::SERVICE_UNAVAILABLE,
        "the database is away or its schema is not ours",
    )
}
