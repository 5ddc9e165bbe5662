//! What workers need.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose};
use url::Url;

use super::{Common, Reader, retention};
use crate::domain::digest::Digests;
use crate::domain::retention::Retention;
use crate::providers::Entry;

/// The stores that `object_store` is built with here.
const STORES: [&str; 2] = ["file", "s3"];
const DIGEST_KEY_BYTES: usize = 32;

/// What workers need.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    pub common: Common,
    pub storage_url: Url,
    pub digests: Digests,
    pub dashboard_url: Option<Url>,
    pub concurrency: u16,
    pub lease: Duration,
    pub shutdown_grace: Duration,
    pub retention: Retention,
    /// Links made since this time may be missing after a restore.
    pub links_doubt_since: Option<chrono::DateTime<chrono::Utc>>,
}

fn read_digests(text: &str) -> Result<Digests, String> {
    let key = general_purpose::STANDARD.decode(text).ok();
    let key = key.filter(|key| key.len() == DIGEST_KEY_BYTES);
    key.map(Digests::new)
        .ok_or_else(|| "must be base64 of 32 bytes".to_owned())
}

impl WorkerConfig {
    /// Reads everything that a worker needs.
    ///
    /// # Errors
    /// One message that names every mistake.
    pub fn read(
        entries: &[Entry],
        variables: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let mut reader = Reader::new(&variables);
        let common = Common::read(&mut reader, entries, "127.0.0.1:9081");
        let storage_url = reader.url("STORAGE_URL");
        if storage_url
            .as_ref()
            .is_some_and(|url| !STORES.contains(&url.scheme()))
        {
            reader.note(
                "STORAGE_URL",
                "must be file:///folder or s3://bucket/prefix",
            );
        }
        let digests = reader.required("DIGEST_KEY");
        let digests = digests.and_then(|text| reader.check("DIGEST_KEY", read_digests(&text)));
        let dashboard_url = reader
            .optional("DASHBOARD_URL")
            .and_then(|_| reader.web_url("DASHBOARD_URL"));
        let concurrency = reader.parsed(
            "WORKER_CONCURRENCY",
            "64",
            "must be a number from 1 to 10000",
        );
        let concurrency = match concurrency {
            Some(0 | 10_001..) => {
                reader.wrong("WORKER_CONCURRENCY", "must be a number from 1 to 10000")
            }
            other => other,
        };
        let lease = reader.seconds("LEASE_SECONDS", 15, 1..=300);
        let shutdown_grace = reader.seconds("SHUTDOWN_GRACE_SECONDS", 25, 0..=3600);
        let retention = retention::read(&mut reader);
        let doubt = reader.optional("LINKS_DOUBT_SINCE").map(|text| {
            let parsed = chrono::DateTime::parse_from_rfc3339(&text).map(|at| at.to_utc());
            reader.check(
                "LINKS_DOUBT_SINCE",
                parsed.map_err(|_| "must be an RFC 3339 time".to_owned()),
            )
        });
        reader.finish(|| {
            Some(Self {
                common: common?,
                storage_url: storage_url?,
                digests: digests?,
                dashboard_url,
                concurrency: concurrency?,
                lease: lease?,
                shutdown_grace: shutdown_grace?,
                retention: retention?,
                links_doubt_since: doubt.flatten(),
            })
        })
    }
}
