//! What Clio Manage is. Every fact is in providers/clio.md; the section is named beside it.

use std::time::Duration;

use super::errors::read_refusal;
use crate::domain::{
    Platform, Region,
    capabilities::{Capabilities, DocumentCapabilities},
};
use crate::limit::{Budget, CountedBy, LimitHeaders};
use crate::providers::profile::{
    Dialect, OAuthProfile, Profile, Revoke, TokenRequest, TokenStyle, TransferRules,
};

pub(super) static PROFILE: Profile = Profile {
    platform: Platform::Clio,
    // §1: the same host serves the API and the authorisation.
    hosts: &[
        (Region::Us, "app.clio.com"),
        (Region::Eu, "eu.app.clio.com"),
        (Region::Ca, "ca.app.clio.com"),
        (Region::Au, "au.app.clio.com"),
    ],
    status_page: Some("status.clio.com"),
    permissions: "matters, contacts and documents",

    // §8: 50 calls a minute and access token in peak hours; a connection has one token at a time.
    counted_by: CountedBy::Token,
    budget: Budget {
        calls: 50,
        window: Duration::from_mins(1),
    },
    // As published: one matter at a time.
    cap: 1,
    // Clio does not document it.
    visibility_delay: Duration::from_secs(30),

    dialect: Dialect {
        api_prefix: "/api/v4",
        // §4: the edge answers anonymous agents, and agents with a URL in them, with 403.
        user_agent: "CaseHugSync/1.0",
        // §4: pinning is recommended; the default moves on.
        headers: &[("x-api-version", "4.0.13")],
        token: TokenStyle::Bearer,
        // §2 "Who is connected".
        who_am_i: (super::WHO_AM_I, &[("fields", "id")]),
        request_id: "x-request-id",
        limit_headers: Some(LimitHeaders {
            limit: "x-ratelimit-limit",
            remaining: "x-ratelimit-remaining",
            reset: "x-ratelimit-reset",
        }),
        read_refusal,
    },
    // §2: forms only; permissions come from the developer application, so no scope; PKCE is not documented.
    oauth: OAuthProfile {
        hosts: None,
        authorize_path: "/oauth/authorize",
        token_path: "/oauth/token",
        token_request: TokenRequest::Form,
        refresh_tokens: true,
        refresh_refused: &["invalid_grant"],
        revoke: Some(Revoke::AccessToken {
            path: "/oauth/deauthorize",
        }),
        pkce: false,
        scope: None,
        authorize_parameters: &[("redirect_on_decline", "true")],
    },
    transfers: Some(TransferRules {
        // §13: S3.
        host_suffixes: &[".amazonaws.com"],
        // §13: a signed address may live ten minutes only.
        address_life: Duration::from_mins(8),
    }),
    capabilities: Capabilities {
        documents: Some(DocumentCapabilities {
            versions: true,
            confirmation: true,
        }),
        notes: true,
        tags: false,
        stages: true,
        forms: false,
        custom_fields: true,
        webhooks: true,
    },
};
