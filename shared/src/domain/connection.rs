//! A connection: one firm's authorised link to one platform.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{ConnectionId, FirmId, Platform, Region, link::Account};

/// What a firm chose: `firm_integrations.settings`, with the published defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Settings {
    /// Push when a document is approved.
    pub auto_sync_on_approval: bool,
    /// Push when a matter is created.
    pub auto_sync_on_matter_created: bool,
    /// CaseHug case type → the provider's practice area, before the built-in defaults.
    pub case_type_mappings: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            auto_sync_on_approval: true,
            auto_sync_on_matter_created: false,
            case_type_mappings: BTreeMap::new(),
        }
    }
}

/// Where a connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionState {
    Active,
    NeedsReconnect { reason: String, lost: Lost },
    Disconnected,
}

/// How an authorisation was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The platform refused the grant itself, or there is no refresh token: only a person can mend it.
    Grant,
    /// The platform went on refusing tokens that it had just given out. It is asked again each hour.
    Refusals,
}

impl Lost {
    /// The name in SQL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Refusals => "refusals",
        }
    }
}

/// One firm's link to one platform. Tokens are not here: they stay sealed in their row.
#[derive(Debug, Clone)]
pub struct Connection {
    pub id: ConnectionId,
    pub firm_id: FirmId,
    pub platform: Platform,
    pub region: Region,
    pub account_id: String,
    pub account_label: String,
    pub account_user: serde_json::Value,
    pub settings: Settings,
    pub state: ConnectionState,
    pub epoch: i64,
    /// How often in a row the platform refused a token that it had just given out.
    pub refusals: i16,
    pub last_sync_at: Option<DateTime<Utc>>,
    pub sync_status: String,
}

impl Connection {
    /// Whether the platform's last word was a refusal that may pass: a call that is answered then heals the connection.
    #[must_use]
    pub fn is_doubted(&self) -> bool {
        let parked = matches!(
            self.state,
            ConnectionState::NeedsReconnect {
                lost: Lost::Refusals,
                ..
            }
        );
        parked || self.refusals > 0
    }

    /// The account that links made through this connection belong to.
    #[must_use]
    pub fn account(&self) -> Account {
        Account {
            firm_id: self.firm_id,
            platform: self.platform,
            region: self.region,
            id: self.account_id.clone(),
        }
    }
}

/// Who granted access, as the provider says.
#[derive(Debug, Clone)]
pub struct Identity {
    pub account_id: String,
    pub account_label: String,
    pub user: serde_json::Value,
}
