//! What every test begins with.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use harness::Cluster;

pub(crate) const SOON: Duration = Duration::from_secs(60);

/// One Postgres for all tests; its guard stops it when the program ends.
pub(crate) fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("queue-postgres");
        Cluster::start(&folder, harness::cluster::FAST).unwrap()
    })
}
