//! Settings: from the environment, all mistakes named at once in one message.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use object_store::ObjectStoreScheme;
use secrecy::SecretString;
use tracing_subscriber::EnvFilter;
use url::Url;

use crate::crypto::KeyRing;
use crate::domain::{Platform, Region};
use crate::limit::Budget;
use crate::providers::{Credentials, Hosts, Http, HttpSettings, clio::Clio};

/// Every setting: name, default, meaning. `--help` prints it, and the README has the same table.
pub const SETTINGS: &[(&str, &str, &str)] = &[
    (
        "DATABASE_URL",
        "required",
        "Postgres; may be a transaction pooler",
    ),
    (
        "DATABASE_DIRECT_URL",
        "DATABASE_URL",
        "Postgres for LISTEN and migrations, past any pooler",
    ),
    ("LISTEN", "127.0.0.1:8080", "ingress: the public port"),
    (
        "OPS_LISTEN",
        "127.0.0.1:9080 (worker :9081)",
        "health, readiness, metrics",
    ),
    (
        "PUBLIC_URL",
        "required by ingress",
        "where browsers and providers reach us",
    ),
    (
        "DASHBOARD_URL",
        "required by ingress",
        "where a connect lands",
    ),
    (
        "AUTH_JWT_SECRET",
        "this or AUTH_JWKS_URL",
        "HS256 secret of 32 bytes or more",
    ),
    ("AUTH_JWKS_URL", "", "key set for RS256, ES256, EdDSA"),
    ("AUTH_ISSUER", "required by ingress", "the tokens' iss"),
    ("AUTH_AUDIENCE", "required by ingress", "the tokens' aud"),
    (
        "TOKEN_KEYS",
        "required",
        "id:base64 of 32 bytes,…; the first seals",
    ),
    (
        "STORAGE_URL",
        "required by workers",
        "file:///folder, s3://bucket/prefix, …",
    ),
    (
        "CLIO_CLIENT_ID, CLIO_CLIENT_SECRET",
        "not configured",
        "the US application; CLIO_EU_…, CLIO_CA_…, CLIO_AU_… likewise",
    ),
    (
        "CLIO_BUDGET",
        "50/60s",
        "calls a window until headers say more",
    ),
    (
        "CLIO_SETTLE_SECONDS",
        "30",
        "how long after a write its effect may still appear",
    ),
    (
        "ALLOW_TEST_PROVIDERS",
        "0",
        "1: loopback providers, for tests and demo",
    ),
    (
        "CLIO_BASE_URL",
        "",
        "a loopback Clio; needs ALLOW_TEST_PROVIDERS=1",
    ),
    (
        "LINKS_DOUBT_SINCE",
        "",
        "RFC 3339 time of a restore: links made since are looked for before a create",
    ),
    (
        "CALLER_LIMIT_PER_MINUTE",
        "600",
        "requests a minute of one caller",
    ),
    (
        "WORKER_CONCURRENCY",
        "64",
        "jobs that one worker runs at a time",
    ),
    (
        "LEASE_SECONDS",
        "15",
        "how long a silent worker keeps its lanes",
    ),
    (
        "SHUTDOWN_GRACE_SECONDS",
        "25",
        "how long running jobs may go on after SIGTERM",
    ),
    ("MIGRATE", "0", "1: apply migrations at start"),
    ("LOG_FORMAT", "json", "json or pretty"),
    (
        "RUST_LOG",
        "info",
        "log filter; HTTP crates never speak below warn",
    ),
];

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
    pub fn read(reader: &mut Reader, ops_default: &str) -> Option<Self> {
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
    fn read(reader: &mut Reader, allow_test_providers: bool) -> Option<Self> {
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

/// Where callers' tokens are checked.
#[derive(Debug, Clone)]
pub enum AuthKeys {
    /// HS256.
    Secret(SecretString),
    /// RS256, ES256 or EdDSA, by key id.
    KeySet(Url),
}

/// What ingress needs.
#[derive(Debug, Clone)]
pub struct IngressConfig {
    pub common: Common,
    pub listen: SocketAddr,
    pub public_url: Url,
    pub dashboard_url: Url,
    pub auth_keys: AuthKeys,
    pub auth_issuer: String,
    pub auth_audience: String,
    pub caller_limit_per_minute: u32,
}

impl IngressConfig {
    /// Reads everything that ingress needs.
    ///
    /// # Errors
    /// One message that names every mistake.
    pub fn read(variables: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut reader = Reader::new(&variables);
        let common = Common::read(&mut reader, "127.0.0.1:9080");
        let listen = reader.parsed("LISTEN", "127.0.0.1:8080", "must be address:port");
        let public_url = reader.web_url("PUBLIC_URL");
        let dashboard_url = reader.web_url("DASHBOARD_URL");
        let auth_keys = read_auth_keys(&mut reader);
        let auth_issuer = reader.required("AUTH_ISSUER");
        let auth_audience = reader.required("AUTH_AUDIENCE");
        let limit = reader.parsed("CALLER_LIMIT_PER_MINUTE", "600", "must be a number above 0");
        let limit = match limit {
            Some(0) => reader.wrong("CALLER_LIMIT_PER_MINUTE", "must be a number above 0"),
            other => other,
        };
        reader.finish(|| {
            Some(Self {
                common: common?,
                listen: listen?,
                public_url: public_url?,
                dashboard_url: dashboard_url?,
                auth_keys: auth_keys?,
                auth_issuer: auth_issuer?,
                auth_audience: auth_audience?,
                caller_limit_per_minute: limit?,
            })
        })
    }
}

fn read_auth_keys(reader: &mut Reader) -> Option<AuthKeys> {
    match (
        reader.optional("AUTH_JWT_SECRET"),
        reader.optional("AUTH_JWKS_URL"),
    ) {
        (Some(secret), None) if secret.len() >= 32 => Some(AuthKeys::Secret(secret.into())),
        (Some(_), None) => reader.wrong("AUTH_JWT_SECRET", "must have 32 bytes or more"),
        (None, Some(_)) => reader.web_url("AUTH_JWKS_URL").map(AuthKeys::KeySet),
        (Some(_), Some(_)) => {
            reader.wrong("AUTH_JWT_SECRET", "and AUTH_JWKS_URL exclude each other")
        }
        (None, None) => reader.wrong("AUTH_JWT_SECRET", "or AUTH_JWKS_URL is missing"),
    }
}

/// What workers need.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    pub common: Common,
    pub storage_url: Url,
    pub dashboard_url: Option<Url>,
    pub concurrency: u16,
    pub lease: Duration,
    pub shutdown_grace: Duration,
    /// Links made since this time may be missing after a restore.
    pub links_doubt_since: Option<chrono::DateTime<chrono::Utc>>,
}

impl WorkerConfig {
    /// Reads everything that a worker needs.
    ///
    /// # Errors
    /// One message that names every mistake.
    pub fn read(variables: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut reader = Reader::new(&variables);
        let common = Common::read(&mut reader, "127.0.0.1:9081");
        let storage_url = reader.url("STORAGE_URL");
        if storage_url
            .as_ref()
            .is_some_and(|url| ObjectStoreScheme::parse(url).is_err())
        {
            reader.note(
                "STORAGE_URL",
                "must be file:///folder, s3://bucket/prefix or the like",
            );
        }
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
                dashboard_url,
                concurrency: concurrency?,
                lease: lease?,
                shutdown_grace: shutdown_grace?,
                links_doubt_since: doubt.flatten(),
            })
        })
    }
}

