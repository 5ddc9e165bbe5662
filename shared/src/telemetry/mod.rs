//! Logs and metrics: set up once, tabulated here, treated as API. No client data, token or body ever; no firm ids in labels.
//! The table of metrics is in `table`, and in the README.

mod table;

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
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

/// Upper bounds of durations, in seconds: from a statement to a long transfer.
const SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 600.0,
];
const BATCHES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0];
const RATIOS: &[f64] = &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 1.0];

/// Histograms keep every sample until they are summed up. A scrape does that; this process also does it, because scrapes may not come.
const UPKEEP: Duration = Duration::from_secs(5);

/// What this process has measured, and its own memory, file handles and processor time.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    process: Arc<Collector>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Everything in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        self.process.collect();
        self.handle.render()
    }
}

fn start_metrics() -> anyhow::Result<Metrics> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_size".into()), BATCHES)?
        .set_buckets_for_metric(Matcher::Suffix("_ratio".into()), RATIOS)?
        .install_recorder()?;
    table::describe();
    let process = Collector::default();
    process.describe();
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(Metrics {
        handle,
        process: Arc::new(process),
    })
}

/// Sets up logs and metrics for this process; needs its runtime.
///
/// # Errors
/// They were set up before.
pub fn start(format: LogFormat, filter: &str) -> anyhow::Result<Metrics> {
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
    start_metrics()
}
