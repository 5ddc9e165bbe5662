//! What the platform is.

use std::time::Duration;

use shared::domain::capabilities::{Capabilities, DocumentCapabilities};
use shared::domain::{Platform, Region};
use shared::limit::{Budget, CountedBy};
use shared::providers::Profile;
use shared::providers::profile::{
    Dialect, OAuthProfile, Revoke, TokenRequest, TokenStyle, TransferRules,
};

use crate::errors::read_refusal;

pub(crate) static PROFILE: Profile = Profile {
    platform: Platform::Test,
    hosts: &[
        (Region::Us, "api.test.invalid"),
        (Region::Au, "api.au.test.invalid"),
    ],
    status_page: None,
    permissions: "contacts, matters and files",
    counted_by: CountedBy::Client,
    budget: Budget {
        calls: 5,
        window: Duration::from_secs(1),
    },
    cap: 4,
    visibility_delay: Duration::from_mins(2),
    dialect: Dialect {
        api_prefix: "/v1",
        user_agent: "CaseHugSync/1.0",
        headers: &[("accept", "application/json")],
        token: TokenStyle::BearerAndKey("x-api-key"),
        who_am_i: ("/me", &[]),
        request_id: "x-correlation-id",
        limit_headers: None,
        read_refusal,
    },
    oauth: OAuthProfile {
        hosts: Some(&[
            (Region::Us, "login.test.invalid"),
            (Region::Au, "login.au.test.invalid"),
        ]),
        authorize_path: "/oauth/authorize",
        token_path: "/oauth/token",
        token_request: TokenRequest::FormWithBasic,
        refresh_tokens: true,
        refresh_refused: &["invalid_grant"],
        revoke: Some(Revoke::RefreshToken {
            path: "/oauth/revoke",
        }),
        pkce: true,
        scope: Some("contacts matters files"),
        authorize_parameters: &[],
    },
    transfers: Some(TransferRules {
        host_suffixes: &[".files.test.invalid"],
        address_life: Duration::from_mins(8),
    }),
    capabilities: Capabilities {
        documents: Some(DocumentCapabilities {
            versions: false,
            confirmation: false,
        }),
        notes: false,
        tags: false,
        stages: false,
        forms: false,
        custom_fields: false,
        webhooks: false,
    },
};
