//! A connection: one firm's authorised link to one platform.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
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

impl Settings {
    /// Reads what is stored, member by member: one that cannot be read has its default and is named, and one that only another release
    /// knows is passed over. A firm's odd row must stop nobody else, and its own work as little as can be.
    #[must_use]
    pub fn read(stored: &Value) -> (Self, Vec<&'static str>) {
        let mut unreadable = Vec::new();
        let default = Self::default();
        let settings = Self {
            auto_sync_on_approval: member(stored, "auto_sync_on_approval", &mut unreadable)
                .unwrap_or(default.auto_sync_on_approval),
            auto_sync_on_matter_created: member(
                stored,
                "auto_sync_on_matter_created",
                &mut unreadable,
            )
            .unwrap_or(default.auto_sync_on_matter_created),
            case_type_mappings: read_mappings(stored, &mut unreadable),
        };
        if !stored.is_object() {
            unreadable.push("settings");
        }
        (settings, unreadable)
    }
}

fn member<T: DeserializeOwned>(
    stored: &Value,
    name: &'static str,
    unreadable: &mut Vec<&'static str>,
) -> Option<T> {
    let value = stored.get(name)?;
    let read = serde_json::from_value(value.clone()).ok();
    if read.is_none() {
        unreadable.push(name);
    }
    read
}

/// Entry by entry.
fn read_mappings(stored: &Value, unreadable: &mut Vec<&'static str>) -> BTreeMap<String, String> {
    const NAME: &str = "case_type_mappings";
    let entries: BTreeMap<String, Value> = member(stored, NAME, unreadable).unwrap_or_default();
    let count = entries.len();
    let read: BTreeMap<String, String> = entries
        .into_iter()
        .filter_map(|(case_type, area)| Some((case_type, area.as_str()?.to_owned())))
        .collect();
    if read.len() < count {
        unreadable.push(NAME);
    }
    read
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
    /// Members of its settings that could not be read: they count as not set.
    pub unreadable_settings: Vec<&'static str>,
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_odd_setting_counts_as_not_set_and_spoils_no_other() {
        for (stored, unreadable) in [
            (json!({}), vec![]),
            (json!({ "auto_sync_on_matter_created": true }), vec![]),
            (
                json!({ "auto_sync_on_matter_created": true, "of_a_newer_release": { "a": 1 } }),
                vec![],
            ),
            (
                json!({ "auto_sync_on_matter_created": true, "auto_sync_on_approval": null }),
                vec!["auto_sync_on_approval"],
            ),
            (
                json!({ "auto_sync_on_matter_created": true, "auto_sync_on_approval": "yes" }),
                vec!["auto_sync_on_approval"],
            ),
            (
                json!({ "auto_sync_on_matter_created": true, "auto_sync_on_approval": 1 }),
                vec!["auto_sync_on_approval"],
            ),
            (
                json!({ "auto_sync_on_matter_created": true, "case_type_mappings": null }),
                vec!["case_type_mappings"],
            ),
            (
                json!({ "auto_sync_on_matter_created": true, "case_type_mappings": [] }),
                vec!["case_type_mappings"],
            ),
            (
                json!({ "auto_sync_on_matter_created": true, "case_type_mappings": { "a": "A", "b": 7 } }),
                vec!["case_type_mappings"],
            ),
        ] {
            let (settings, named) = Settings::read(&stored);
            assert_eq!(named, unreadable, "{stored}");
            assert!(settings.auto_sync_on_approval, "{stored}");
            assert_eq!(
                settings.auto_sync_on_matter_created,
                stored != json!({}),
                "{stored}"
            );
        }
        for stored in [json!(null), json!([]), json!("x"), json!(7)] {
            assert_eq!(
                Settings::read(&stored),
                (Settings::default(), vec!["settings"])
            );
        }
        let (settings, _) = Settings::read(&json!({ "case_type_mappings": { "a": "A", "b": 7 } }));
        assert_eq!(
            settings.case_type_mappings,
            BTreeMap::from([("a".into(), "A".into())])
        );
    }
}
