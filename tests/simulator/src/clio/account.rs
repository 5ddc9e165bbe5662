//! Firms, their users, and what they granted.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) name: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) account_id: u64,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
}

/// Who sits at the browser and consents next.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Login {
    pub(crate) account_id: u64,
    pub(crate) account_name: String,
    pub(crate) user_id: u64,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
}

impl Default for Login {
    fn default() -> Self {
        Self {
            account_id: 1001,
            account_name: "Lee & Partners".into(),
            user_id: 501,
            first_name: "Jordan".into(),
            last_name: "Lee".into(),
            email: "jordan.lee@leepartners.example".into(),
        }
    }
}

/// An authorization code; used once, gone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Code {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) account_id: u64,
    pub(crate) user_id: u64,
    pub(crate) expires_ms: i64,
}

/// One consent; its key is the refresh token, which does not rotate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) client_id: String,
    pub(crate) account_id: u64,
    pub(crate) user_id: u64,
    pub(crate) revoked: bool,
}

/// An access token; its key is the token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Access {
    pub(crate) refresh_token: String,
    pub(crate) expires_ms: i64,
}
