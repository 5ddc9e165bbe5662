//! What a platform *is*, as data: where it lives, how it counts calls, what it offers, how the shell speaks to it.
//!
//! A profile holds facts that do not change while a program runs. What an operator may change (credentials, budget, visibility
//! delay, a loopback stand-in) is in [`ProviderSettings`](crate::providers::ProviderSettings).
//! SQL reads cap, kind of bucket and batch pace from the table `platforms`, which a test holds equal to the profiles.

use std::time::Duration;

use crate::domain::{Platform, Region, capabilities::Capabilities};
use crate::limit::{Budget, CountedBy, LimitHeaders};
use crate::providers::shell::Refusal;

/// One platform.
#[derive(Debug)]
pub struct Profile {
    pub platform: Platform,
    /// The API's host of each region that the platform has, without scheme. The first one is the default region.
    pub hosts: &'static [(Region, &'static str)],
    /// Where a person sees whether the platform has trouble.
    pub status_page: Option<&'static str>,
    /// What the connecting user must be allowed to do, in words for the firm.
    pub permissions: &'static str,

    pub counted_by: CountedBy,
    /// How many calls the platform allows until its headers say more.
    pub budget: Budget,
    /// How many jobs of one connection run at a time.
    pub cap: i32,
    /// How long after a write's last moment its effect may still appear in a search.
    pub visibility_delay: Duration,

    pub dialect: Dialect,
    pub oauth: OAuthProfile,
    /// Where signed transfers may go; nothing for a platform without documents.
    pub transfers: Option<TransferRules>,
    pub capabilities: Capabilities,
}

/// The words about a platform in messages to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names {
    pub title: &'static str,
    pub status_page: Option<&'static str>,
    pub permissions: &'static str,
}

impl Names {
    /// Before a job has read which platform it is for.
    pub const UNKNOWN: Self = Self {
        title: "the provider",
        status_page: None,
        permissions: "all",
    };
}

impl Profile {
    /// The words about it in messages to people.
    #[must_use]
    pub fn names(&self) -> Names {
        Names {
            title: self.platform.title(),
            status_page: self.status_page,
            permissions: self.permissions,
        }
    }

    /// The host of a region, or of the default region where the platform does not have that one.
    #[must_use]
    pub fn host(&self, region: Region) -> &'static str {
        let found = self.hosts.iter().find(|(of, _)| *of == region);
        found.or(self.hosts.first()).map_or("", |(_, host)| host)
    }

    /// Whether the platform has this region.
    #[must_use]
    pub fn has_region(&self, region: Region) -> bool {
        self.hosts.iter().any(|(of, _)| *of == region)
    }

    /// The region that is meant where none is named.
    #[must_use]
    pub fn default_region(&self) -> Region {
        self.hosts.first().map_or(Region::Us, |(region, _)| *region)
    }
}

/// How the shell speaks to a platform's API.
#[derive(Debug)]
pub struct Dialect {
    /// Stands before each call's path.
    pub api_prefix: &'static str,
    pub user_agent: &'static str,
    /// Sent with every call.
    pub headers: &'static [(&'static str, &'static str)],
    pub token: TokenStyle,
    /// The read that says whose a token is, with the query that it needs: it answers to any token that is good.
    pub who_am_i: (&'static str, &'static [(&'static str, &'static str)]),
    /// The answer's header that names the request at the platform.
    pub request_id: &'static str,
    /// The headers that tell the limit, where there are any.
    pub limit_headers: Option<LimitHeaders>,
    /// Reads an error answer; nothing where its body has none of the platform's own shapes.
    ///
    /// An answer of another shape comes from something in between (an edge, a proxy): it says nothing about a record or a right.
    pub read_refusal: fn(body: &[u8]) -> Option<Refusal>,
}

/// How a call proves whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenStyle {
    /// `Authorization: Bearer`.
    Bearer,
    /// The same, and the application's key in a header of its own.
    BearerAndKey(&'static str),
}

/// How a platform grants access.
#[derive(Debug)]
pub struct OAuthProfile {
    /// The host of the two addresses below in each region; nothing where the API's host serves them.
    pub hosts: Option<&'static [(Region, &'static str)]>,
    pub authorize_path: &'static str,
    pub token_path: &'static str,
    pub token_request: TokenRequest,
    /// Whether tokens come with a refresh token.
    pub refresh_tokens: bool,
    /// The error codes that end a grant for good, answered with 400 or 401.
    pub refresh_refused: &'static [&'static str],
    pub revoke: Option<Revoke>,
    /// Whether a code challenge (S256) is sent.
    pub pkce: bool,
    /// Nothing where the platform takes permissions from the application.
    pub scope: Option<&'static str>,
    /// Further parameters of the authorize address.
    pub authorize_parameters: &'static [(&'static str, &'static str)],
}

/// How a token request is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRequest {
    /// A form that holds the client's id and secret.
    Form,
    /// The same as JSON.
    Json,
    /// A form that holds the client's id; id and secret stand in `Authorization: Basic`.
    FormWithBasic,
}

/// How a token is revoked: a form with the member `token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoke {
    /// The access token is revoked, and proves the right to do so.
    AccessToken { path: &'static str },
    /// The refresh token is revoked; the client proves itself by `Authorization: Basic`.
    RefreshToken { path: &'static str },
}

/// Where a signed transfer may go, and what may be sent with it.
#[derive(Debug)]
pub struct TransferRules {
    pub host_suffixes: &'static [&'static str],
    /// How long a signed address is used at most.
    pub address_life: Duration,
}
