//! Ingress: the API's table of contents, and the life of its process.

mod program;

mod api;
mod auth;

mod body;
mod error;
mod landing;
mod limits;
mod request;
mod server;

mod inboxes;
mod reads;
mod state;
mod waits;

use std::time::Duration;

use anyhow::Context;
use axum::body::Bytes;
use axum::{Router, middleware};
use shared::config::IngressConfig;
use shared::db::Database;
use shared::{schema, telemetry};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::{router::OpenApiRouter, routes};

use auth::{Bearer, Counted};
use inboxes::Inboxes;
use server::Serving;
use state::AppState;

pub use program::main;

use crate::error::ApiError;

/// Sessions for what callers read and ask for.
const READS: u32 = 16;
/// Sessions for the inbox: no read can take them.
const INTAKE: u32 = 6;
/// The ops port is for few.
const OPS: Serving = Serving {
    most: 64,
    grace: Duration::ZERO,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "CaseHug integrations", description = "What a firm approves stands in its practice-management system, exactly once."),
    modifiers(&Bearer),
)]
struct Api;

/// The routes, and their description.
fn router() -> (Router<AppState>, Document) {
    let mut api = Api::openapi();
    // The package has none yet, and an empty one would say something else.
    api.info.license = None;
    let (router, document) = OpenApiRouter::with_openapi(api)
        .routes(routes!(api::events::post_events))
        .routes(routes!(api::events::get_event))
        .routes(routes!(
            api::connect::begin_connect,
            api::connect::follow_ticket
        ))
        .routes(routes!(api::callback::receive_callback))
        .routes(routes!(api::status::get_status))
        .routes(routes!(
            api::sync::request_sync,
            api::sync_logs::list_sync_logs
        ))
        .routes(routes!(api::jobs::list::list_jobs))
        .routes(routes!(api::jobs::failures::list_failures))
        .routes(routes!(api::jobs::probe::enqueue_probes))
        .routes(routes!(api::jobs::batches::retry_jobs))
        .routes(routes!(api::jobs::show::get_job))
        .routes(routes!(api::jobs::show::reveal_provider_words))
        .routes(routes!(api::jobs::act::retry_job))
        .routes(routes!(api::jobs::act::skip_job))
        .routes(routes!(api::jobs::act::cancel_job))
        .routes(routes!(api::jobs::act::run_job_now))
        .routes(routes!(api::jobs::act::adopt_record))
        .routes(routes!(api::jobs::batches::get_batch))
        .routes(routes!(api::jobs::batches::cancel_batch))
        .routes(routes!(
            api::pauses::list_pauses,
            api::pauses::add_pause,
            api::pauses::remove_pause
        ))
        .routes(routes!(api::rate_limits::list_limits))
        .split_for_parts();
    let text = Bytes::from(document.to_pretty_json().unwrap_or_default());
    let router = router.route(
        "/openapi.json",
        axum::routing::get(move |guest| api::openapi::get_openapi(guest, text)),
    );
    (router, document)
}

fn app(state: AppState) -> Router {
    let (router, _) = router();
    router
        .fallback(async |_: Counted| ApiError::NotFound)
        .method_not_allowed_fallback(async |_: Counted| ApiError::MethodNotAllowed)
        .layer(middleware::map_response(request::guard))
        .layer(middleware::from_fn(request::identify))
        .with_state(state)
}

/// Runs until SIGTERM or SIGINT, then answers what it has begun.
///
/// # Errors
/// The settings, the schema or a port refuse the start.
pub async fn run(config: IngressConfig) -> anyhow::Result<()> {
    let metrics = telemetry::start(config.common.log_format, &config.common.log_filter)?;
    if config.common.migrate {
        schema::migrate(&config.common.database_direct_url)
            .await
            .context("migrate")?;
    }
    let database = Database::lazy(&config.common.database_url, READS)?;
    let intake = Database::lazy(&config.common.database_url, INTAKE)?;
    // Bound before the readiness says so.
    let listener = bind(config.listen).await?;
    let inboxes = Inboxes::start(&config, intake.clone()).await;
    let readiness = api::ops::Readiness::default();
    let ops = api::ops::router(inboxes.clone(), metrics, readiness.clone());
    let ops_listener = bind(config.common.ops_listen).await?;
    let ended = CancellationToken::new();
    tokio::spawn(server::serve(ops_listener, ops, OPS, ended.clone()));
    inboxes.wait_for_one().await?;
    let stopping = stop()?;
    let state = AppState::new(&config, database.clone(), &inboxes, stopping.clone()).await?;
    tracing::info!(address = %config.listen, "ingress started");
    let serving = Serving {
        most: server::connections_that_fit(config.max_connections),
        grace: config.shutdown_grace,
    };
    let served = server::serve(listener, app(state), serving, stopping.clone());
    readiness.begin();
    let announced = readiness.clone();
    tokio::spawn(async move {
        stopping.cancelled().await;
        announced.end();
    });
    tokio::select! {
        () = served => {}
        refused = refuse_old_code(&database) => refused?,
    }
    database.close().await;
    intake.close().await;
    ended.cancel();
    tracing::info!("ingress stopped");
    Ok(())
}

/// A database that comes only now may ask for newer code; else this never ends.
async fn refuse_old_code(database: &Database) -> Result<(), schema::SchemaError> {
    schema::wait_until_good(database).await?;
    std::future::pending().await
}

async fn bind(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("bind {address}"))
}

/// Ends with SIGTERM or SIGINT.
fn stop() -> anyhow::Result<CancellationToken> {
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopping.cancel();
    });
    Ok(stop)
}
