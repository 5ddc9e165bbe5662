//! What ingress needs.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use super::{Common, Reader};
use crate::providers::Entry;

/// Where callers' tokens are checked.
#[derive(Debug, Clone)]
pub enum AuthKeys {
    /// HS256.
    Secret(SecretString),
    /// RS256, ES256 or EdDSA, by key id.
    KeySet { url: Url, every: Duration },
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
    /// Connections to the public port at a time.
    pub max_connections: usize,
    /// Networks of proxies whose `X-Forwarded-For` names the caller.
    pub trusted_proxies: Vec<IpNet>,
    /// How long answers may take after the signal to stop.
    pub shutdown_grace: Duration,
    pub inbox: InboxChoice,
    /// How long the first inbox has before the other one is asked too.
    pub inbox_fallback: Duration,
}

/// Where events are appended first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboxChoice {
    Postgres,
    Redis,
}

impl IngressConfig {
    /// Reads everything that ingress needs.
    ///
    /// # Errors
    /// One message that names every mistake.
    pub fn read(
        entries: &[Entry],
        variables: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let mut reader = Reader::new(&variables);
        let common = Common::read(&mut reader, entries, "127.0.0.1:9080");
        let listen = reader.parsed("LISTEN", "127.0.0.1:8080", "must be address:port");
        let public_url = reader.web_url("PUBLIC_URL");
        let dashboard_url = reader.web_url("DASHBOARD_URL");
        let allow_http = common
            .as_ref()
            .is_some_and(|common| common.allow_test_providers);
        let auth_keys = read_auth_keys(&mut reader, allow_http);
        let auth_issuer = reader.required("AUTH_ISSUER");
        let auth_audience = reader.required("AUTH_AUDIENCE");
        let limit = reader.parsed("CALLER_LIMIT_PER_MINUTE", "600", "must be a number above 0");
        let limit = match limit {
            Some(0) => reader.wrong("CALLER_LIMIT_PER_MINUTE", "must be a number above 0"),
            other => other,
        };
        let most = reader.parsed("MAX_CONNECTIONS", "4096", "must be a number above 0");
        let most = match most {
            Some(0) => reader.wrong("MAX_CONNECTIONS", "must be a number above 0"),
            other => other,
        };
        let proxies = read_proxies(&mut reader);
        let grace = reader.seconds("SHUTDOWN_GRACE_SECONDS", 25, 0..=3600);
        let inbox = read_inbox(&mut reader);
        let fallback = reader.milliseconds("INBOX_FALLBACK_MS", 250, 10..=10_000);
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
                max_connections: most?,
                trusted_proxies: proxies?,
                shutdown_grace: grace?,
                inbox: inbox?,
                inbox_fallback: fallback?,
            })
        })
    }
}

fn read_inbox(reader: &mut Reader<'_>) -> Option<InboxChoice> {
    match reader.optional("INBOX").as_deref() {
        None | Some("postgres") => Some(InboxChoice::Postgres),
        Some("redis") if reader.optional("REDIS_URL").is_some() => Some(InboxChoice::Redis),
        Some("redis") => reader.wrong("INBOX", "is redis, and REDIS_URL is missing"),
        Some(_) => reader.wrong("INBOX", "must be postgres or redis"),
    }
}

fn read_proxies(reader: &mut Reader<'_>) -> Option<Vec<IpNet>> {
    let text = reader.optional("TRUSTED_PROXIES").unwrap_or_default();
    let networks: Result<Vec<IpNet>, _> = text
        .split(',')
        .map(str::trim)
        .filter(|network| !network.is_empty())
        .map(str::parse)
        .collect();
    match networks {
        Ok(networks) => Some(networks),
        Err(_) => reader.wrong("TRUSTED_PROXIES", "must be networks such as 10.0.0.0/8"),
    }
}

/// Over plain HTTP anybody on the way could put in a key of his own.
fn read_auth_keys(reader: &mut Reader<'_>, allow_http: bool) -> Option<AuthKeys> {
    match (
        reader.optional("AUTH_JWT_SECRET"),
        reader.optional("AUTH_JWKS_URL"),
    ) {
        (Some(secret), None) if secret.len() >= 32 => Some(AuthKeys::Secret(secret.into())),
        (Some(_), None) => reader.wrong("AUTH_JWT_SECRET", "must have 32 bytes or more"),
        (None, Some(_)) => match reader.web_url("AUTH_JWKS_URL") {
            Some(url) if url.scheme() == "https" || allow_http => {
                let every = reader.seconds("AUTH_JWKS_REFRESH_SECONDS", 300, 1..=3600)?;
                Some(AuthKeys::KeySet { url, every })
            }
            Some(_) => reader.wrong("AUTH_JWKS_URL", "must be https://"),
            None => None,
        },
        (Some(_), Some(_)) => {
            reader.wrong("AUTH_JWT_SECRET", "and AUTH_JWKS_URL exclude each other")
        }
        (None, None) => reader.wrong("AUTH_JWT_SECRET", "or AUTH_JWKS_URL is missing"),
    }
}
