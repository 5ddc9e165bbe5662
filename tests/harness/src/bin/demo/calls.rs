//! The simulator's record, followed as it grows: each call to Clio, without anything a client owns.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use serde_json::Value;
use url::Url;

use crate::scenario::News;

#[derive(Debug)]
pub(crate) struct Calls {
    record: PathBuf,
    read: u64,
    /// Calls so far, without OAuth and signed transfers.
    pub(crate) to_api: usize,
}

impl Calls {
    pub(crate) fn new(record: PathBuf) -> Self {
        Self {
            record,
            read: 0,
            to_api: 0,
        }
    }

    /// What was written since the last time, as far as the lines are whole.
    pub(crate) fn news(&mut self) -> Result<Vec<News>> {
        let mut file = File::open(&self.record).context("open the simulator's record")?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut text = String::new();
        file.read_to_string(&mut text)
            .context("read the simulator's record")?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.read += whole as u64;
        text[..whole].lines().map(|line| self.told(line)).collect()
    }

    fn told(&mut self, line: &str) -> Result<News> {
        let line: Value = serde_json::from_str(line).context("a line of the record")?;
        let url = Url::parse(line["url"].as_str().unwrap_or_default())?;
        let method = line["method"].as_str().unwrap_or_default();
        let status = line["status"].as_u64();
        let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        let text = if line["platform"] == "storage" {
            let bytes = &line["body"]["bytes"];
            format!("storage  {method} (signed transfer, {bytes} bytes) → {status}")
        } else {
            if url.path().starts_with("/api/") {
                self.to_api += 1;
            }
            // The query may hold an e-mail address.
            format!("Clio     {method} {} → {status}", url.path())
        };
        let at: DateTime<Utc> = line["at"].as_str().unwrap_or_default().parse()?;
        Ok(News { at, text })
    }
}
