//! The ops port: liveness, readiness, metrics.

use axum::{Router, extract::State, http::StatusCode, routing::get};
use shared::db::Database;
use shared::schema;
use shared::telemetry::Metrics;

#[derive(Clone)]
struct Ops {
    database: Database,
    metrics: Metrics,
}

/// The ops routes.
pub(crate) fn router(database: Database, metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(readyz))
        .route(
            "/metrics",
            get(|State(ops): State<Ops>| async move { ops.metrics.render() }),
        )
        .with_state(Ops { database, metrics })
}

/// Ready when the database is reachable and its schema is one that this code can live with.
async fn readyz(State(ops): State<Ops>) -> (StatusCode, &'static str) {
    match schema::check(&ops.database).await {
        Ok(()) => (StatusCode::OK, "ok"),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the database is away or its schema is not ours",
        ),
    }
}
