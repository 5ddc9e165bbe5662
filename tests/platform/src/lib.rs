#![doc = include_str!("../README.md")]

mod contacts;
mod errors;
mod files;
mod matters;
mod profile;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use shared::domain::connection::Identity;
use shared::domain::link::{Creation, Sent};
use shared::domain::records::{Client, Matter};
use shared::domain::{ExternalId, Region, UploadId};
use shared::providers::{
    CallError, Confirmation, Created, DocumentSlot, Documents, Entry, GrantedTokens, Looked,
    NewDocument, PracticeArea, Presence, Provider, ProviderError, Search, Session, registry,
};

/// The shipped platforms, and this one.
#[must_use]
pub fn entries() -> Vec<Entry> {
    let mut entries = registry::shipped();
    entries.push(Entry {
        profile: &profile::PROFILE,
        build: |_| Arc::new(TestPlatform),
    });
    entries
}

#[derive(Debug)]
struct TestPlatform;

#[async_trait]
impl Search for TestPlatform {
    async fn find_contacts_by_email(
        &self,
        session: &Session,
        email: &str,
    ) -> Result<Vec<ExternalId>, CallError> {
        contacts::find_by_email(session, email).await
    }

    async fn look_for_contact(
        &self,
        session: &Session,
        sent: &Sent,
        since: DateTime<Utc>,
    ) -> Result<Looked, CallError> {
        Ok(contacts::look(session, sent, since).await?.into())
    }

    async fn contact(&self, session: &Session, id: &ExternalId) -> Result<Presence, CallError> {
        wire::presence(session, "/contacts/{id}", format!("/contacts/{id}")).await
    }

    async fn practice_areas(&self, _session: &Session) -> Result<Vec<PracticeArea>, CallError> {
        Ok(Vec::new())
    }

    async fn look_for_matter(
        &self,
        session: &Session,
        sent: &Sent,
        since: DateTime<Utc>,
    ) -> Result<Looked, CallError> {
        Ok(matters::look(session, sent, since).await?.into())
    }

    async fn matter(&self, session: &Session, id: &ExternalId) -> Result<Presence, CallError> {
        wire::presence(session, "/matters/{id}", format!("/matters/{id}")).await
    }

    async fn document(
        &self,
        session: &Session,
        matter: &ExternalId,
        id: &ExternalId,
    ) -> Result<Presence, CallError> {
        files::presence(session, matter, id).await
    }

    async fn sees_account(&self, session: &Session) -> Result<bool, CallError> {
        wire::sees_account(session).await
    }

    async fn find_documents(
        &self,
        session: &Session,
        matter: &ExternalId,
        upload: UploadId,
    ) -> Result<Vec<ExternalId>, CallError> {
        files::find(session, matter, upload).await
    }
}

#[async_trait]
impl Provider for TestPlatform {
    /// The token's answer says whose it is.
    async fn identify(
        &self,
        _region: Region,
        granted: &GrantedTokens,
    ) -> Result<Identity, ProviderError> {
        let text = |name: &str| granted.extra.get(name).and_then(Value::as_str);
        let unreadable = ProviderError::Unavailable {
            status: None,
            retry_after: None,
        };
        let account_id = text("account_id").ok_or(unreadable)?;
        Ok(Identity {
            account_id: account_id.to_owned(),
            account_label: text("account_name").unwrap_or(account_id).to_owned(),
            user: json!({ "id": text("user_id") }),
        })
    }

    async fn create_contact(
        &self,
        session: &Session,
        creation: Creation,
        client: &Client,
    ) -> Result<Created, CallError> {
        contacts::create(session, creation, client).await
    }

    async fn create_matter(
        &self,
        session: &Session,
        creation: Creation,
        matter: &Matter,
        contact: &ExternalId,
        _practice_area: Option<&ExternalId>,
    ) -> Result<Created, CallError> {
        matters::create(session, creation, matter, contact).await
    }

    fn documents(&self) -> Option<&dyn Documents> {
        Some(self)
    }
}

#[async_trait]
impl Documents for TestPlatform {
    async fn create_document(
        &self,
        session: &Session,
        creation: Creation,
        document: &NewDocument,
    ) -> Result<DocumentSlot, CallError> {
        files::create(session, creation, document).await
    }

    async fn document_slot(
        &self,
        session: &Session,
        matter: &ExternalId,
        id: &ExternalId,
        size: u64,
    ) -> Result<DocumentSlot, CallError> {
        files::slot(session, matter, id, size).await
    }

    /// Never asked: the profile says that the platform needs no word.
    async fn confirm_document(
        &self,
        _session: &Session,
        _id: &ExternalId,
        _version: &str,
    ) -> Result<Confirmation, CallError> {
        Ok(Confirmation::Complete)
    }
}
