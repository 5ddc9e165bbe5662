//! The HTTP clients of a platform: TLS 1.2 at least, no redirects, addresses from the profile's own list.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, redirect::Policy, tls::Version};

use super::resolve::PublicOnly;
use crate::domain::Region;
use crate::providers::Profile;

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
    /// For the platform's API and its tokens.
    pub api: Client,
    /// For signed transfers: they may take long and carry no token.
    pub storage: Client,
    pub profile: &'static Profile,
    pub allow_test_providers: bool,
    /// Replaces the host for every region: a loopback provider.
    test_base: Option<String>,
}

impl Http {
    /// Builds both clients. `test_base` names a loopback stand-in for every host of the platform.
    ///
    /// # Errors
    /// TLS could not be set up.
    pub fn new(
        settings: &HttpSettings,
        profile: &'static Profile,
        test_base: Option<&str>,
    ) -> Result<Self, reqwest::Error> {
        let agent = profile.dialect.user_agent;
        Ok(Self {
            api: builder(settings, agent)
                .tcp_user_timeout(Some(settings.send_deadline))
                .build()?,
            storage: builder(settings, agent).build()?,
            profile,
            allow_test_providers: settings.allow_test_providers,
            test_base: test_base.map(|base| base.trim_end_matches('/').to_owned()),
        })
    }

    /// Scheme, host and prefix of the API in a region, without a slash at the end.
    #[must_use]
    pub fn api_base(&self, region: Region) -> String {
        let base = self.base(self.profile.host(region));
        format!("{base}{}", self.profile.dialect.api_prefix)
    }

    /// Scheme and host of the authorisation in a region, without a slash at the end.
    #[must_use]
    pub fn oauth_base(&self, region: Region) -> String {
        let own = self.profile.oauth.hosts;
        let own = own.and_then(|hosts| hosts.iter().find(|(of, _)| *of == region));
        self.base(own.map_or_else(|| self.profile.host(region), |(_, host)| host))
    }

    fn base(&self, host: &str) -> String {
        match &self.test_base {
            Some(base) => base.clone(),
            None => format!("https://{host}"),
        }
    }
}

fn builder(settings: &HttpSettings, user_agent: &str) -> reqwest::ClientBuilder {
    let builder = Client::builder()
        .user_agent(user_agent)
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
