#![doc = include_str!("README.md")]

pub mod profile;
pub mod registry;

mod oauth;
mod shell;

pub mod clio;

pub use oauth::{Challenge, Credentials, GrantedTokens, OAuthClient, OAuthError, REFRESH_BEFORE};
pub use profile::{Names, Profile};
pub use registry::{Configured, Entry, ProviderSettings, Providers};
pub use shell::{
    Body, Call, CallError, Http, HttpSettings, ProviderError, Refusal, Reply, Session,
    SessionSettings, Target, TransferError, Words,
};

use std::fmt::Debug;
use std::ops::Range;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::domain::{
    ExternalId, Region, UploadId,
    connection::Identity,
    link::{Creation, Sent},
    records::{Client, Matter},
};

/// A practice area of an account.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PracticeArea {
    pub id: ExternalId,
    pub name: String,
}

/// A record that a platform has created.
#[derive(Debug, Clone)]
pub struct Created {
    pub id: ExternalId,
    /// False where it was accepted and does not show yet.
    pub visible: bool,
}

/// What a read says of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It is there, and complete.
    There,
    /// It is there, and not complete: its bytes are missing, or those of a new version.
    Incomplete,
    /// The platform says, in its own error shape, that it is not there.
    Missing,
    /// The platform accepted it first and refused it then.
    Rejected(Words),
}

/// What a look after a lost answer found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    /// Records that are what was sent.
    pub found: Vec<ExternalId>,
    /// Records that may be what was sent, edited by a person since.
    pub resembling: Vec<ExternalId>,
}

impl From<Vec<ExternalId>> for Looked {
    fn from(found: Vec<ExternalId>) -> Self {
        Self {
            found,
            resembling: Vec::new(),
        }
    }
}

/// What came of the word that all bytes of a document are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// The firm sees the document from now on.
    Complete,
    /// The platform does not have the bytes.
    BytesMissing,
}

/// A document to be created: everything but its bytes.
#[derive(Clone)]
pub struct NewDocument {
    pub upload_id: UploadId,
    pub matter: ExternalId,
    pub file_name: String,
    /// `type/subtype`; none where the platform is to tell by the name.
    pub content_type: Option<String>,
    pub size: u64,
}

/// A file name is client data.
impl Debug for NewDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewDocument")
            .field("upload_id", &self.upload_id)
            .finish_non_exhaustive()
    }
}

/// A document that exists at the provider: where its bytes go, or that they are there.
#[derive(Debug)]
pub struct DocumentSlot {
    pub id: ExternalId,
    /// The provider's name of this version, needed to confirm it.
    pub version: String,
    /// False where it was accepted and does not show yet.
    pub visible: bool,
    pub complete: bool,
    /// One target for each range of the file, in order.
    pub targets: Vec<(Range<u64>, Target)>,
}

/// What a platform is asked, one call a request, behind the session's permit. Nothing here creates or changes anything there: a job that
/// only looks is given this, and cannot write.
#[async_trait]
pub trait Search: Debug + Send + Sync {
    /// Persons whose e-mail equals this one, compared by us without case.
    async fn find_contacts_by_email(
        &self,
        session: &Session,
        email: &str,
    ) -> Result<Vec<ExternalId>, CallError>;

    /// Persons, created since `since`, that equal what was sent: the look after a lost answer.
    async fn look_for_contact(
        &self,
        session: &Session,
        sent: &Sent,
        since: DateTime<Utc>,
    ) -> Result<Looked, CallError>;

    /// Whether a contact is there.
    async fn contact(&self, session: &Session, id: &ExternalId) -> Result<Presence, CallError>;

    /// The account's practice areas.
    async fn practice_areas(&self, session: &Session) -> Result<Vec<PracticeArea>, CallError>;

    /// Matters, created since `since`, with the reference that was sent: the look after a lost answer. A person may have merged the contact that
    /// was sent, or given the matter another, meanwhile.
    async fn look_for_matter(
        &self,
        session: &Session,
        sent: &Sent,
        since: DateTime<Utc>,
    ) -> Result<Looked, CallError>;

    /// Whether a matter is there.
    async fn matter(&self, session: &Session, id: &ExternalId) -> Result<Presence, CallError>;

    /// Whether a document of this matter is there with all its bytes; none is on a platform without documents.
    async fn document(
        &self,
        _session: &Session,
        _matter: &ExternalId,
        _id: &ExternalId,
    ) -> Result<Presence, CallError> {
        Ok(Presence::Missing)
    }

    /// Whether the connected user still sees the account: the record that he does not find may be one that he may not see.
    async fn sees_account(&self, session: &Session) -> Result<bool, CallError>;

    /// Documents of this matter that carry this upload's id, complete or not; none on a platform without documents.
    async fn find_documents(
        &self,
        _session: &Session,
        _matter: &ExternalId,
        _upload: UploadId,
    ) -> Result<Vec<ExternalId>, CallError> {
        Ok(Vec::new())
    }
}

/// One platform. Every method but `identify` runs behind the session's permit, one call a request.
#[async_trait]
pub trait Provider: Search {
    /// Whose grant this is. Used by ingress at connect, without a permit.
    async fn identify(
        &self,
        region: Region,
        granted: &GrantedTokens,
    ) -> Result<Identity, ProviderError>;

    /// Creates a person.
    async fn create_contact(
        &self,
        session: &Session,
        creation: Creation,
        client: &Client,
    ) -> Result<Created, CallError>;

    /// Creates a matter of a contact.
    async fn create_matter(
        &self,
        session: &Session,
        creation: Creation,
        matter: &Matter,
        contact: &ExternalId,
        practice_area: Option<&ExternalId>,
    ) -> Result<Created, CallError>;

    /// What it can do with documents; nothing where the profile has no such capability.
    fn documents(&self) -> Option<&dyn Documents> {
        None
    }
}

/// What a platform with documents can do.
#[async_trait]
pub trait Documents: Send + Sync {
    /// Announces a document; its bytes come next.
    async fn create_document(
        &self,
        session: &Session,
        creation: Creation,
        document: &NewDocument,
    ) -> Result<DocumentSlot, CallError>;

    /// Where a document of this matter stands, with fresh targets for its bytes.
    async fn document_slot(
        &self,
        session: &Session,
        matter: &ExternalId,
        id: &ExternalId,
        size: u64,
    ) -> Result<DocumentSlot, CallError>;

    /// Tells the provider that all bytes are there. Asked only where the profile says that the platform must be told.
    async fn confirm_document(
        &self,
        session: &Session,
        id: &ExternalId,
        version: &str,
    ) -> Result<Confirmation, CallError>;
}
