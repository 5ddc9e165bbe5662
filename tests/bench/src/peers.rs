//! The peers' queues on the same server, by the program that `PEERS` names: it prints a JSON line per peer and mode.

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::process::Command;

use crate::report::say;

/// What graphile-worker reached.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graphile {
    pub(crate) lines: Vec<Value>,
}

impl Graphile {
    /// The better of its local-queue modes, in jobs a second.
    pub(crate) fn local_queue(&self) -> Option<f64> {
        self.best(|peer| peer.contains("localQueue"))
    }

    /// Its correct keyed mode, in jobs a second.
    pub(crate) fn keyed(&self) -> Option<f64> {
        self.best(|peer| peer.contains("keyed") && !peer.contains("localQueue"))
    }

    fn best(&self, wanted: impl Fn(&str) -> bool) -> Option<f64> {
        let rates = self
            .lines
            .iter()
            .filter(|line| line["peer"].as_str().is_some_and(&wanted));
        rates
            .filter_map(|line| line["drain_per_s"].as_f64())
            .reduce(f64::max)
    }
}

/// None, with a word, where `PEERS` is not set.
pub(crate) async fn graphile(server: &str, jobs: u64, keys: u64) -> Result<Option<Graphile>> {
    let Some(program) = std::env::var_os("PEERS") else {
        say("PEERS is not set: the comparison with graphile-worker is left out");
        return Ok(None);
    };
    let output = Command::new(&program)
        .arg("graphile")
        .env("PG_URL", server)
        .env("JOBS", jobs.to_string())
        .env("KEYS", keys.to_string())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("run {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    Ok(Some(Graphile {
        lines: lines.collect(),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_modes_are_told_apart() {
        let line = |peer, rate| json!({ "peer": peer, "drain_per_s": rate });
        let graphile = Graphile {
            lines: vec![
                line("graphile-worker keyed", 650),
                line("graphile-worker", 5000),
                line("graphile-worker keyed localQueue", 9000),
                line("graphile-worker localQueue", 9500),
            ],
        };

        assert_eq!(graphile.keyed(), Some(650.0));
        assert_eq!(graphile.local_queue(), Some(9500.0));
        assert_eq!(Graphile::default().keyed(), None);
    }
}
