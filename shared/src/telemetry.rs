//! Logs and metrics: set up once, tabulated here, treated as API. No client data, token or body ever; no firm ids in labels.
//!
//! | metric | kind | what |
//! |---|---|---|
//! | `casehug_events_accepted_total` | counter | events committed to the inbox |
//! | `casehug_inbox_appended_total{inbox}` | counter | events that this inbox took |
//! | `casehug_redis_inbox_usable` | gauge | 1 while ingress could append to Redis |
//! | `casehug_redis_inbox_entries` | gauge | events that wait in Redis, as a worker last saw it; alert when it does not fall |
//! | `casehug_redis_inbox_moved_total` | counter | events moved from Redis into the Postgres inbox |
//! | `casehug_redis_inbox_dead_total` | counter | entries that could not be moved and were set aside; alert above 0 |
//! | `casehug_events_rejected_total` | counter | events whose records did not hold |
//! | `casehug_events_relayed_total` | counter | events fanned out |
//! | `casehug_jobs_finished_total{kind,outcome}` | counter | executions by outcome |
//! | `casehug_job_seconds{kind}` | histogram | duration of an execution |
//! | `casehug_leases_lost_total` | counter | outcomes refused for a stale fence; alert above 0 for 10 minutes |
//! | `casehug_lanes_taken_over_total` | counter | lanes freed from dead workers |
//! | `casehug_finish_batch_size`, `casehug_finish_seconds` | histogram | the finisher's commits; alert at p99 above 1 s |
//! | `casehug_provider_calls_total{platform,status}` | counter | calls, `none` without an answer |
//! | `casehug_provider_call_seconds{platform}` | histogram | their duration |
//! | `casehug_token_refreshes_total` | counter | tokens refreshed |
//! | `casehug_batch_jobs_retried_total` | counter | failed jobs that batches put back |
//! | `casehug_duplicates_suspected_total` | counter | links that the doubt sweep could not explain; alert above 0 |
//! | `casehug_http_requests_total{route,status}` | counter | ingress requests by route template |

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::LogFormat;

/// HTTP crates talk of headers and addresses below `warn`: never here, whatever RUST_LOG says.
const FLOOR: &[&str] = &[
    "hyper",
    "hyper_util",
    "reqwest",
    "h2",
    "rustls",
    "sqlx",
    "tower_http",
    "object_store",
    "redis",
];

/// Sets up logs and metrics for this process.
///
/// # Errors
/// They were set up before.
pub fn start(format: LogFormat, filter: &str) -> anyhow::Result<PrometheusHandle> {
    let filter = FLOOR
        .iter()
        .try_fold(EnvFilter::try_new(filter)?, |filter, name| {
            anyhow::Ok(filter.add_directive(format!("{name}=warn").parse()?))
        })?;
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Json => {
            registry
                .with(
                    fmt::layer()
                        .json()
                        .flatten_event(true)
                        .with_writer(std::io::stderr),
                )
                .try_init()?;
        }
        LogFormat::Pretty => {
            registry
                .with(fmt::layer().compact().with_writer(std::io::stderr))
                .try_init()?;
        }
    }
    Ok(PrometheusBuilder::new().install_recorder()?)
}
