//! The harness against a real PostgreSQL, real processes and a real HTTP server.

#![expect(
    clippy::unwrap_used,
    reason = "the tests' helpers fail as the tests do"
)]

mod cluster;
mod database;
mod http_proxy;
mod postgres_proxy;

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use harness::{Cluster, cluster::FAST};

const SOON: Duration = Duration::from_secs(20);

/// One cluster for all tests of this program; its guard stops it when the program has ended.
fn shared_cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("harness-postgres");
        Cluster::start(&dir, FAST).unwrap()
    })
}
