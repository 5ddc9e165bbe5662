//! The registry: which platforms this program knows, as configured.
//!
//! A new platform is a folder beside `clio`, one line in [`shipped`], and a row of the table `platforms`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Platform, Region, capabilities::Offers};
use crate::limit::Budget;
use crate::providers::{Credentials, Http, HttpSettings, OAuthClient, Profile, Provider, clio};

/// A platform that a program may know.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub profile: &'static Profile,
    pub build: fn(Http) -> Arc<dyn Provider>,
}

/// The platforms of the shipped programs.
#[must_use]
pub fn shipped() -> Vec<Entry> {
    vec![clio::ENTRY]
}

/// What an operator chose for a platform.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    pub entry: Entry,
    /// Of the regions that have any. A platform without credentials is not configured.
    pub credentials: HashMap<Region, Credentials>,
    /// A loopback stand-in: tests and demo only.
    pub base_url: Option<String>,
    pub budget: Budget,
    pub visibility_delay: Duration,
}

/// One platform, ready to be called.
#[derive(Debug)]
pub struct Configured {
    pub provider: Arc<dyn Provider>,
    pub http: Http,
    /// How many calls its bucket allows until headers say more.
    pub budget: Budget,
    /// How long after a write's last moment its effect may still appear in a search.
    pub visibility_delay: Duration,
    oauth: HashMap<Region, OAuthClient>,
}

impl Configured {
    /// The OAuth client of a region; nothing where no credentials are configured.
    #[must_use]
    pub fn oauth(&self, region: Region) -> Option<&OAuthClient> {
        self.oauth.get(&region)
    }

    /// What the platform is.
    #[must_use]
    pub fn profile(&self) -> &'static Profile {
        self.http.profile
    }
}

/// All platforms of a program; cheap to clone.
#[derive(Debug, Clone)]
pub struct Providers {
    of: Arc<HashMap<Platform, Configured>>,
}

impl Providers {
    /// Builds every platform's clients.
    ///
    /// # Errors
    /// TLS could not be set up.
    pub fn new(http: &HttpSettings, settings: &[ProviderSettings]) -> Result<Self, reqwest::Error> {
        let mut of = HashMap::new();
        for one in settings {
            let profile = one.entry.profile;
            of.insert(profile.platform, configure(http, one)?);
        }
        Ok(Self { of: Arc::new(of) })
    }

    /// What each of them offers.
    #[must_use]
    pub fn offers(&self) -> Offers {
        let offers = self.of.iter();
        offers
            .map(|(platform, one)| (*platform, one.profile().capabilities))
            .collect()
    }

    /// A platform; nothing where this program does not know it.
    #[must_use]
    pub fn of(&self, platform: Platform) -> Option<&Configured> {
        self.of.get(&platform)
    }
}

fn configure(
    http: &HttpSettings,
    settings: &ProviderSettings,
) -> Result<Configured, reqwest::Error> {
    let Entry { profile, build } = settings.entry;
    let http = Http::new(http, profile, settings.base_url.as_deref())?;
    let oauth = settings
        .credentials
        .iter()
        .map(|(region, credentials)| {
            let client = OAuthClient::new(&http, *region, credentials.clone());
            (*region, client)
        })
        .collect();
    Ok(Configured {
        provider: build(http.clone()),
        http,
        budget: settings.budget,
        visibility_delay: settings.visibility_delay,
        oauth,
    })
}
