//! What a bench prints: JSON lines. The first says on what it ran, the last is the verdict.

use std::process::Command;

use anyhow::Result;
use serde_json::{Map, Value, json};
use sqlx::{PgPool, Row};

use crate::clock;

const SETTINGS: &str = "select name, current_setting(name) as value from pg_settings where name = any($1) order by name";
/// Those on which a figure depends most.
const NAMED: [&str; 7] = [
    "fsync",
    "full_page_writes",
    "max_wal_size",
    "server_version",
    "shared_buffers",
    "synchronous_commit",
    "wal_level",
];

/// A bench's voice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    bench: &'static str,
}

impl Report {
    pub(crate) fn new(bench: &'static str) -> Self {
        Self { bench }
    }

    /// On what everything that follows was measured.
    pub(crate) async fn ran_on(&self, admin: &PgPool) -> Result<()> {
        let rows = sqlx::query(SETTINGS)
            .bind(NAMED.map(str::to_owned).to_vec())
            .fetch_all(admin)
            .await?;
        let postgres: Map<String, Value> = rows
            .iter()
            .map(|row| (row.get("name"), Value::String(row.get("value"))))
            .collect();
        self.line(json!({
            "machine": machine(),
            "cores": std::thread::available_parallelism()?.get(),
            "memory_mib": memory_mib(),
            "postgres": postgres,
            "commit": std::env::var("BENCH_COMMIT").unwrap_or_else(|_| "unknown".into()),
            "date": clock::wall_now().format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "everything_on_one_machine": true,
        }));
        Ok(())
    }

    /// One measurement.
    pub(crate) fn line(&self, mut what: Value) {
        let mut line = json!({ "bench": self.bench });
        if let (Some(line), Some(what)) = (line.as_object_mut(), what.as_object_mut()) {
            line.append(what);
        }
        print(&line);
    }

    /// The last line. Returns what it says.
    pub(crate) fn verdict(&self, ok: bool, aim: &str, figures: Value) -> bool {
        let mut line = json!({ "ok": ok, "aim": aim });
        if let (Some(line), Value::Object(mut figures)) = (line.as_object_mut(), figures) {
            line.append(&mut figures);
        }
        self.line(line);
        ok
    }
}

fn machine() -> String {
    let model = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
    let system = Command::new("uname").args(["-srm"]).output();
    let system = system.map_or_else(
        |_| std::env::consts::OS.to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    );
    format!(
        "{}, {system}",
        model.unwrap_or_else(|| "unknown processor".into())
    )
}

fn memory_mib() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes / 1024)
}

#[expect(clippy::print_stdout, reason = "the result is this program's output")]
fn print(line: &Value) {
    println!("{line}");
}

/// A message to the person who waits for a long bench.
#[expect(clippy::print_stderr, reason = "the figures alone go to the output")]
pub(crate) fn say(line: &str) {
    eprintln!("bench: {line}");
}
