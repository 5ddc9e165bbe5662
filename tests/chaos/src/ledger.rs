//! Ledgers: raw facts, one JSON line each, written when they are known and never read again by the run.
//!
//! | file | a line is |
//! |---|---|
//! | `run.jsonl` | a setting of the run; later lines add to earlier ones |
//! | `matters.jsonl` | a matter, its firm, the provider's account, its client's e-mail |
//! | `posts.jsonl` | one POST of an event: when it was sent, what was answered |
//! | `faults.jsonl` | something that was broken: kind, process, from when until when |
//! | `samples.jsonl` | how much work waited, or that Postgres was away |
//! | `breaches.jsonl` | what a worker's own auditor counted |
//! | `holds.jsonl`, `ends.jsonl`, `workers.jsonl` | the history of the database: see `history.sql` |
//! | `calls.jsonl` | the provider's record of every request |
//! | `state.json`, `database.json` | what there was at the end |

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use serde_json::Value;

#[derive(Debug)]
pub(crate) struct Ledger {
    folder: PathBuf,
    writing: Mutex<()>,
}

impl Ledger {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).context("make the ledgers' folder")?;
        Ok(Self {
            folder: folder.to_owned(),
            writing: Mutex::new(()),
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn note(&self, book: &str, line: &Value) -> Result<()> {
        self.note_all(book, std::slice::from_ref(line))
    }

    pub(crate) fn note_all(&self, book: &str, lines: &[Value]) -> Result<()> {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.folder.join(format!("{book}.jsonl"));
        let mut file: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))?;
        file.write_all(text.as_bytes()).context("write a ledger")
    }

    pub(crate) fn write(&self, name: &str, value: &Value) -> Result<()> {
        let path = self.folder.join(format!("{name}.json"));
        std::fs::write(path, value.to_string()).context("write a ledger")
    }
}

/// A message to the person who watches the run.
#[expect(clippy::print_stderr, reason = "the verdict alone goes to the output")]
pub(crate) fn say(line: &str) {
    eprintln!("chaos: {line}");
}
