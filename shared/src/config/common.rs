//! What both programs need.

use std::net::SocketAddr;

use tracing_subscriber::EnvFilter;
use url::Url;

use super::{Reader, providers};
use crate::crypto::KeyRing;
use crate::inbox::RedisAddress;
use crate::providers::{Entry, ProviderSettings};

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
    pub providers: Vec<ProviderSettings>,
    pub allow_test_providers: bool,
}

impl Common {
    /// Reads what both programs need.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        entries: &[Entry],
        ops_default: &str,
    ) -> Option<Self> {
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
            reader.note("RUST_LOG", "must be a log filter, such as info,sqlx=warn");
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
        let providers = providers::read(reader, entries, allow_test_providers);
        Some(Self {
            database_direct_url: direct.or_else(|| database_url.clone())?,
            database_url: database_url?,
            redis: redis.flatten(),
            token_keys: keys?,
            migrate,
            log_format: log_format?,
            log_filter,
            ops_listen: ops_listen?,
            providers: providers?,
            allow_test_providers,
        })
    }
}

fn is_postgres(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"))
}
