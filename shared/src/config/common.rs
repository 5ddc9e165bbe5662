//! What both programs need.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use url::Url;

use super::Reader;
use crate::crypto::KeyRing;
use crate::domain::{Platform, Region};
use crate::inbox::RedisAddress;
use crate::limit::Budget;
use crate::providers::{Credentials, Hosts, Http, HttpSettings, clio::Clio};

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Pretty,
}

/// What both programs need.
#[derive(Debug, Clone)]
pub struct Common {
    pub database_url: String,
    pub database_direct_url: String,
    /// The second inbox.
    pub redis: Option<RedisAddress>,
    pub token_keys: KeyRing,
    pub migrate: bool,
    pub log_format: LogFormat,
    pub log_filter: String,
    pub ops_listen: SocketAddr,
    pub clio: ClioConfig,
    pub allow_test_providers: bool,
}

/// Clio's part.
#[derive(Debug, Clone)]
pub struct ClioConfig {
    pub credentials: HashMap<Region, Credentials>,
    pub base_url: Option<String>,
    pub budget: Budget,
    pub settle: Duration,
}

impl Common {
    /// Clio as configured.
    ///
    /// # Errors
    /// TLS could not be set up.
    pub fn clio(&self, send_deadline: Duration) -> Result<Clio, reqwest::Error> {
        let settings = HttpSettings {
            allow_test_providers: self.allow_test_providers,
            send_deadline,
        };
        let hosts = Hosts::new(Platform::Clio, self.clio.base_url.clone());
        let http = Http::new(&settings, hosts)?;
        Ok(Clio::new(
            http,
            self.clio.credentials.clone(),
            self.clio.budget,
            self.clio.settle,
        ))
    }

    /// Reads what both programs need.
    pub(super) fn read(reader: &mut Reader<'_>, ops_default: &str) -> Option<Self> {
        let database_url = reader.required("DATABASE_URL");
        let direct = reader.optional("DATABASE_DIRECT_URL");
        for (name, url) in [
            ("DATABASE_URL", &database_url),
            ("DATABASE_DIRECT_URL", &direct),
        ] {
            if url.as_deref().is_some_and(|url| !is_postgres(url)) {
                reader.note(name, "must be postgres://…");
            }
        }
        let redis = reader.optional("REDIS_URL");
        let redis = redis.map(|url| reader.check("REDIS_URL", RedisAddress::parse(&url)));
        let log_filter = reader.optional("RUST_LOG").unwrap_or_else(|| "info".into());
        if EnvFilter::try_new(&log_filter).is_err() {
            reader.note("RUST_LOG", "is no log filter");
        }
        let keys = reader.required("TOKEN_KEYS");
        let keys = keys.and_then(|text| reader.check("TOKEN_KEYS", KeyRing::parse(&text)));
        let migrate = reader.flag("MIGRATE");
        let log_format = match reader.optional("LOG_FORMAT").as_deref() {
            None | Some("json") => Some(LogFormat::Json),
            Some("pretty") => Some(LogFormat::Pretty),
            Some(_) => reader.wrong("LOG_FORMAT", "must be json or pretty"),
        };
        let ops_listen = reader.parsed("OPS_LISTEN", ops_default, "must be address:port");
        let allow_test_providers = reader.flag("ALLOW_TEST_PROVIDERS");
        let clio = ClioConfig::read(reader, allow_test_providers);
        Some(Self {
            database_direct_url: direct.or_else(|| database_url.clone())?,
            database_url: database_url?,
            redis: redis.flatten(),
            token_keys: keys?,
            migrate,
            log_format: log_format?,
            log_filter,
            ops_listen: ops_listen?,
            clio: clio?,
            allow_test_providers,
        })
    }
}

impl ClioConfig {
    fn read(reader: &mut Reader<'_>, allow_test_providers: bool) -> Option<Self> {
        let mut credentials = HashMap::new();
        for (region, prefix) in [
            (Region::Us, "CLIO"),
            (Region::Eu, "CLIO_EU"),
            (Region::Ca, "CLIO_CA"),
            (Region::Au, "CLIO_AU"),
        ] {
            let (id_name, secret_name) = (
                format!("{prefix}_CLIENT_ID"),
                format!("{prefix}_CLIENT_SECRET"),
            );
            match (reader.optional(&id_name), reader.optional(&secret_name)) {
                (Some(client_id), Some(secret)) => {
                    credentials.insert(
                        region,
                        Credentials {
                            client_id,
                            client_secret: secret.into(),
                        },
                    );
                }
                (None, None) => {}
                (Some(_), None) => reader.note(&secret_name, "is missing beside its id"),
                (None, Some(_)) => reader.note(&id_name, "is missing beside its secret"),
            }
        }
        let base_url = reader.optional("CLIO_BASE_URL");
        if let Some(base) = &base_url
            && !(allow_test_providers && is_loopback(base))
        {
            reader.note(
                "CLIO_BASE_URL",
                "must be http://127.0.0.1:port/… and needs ALLOW_TEST_PROVIDERS=1",
            );
        }
        let budget = reader
            .optional("CLIO_BUDGET")
            .unwrap_or_else(|| "50/60s".into());
        Some(Self {
            credentials,
            base_url,
            budget: reader.check("CLIO_BUDGET", Budget::parse(&budget))?,
            settle: reader.seconds("CLIO_SETTLE_SECONDS", 30, 0..=3600)?,
        })
    }
}

fn is_postgres(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"))
}

fn is_loopback(base: &str) -> bool {
    Url::parse(base).is_ok_and(|url| url.scheme() == "http" && url.host_str() == Some("127.0.0.1"))
}
