//! Links: our record and the provider's record that stands for it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use serde::{Deserialize, Serialize};

use crate::domain::normal::{normalised_name, normalised_phone, normalised_text};
use crate::domain::records::{Client, Matter};
use crate::domain::{
    ExternalId, FirmId, LinkId, Platform, Region, digest::Digests, outcome::Waiting,
};

/// What a link stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    Contact,
    Matter,
    Document,
}

impl LinkKind {
    /// The name in SQL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Matter => "matter",
            Self::Document => "document",
        }
    }

    /// Reads the name in SQL.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "contact" => Some(Self::Contact),
            "matter" => Some(Self::Matter),
            "document" => Some(Self::Document),
            _ => None,
        }
    }
}

/// What a look needs of what was sent, as ids and keyed digests of normalised text: what CaseHug says now may differ.
/// It is kept on the link, written with the intent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sent {
    /// Of a matter: the contact it is created under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<ExternalId>,
    /// Of a matter: the text of the field in which our reference travels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Of a matter: the reference is our own id, which no other matter has; a case number may be another matter's too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unique: bool,
    /// Of a matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Of a contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

impl Sent {
    /// Of a client's contact.
    #[must_use]
    pub fn of_contact(digests: &Digests, client: &Client) -> Self {
        let name = [client.first_name.as_deref(), client.last_name.as_deref()];
        Self {
            email: client.normalised_email().map(|email| digests.of(&email)),
            name: Some(digests.of(&normalised_name(name))),
            phone: Some(digests.of(&normalised_phone(
                client.phone.as_deref().unwrap_or_default(),
            ))),
            ..Self::default()
        }
    }

    /// Of a matter under a contact.
    #[must_use]
    pub fn of_matter(digests: &Digests, matter: &Matter, contact: &ExternalId) -> Self {
        Self {
            contact: Some(contact.clone()),
            reference: Some(digests.of(&normalised_text(&matter.reference()))),
            unique: matter.has_unique_reference(),
            title: Some(digests.of(&normalised_text(&matter.title))),
            ..Self::default()
        }
    }
}

/// One creation: the link that guards it, and what the link keeps of what is sent.
#[derive(Debug, Clone)]
pub struct Creation {
    pub link: LinkId,
    pub sent: Sent,
}

/// The provider-side account that links belong to: a reconnect of the same account keeps them, another never inherits them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub firm_id: FirmId,
    pub platform: Platform,
    pub region: Region,
    pub id: String,
}

/// Names one effect: the record that must come into being at most once.
#[derive(Debug, Clone)]
pub struct Effect {
    pub kind: LinkKind,
    /// The key that two jobs with the same request meet in.
    pub key: String,
    /// Our record's id.
    pub record_id: uuid::Uuid,
    /// The link of the record above it (a document's matter).
    pub parent: Option<LinkId>,
    /// The bytes' hash, for documents.
    pub sha256: Option<String>,
}

/// What a claim found.
#[derive(Debug, Clone)]
pub enum Claim {
    /// The key is ours and nothing was sent; a search found nothing this long ago.
    Mine {
        link: LinkId,
        looked_ago: Option<Duration>,
    },
    /// The record exists.
    Have(Existing),
    /// Not now: come back.
    Wait { wait: Duration, reason: Waiting },
    /// An earlier run may have created it, and it has had time to appear: look for it. By the database's clock, it is not older than `since`.
    Look {
        link: LinkId,
        since: DateTime<Utc>,
        sent: Sent,
    },
    /// The caller's own lease is gone.
    Lost,
}

/// A record that exists at the provider.
#[derive(Debug, Clone)]
pub struct Existing {
    pub link: LinkId,
    pub external_id: ExternalId,
    pub standing: Standing,
    /// It stood before the job was asked for.
    pub before: bool,
    /// The last read did not find it.
    pub missing: bool,
    /// How long ago a document's bytes were transferred.
    pub transferred_ago: Option<Duration>,
    /// The provider's name of a document's version, when it was noted.
    pub version: Option<String>,
    /// The hash of a document's bytes.
    pub sha256: Option<String>,
}

/// How far a record that exists has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It stands.
    Complete,
    /// A document that waits for its bytes or their confirmation.
    Unfinished,
    /// The provider has accepted it, and no look has seen it yet. This claim is its next look; the look after it comes after `next_look`.
    NotSeen { next_look: Duration },
}

/// How a creation ended.
#[derive(Debug, Clone, Copy)]
pub enum Completed<'a> {
    /// The record stands.
    Linked(&'a ExternalId),
    /// The provider has accepted it and does not show it yet.
    NotSeen(&'a ExternalId),
    /// A document that waits for its bytes.
    Unfinished {
        id: &'a ExternalId,
        version: Option<&'a str>,
        /// False where the provider does not show it yet.
        visible: bool,
    },
}

/// Where a document's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bytes {
    /// At the provider.
    Transferred,
    /// At the provider, which shows the document some time later.
    TransferredNotSeen,
    /// Not at the provider: they are to be sent, perhaps again.
    Missing,
}

/// Why a link is retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Superseded {
    /// The provider does not have the record any more.
    Gone,
    /// The provider accepted the record first and refused it then.
    Rejected,
}

impl Superseded {
    /// The name in SQL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Rejected => "rejected",
        }
    }
}
