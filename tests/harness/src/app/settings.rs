//! What a test sets, and the environment that follows from it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::{Database, Tokens, built_program};

/// The address that browsers are given. It has no DNS entry: the harness's browser goes to ingress's own port.
pub const PUBLIC_URL: &str = "https://casehug.test";
pub(super) const DASHBOARD_URL: &str = "https://app.casehug.test";
const JWT_SECRET: &str = "a-secret-of-the-tests-that-has-enough-bytes";
const DIGEST_KEY: &str = "IB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgE=";
const TOKEN_KEYS: &str = "k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

#[derive(Debug, Clone)]
pub struct AppSettings {
    pub workers: usize,
    pub lease: Duration,
    pub visibility_delay: Duration,
    pub search_lag: Duration,
    pub concurrency: u16,
    /// As `CLIO_BUDGET` takes it.
    pub budget: String,
    pub caller_limit: u32,
    /// Workers reach Postgres through here.
    pub database_proxy: Option<SocketAddr>,
    /// Workers reach the simulator through here.
    pub clio_proxy: Option<SocketAddr>,
    /// The folder of another build's programs; this build's when nothing is said.
    pub programs: Option<PathBuf>,
    /// The programs know the test platform too.
    pub test_platform: bool,
    /// More settings, for both programs; a later one wins.
    pub more: Vec<(String, String)>,
}

impl Default for AppSettings {
    fn default() -> Self {
        Self {
            workers: 1,
            lease: Duration::from_secs(15),
            visibility_delay: Duration::from_secs(30),
            search_lag: Duration::ZERO,
            concurrency: 32,
            budget: "2000/1s".into(),
            caller_limit: 1_000_000,
            database_proxy: None,
            clio_proxy: None,
            programs: None,
            test_platform: false,
            more: Vec::new(),
        }
    }
}

impl AppSettings {
    /// The path of the ingress or worker program with this name.
    pub(super) fn program(&self, name: &str) -> Result<PathBuf> {
        let name = match name {
            "casehug-ingress" if self.test_platform => "ingress-with-test-platform",
            "casehug-worker" if self.test_platform => "worker-with-test-platform",
            other => other,
        };
        match &self.programs {
            Some(folder) => Ok(folder.join(name)),
            None => built_program(name),
        }
    }

    pub(super) fn tokens(&self) -> Tokens {
        Tokens {
            secret: JWT_SECRET.into(),
            issuer: "https://casehug.test".into(),
            audience: "integrations".into(),
        }
    }

    fn common(&self, database_url: String, simulator: &str) -> Vec<(String, String)> {
        let delay = self.visibility_delay.as_secs().to_string();
        [
            ("DATABASE_URL", database_url),
            ("TOKEN_KEYS", TOKEN_KEYS.to_owned()),
            ("PUBLIC_URL", PUBLIC_URL.to_owned()),
            ("DASHBOARD_URL", DASHBOARD_URL.to_owned()),
            ("CLIO_CLIENT_ID", "casehug-app".to_owned()),
            ("CLIO_CLIENT_SECRET", "casehug-app-secret".to_owned()),
            ("CLIO_BASE_URL", format!("http://{simulator}/clio")),
            ("CLIO_BUDGET", self.budget.clone()),
            ("CLIO_VISIBILITY_DELAY_SECONDS", delay.clone()),
            ("TEST_CLIENT_ID", "casehug-app".to_owned()),
            ("TEST_CLIENT_SECRET", "casehug-app-secret".to_owned()),
            ("TEST_API_KEY", "casehug-app-key".to_owned()),
            ("TEST_BASE_URL", format!("http://{simulator}/test")),
            ("TEST_BUDGET", self.budget.clone()),
            ("TEST_VISIBILITY_DELAY_SECONDS", delay),
            ("ALLOW_TEST_PROVIDERS", "1".to_owned()),
            ("RUST_LOG", "debug".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    pub(super) fn ingress(
        &self,
        database: &Database,
        clio: &str,
        port: u16,
    ) -> Vec<(String, String)> {
        let mut environment = self.common(database.url().to_owned(), clio);
        environment.extend(
            [
                ("LISTEN", format!("127.0.0.1:{port}")),
                ("AUTH_JWT_SECRET", JWT_SECRET.to_owned()),
                ("AUTH_ISSUER", self.tokens().issuer),
                ("AUTH_AUDIENCE", self.tokens().audience),
                ("CALLER_LIMIT_PER_MINUTE", self.caller_limit.to_string()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        environment.extend(self.more.iter().cloned());
        environment
    }

    pub(super) fn worker(
        &self,
        database: &Database,
        clio: &str,
        folder: &Path,
    ) -> Vec<(String, String)> {
        let url = match self.database_proxy {
            Some(proxy) => through(database.url(), proxy),
            None => database.url().to_owned(),
        };
        let clio = self
            .clio_proxy
            .map_or_else(|| clio.to_owned(), |proxy| proxy.to_string());
        let mut environment = self.common(url, &clio);
        environment.extend(
            [
                ("DATABASE_DIRECT_URL", database.url().to_owned()),
                (
                    "STORAGE_URL",
                    format!("file://{}", folder.join("files").display()),
                ),
                ("DIGEST_KEY", DIGEST_KEY.to_owned()),
                ("WORKER_CONCURRENCY", self.concurrency.to_string()),
                ("LEASE_SECONDS", self.lease.as_secs().to_string()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        environment.extend(self.more.iter().cloned());
        environment
    }
}

/// The same address by way of a proxy.
fn through(url: &str, proxy: SocketAddr) -> String {
    let Ok(mut parsed) = url::Url::parse(url) else {
        return url.to_owned();
    };
    let _ = parsed.set_host(Some(&proxy.ip().to_string()));
    let _ = parsed.set_port(Some(proxy.port()));
    parsed.into()
}
