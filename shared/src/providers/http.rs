//! The HTTP clients: TLS 1.2 at least, no redirects, a plain user agent, addresses from the platform's own list.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, redirect::Policy, tls::Version};

use crate::domain::{Platform, Region};
use crate::providers::resolve::PublicOnly;

/// Clio's edge answers anonymous agents, and agents with a URL in them, with 403 (providers/clio.md §4).
const USER_AGENT: &str = "CaseHugSync/1.0";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What the clients need to know.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Loopback providers over plain HTTP: tests and demo only.
    pub allow_test_providers: bool,
    /// Until when sent bytes must be acknowledged, or the kernel gives the connection up.
    pub send_deadline: Duration,
}

/// The clients of one platform.
#[derive(Debug, Clone)]
pub struct Http {
    /// For the platform's API.
    pub api: Client,
    /// For signed transfers: they may take long and carry no token.
    pub storage: Client,
    pub hosts: Hosts,
    pub allow_test_providers: bool,
}

impl Http {
    /// Builds both clients.
    ///
    /// # Errors
    /// TLS could not be set up.
    pub fn new(settings: &HttpSettings, hosts: Hosts) -> Result<Self, reqwest::Error> {
        Ok(Self {
            api: builder(settings)
                .tcp_user_timeout(Some(settings.send_deadline))
                .build()?,
            storage: builder(settings).build()?,
            hosts,
            allow_test_providers: settings.allow_test_providers,
        })
    }
}

fn builder(settings: &HttpSettings) -> reqwest::ClientBuilder {
    let builder = Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(Policy::none())
        .tls_version_min(Version::TLS_1_2)
        .no_proxy();
    if settings.allow_test_providers {
        builder
    } else {
        builder.https_only(true).dns_resolver(Arc::new(PublicOnly))
    }
}

/// Where a platform lives: an enum's worth of hosts, never an address from outside.
#[derive(Debug, Clone)]
pub struct Hosts {
    platform: Platform,
    /// Replaces the host for every region: a loopback provider.
    test_base: Option<String>,
}

impl Hosts {
    /// The real hosts, or a loopback stand-in under `test_base`.
    #[must_use]
    pub fn new(platform: Platform, test_base: Option<String>) -> Self {
        let test_base = test_base.map(|base| base.trim_end_matches('/').to_owned());
        Self {
            platform,
            test_base,
        }
    }

    /// Scheme and host of a region, without a slash at the end (providers/clio.md §1).
    #[must_use]
    pub fn base(&self, region: Region) -> String {
        if let Some(base) = &self.test_base {
            return base.clone();
        }
        match (self.platform, region) {
            (Platform::Clio, Region::Us | Region::Uk) => "https://app.clio.com".into(),
            (Platform::Clio, Region::Eu) => "https://eu.app.clio.com".into(),
            (Platform::Clio, Region::Ca) => "https://ca.app.clio.com".into(),
            (Platform::Clio, Region::Au) => "https://au.app.clio.com".into(),
            (Platform::Lawmatics, _) => "https://api.lawmatics.com".into(),
            (Platform::Smokeball, _) => "https://api.smokeball.com".into(),
            (Platform::Mycase, _) => "https://external-integrations.mycase.com".into(),
        }
    }
}
