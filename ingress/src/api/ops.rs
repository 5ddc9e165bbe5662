//! The ops port: liveness, readiness, metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use shared::telemetry::Metrics;

use crate::inboxes::Inboxes;

#[derive(Clone)]
struct Ops {
    inboxes: Inboxes,
    metrics: Metrics,
    readiness: Readiness,
}

/// Whether the API answers: its port is open before it does, and a caller who came then would wait for the database; and from the
/// signal to stop on callers are to go elsewhere.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn end(&self) {
        self.0.store(false, Ordering::Release);
    }

    fn is_serving(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The ops routes.
pub(crate) fn router(inboxes: Inboxes, metrics: Metrics, readiness: Readiness) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(readyz))
        .route(
            "/metrics",
            get(|State(ops): State<Ops>| async move { ops.metrics.render() }),
        )
        .with_state(Ops {
            inboxes,
            metrics,
            readiness,
        })
}

/// Ready when the API answers and events are taken.
async fn readyz(State(ops): State<Ops>) -> (StatusCode, &'static str) {
    if ops.readiness.is_serving() && ops.inboxes.is_there().await {
        return (StatusCode::OK, "ok");
    }
    (
        StatusCode::SERVICE_UNAVAILABLE,
        "the database is away, its schema is not ours, or the program is stopping",
    )
}