/// Reads settings and gathers what is wrong with them.
pub struct Reader<'a> {
    variables: &'a dyn Fn(&str) -> Option<String>,
    mistakes: Vec<String>,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("mistakes", &self.mistakes)
            .finish_non_exhaustive()
    }
}

impl<'a> Reader<'a> {
    fn new(variables: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            variables,
            mistakes: Vec::new(),
        }
    }

    /// A value, or nothing where it is missing or empty.
    fn optional(&self, name: &str) -> Option<String> {
        (self.variables)(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    fn required(&mut self, name: &str) -> Option<String> {
        self.optional(name)
            .or_else(|| self.wrong(name, "is missing"))
    }

    fn parsed<T: FromStr>(&mut self, name: &str, default: &str, form: &str) -> Option<T> {
        let text = self.optional(name).unwrap_or_else(|| default.to_owned());
        text.parse().ok().or_else(|| self.wrong(name, form))
    }

    fn url(&mut self, name: &str) -> Option<Url> {
        let text = self.required(name)?;
        let url = Url::parse(&text).map_err(|_| "must be a URL".to_owned());
        self.check(name, url)
    }

    fn web_url(&mut self, name: &str) -> Option<Url> {
        let url = self.url(name)?;
        if matches!(url.scheme(), "http" | "https") {
            Some(url)
        } else {
            self.wrong(name, "must be http:// or https://")
        }
    }

    fn seconds(
        &mut self,
        name: &str,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<Duration> {
        let form = format!("must be seconds from {} to {}", range.start(), range.end());
        let secs: u64 = self.parsed(name, &default.to_string(), &form)?;
        if range.contains(&secs) {
            Some(Duration::from_secs(secs))
        } else {
            self.wrong(name, &form)
        }
    }

    fn flag(&mut self, name: &str) -> bool {
        match self.optional(name).as_deref() {
            None | Some("0") => false,
            Some("1") => true,
            Some(_) => self.wrong(name, "must be 0 or 1").unwrap_or(false),
        }
    }

    fn check<T>(&mut self, name: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|why| self.wrong::<T>(name, &why)).ok()
    }

    fn wrong<T>(&mut self, name: &str, why: &str) -> Option<T> {
        self.note(name, why);
        None
    }

    fn note(&mut self, name: &str, why: &str) {
        self.mistakes.push(format!("{name} {why}"));
    }

    fn finish<T>(self, build: impl FnOnce() -> Option<T>) -> Result<T, String> {
        if self.mistakes.is_empty() {
            return build().ok_or_else(|| "the settings cannot be read".to_owned());
        }
        Err(self
            .mistakes
            .iter()
            .fold("wrong settings:".to_owned(), |mut text, mistake| {
                let _ = write!(text, "\n  {mistake}");
                text
            }))
    }
}

/// The text of `--help` behind the usage line.
#[must_use]
pub fn help() -> String {
    SETTINGS.iter().fold(
        "Settings (environment):\n".to_owned(),
        |mut text, (name, default, meaning)| {
            let _ = writeln!(text, "  {name:<36} {meaning} [{default}]");
            text
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn variables<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| {
            pairs
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn every_mistake_is_named_in_one_message() {
        let error = WorkerConfig::read(variables(&[
            ("TOKEN_KEYS", "nonsense"),
            ("LEASE_SECONDS", "0"),
            ("CLIO_CLIENT_ID", "id"),
            ("MIGRATE", "yes"),
        ]))
        .unwrap_err();

        for name in [
            "DATABASE_URL",
            "TOKEN_KEYS",
            "LEASE_SECONDS",
            "CLIO_CLIENT_SECRET",
            "MIGRATE",
            "STORAGE_URL",
        ] {
            assert!(error.contains(name), "{name} in {error}");
        }
    }

    #[test]
    fn a_worker_starts_with_three_settings() {
        let config = WorkerConfig::read(variables(&[
            ("DATABASE_URL", "postgres://localhost/casehug"),
            ("TOKEN_KEYS", KEY),
            ("STORAGE_URL", "file:///files"),
        ]))
        .unwrap();

        assert_eq!(config.lease, Duration::from_secs(15));
        assert_eq!(
            config.common.clio.budget,
            Budget {
                calls: 50,
                window: Duration::from_mins(1)
            }
        );
    }

    #[test]
    fn a_test_provider_outside_loopback_or_unasked_is_refused() {
        for (base, allow) in [
            ("http://127.0.0.1:1/clio", "0"),
            ("http://example.com/clio", "1"),
        ] {
            let error = WorkerConfig::read(variables(&[
                ("DATABASE_URL", "postgres://localhost/casehug"),
                ("TOKEN_KEYS", KEY),
                ("STORAGE_URL", "file:///files"),
                ("CLIO_BASE_URL", base),
                ("ALLOW_TEST_PROVIDERS", allow),
            ]))
            .unwrap_err();
            assert!(error.contains("CLIO_BASE_URL"), "{error}");
        }
    }
}
