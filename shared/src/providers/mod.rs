//! Providers: what the four platforms can do, in our words. Wire formats never leave a platform's own folder.

mod answer;
mod call;
mod error;
mod http;
mod oauth;
mod redact;
mod resolve;
mod session;
mod tokens;
mod transfer;

pub mod clio;

pub use call::Call;
pub use error::{CallError, ProviderError};
pub use http::{Hosts, Http, HttpSettings};
pub use oauth::{Credentials, GrantedTokens, OAuthClient, OAuthError};
pub use session::{Session, SessionSettings};
pub use tokens::REFRESH_BEFORE;
pub use transfer::{Target, TransferError};

use std::time::Duration;

use chrono::{DateTime, Utc};
use std::future::Future;
use std::ops::Range;

use crate::domain::{
    ExternalId, LinkId, Platform, Region,
    connection::Identity,
    records::{Client, Matter},
};
use crate::limit::Budget;

/// A practice area of an account.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PracticeArea {
    pub id: ExternalId,
    pub name: String,
}

/// A document to be created: everything but its bytes.
#[derive(Clone)]
pub struct NewDocument {
    pub upload_id: crate::domain::UploadId,
    pub matter: ExternalId,
    pub file_name: String,
    pub content_type: String,
    pub size: u64,
}

/// A file name is client data.
impl std::fmt::Debug for NewDocument {
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
    pub complete: bool,
    /// One target for each range of the file, in order.
    pub targets: Vec<(Range<u64>, Target)>,
}

/// One platform. Every method but `identify` runs behind the session's permit, one call a request.
pub trait Provider: Send + Sync {
    /// Which platform this is.
    fn platform(&self) -> Platform;

    /// How many calls its bucket allows until headers say more.
    fn budget(&self) -> Budget;

    /// How long after a write's last moment its effect may still appear in a search.
    fn settle(&self) -> Duration;

    /// The OAuth client of a region; nothing where no credentials are configured.
    fn oauth(&self, region: Region) -> Option<&OAuthClient>;

    /// Whose access token this is. Used by ingress at connect, without a permit.
    fn identify(
        &self,
        region: Region,
        access_token: &secrecy::SecretString,
    ) -> impl Future<Output = Result<Identity, ProviderError>> + Send;

    /// Persons whose e-mail equals this one, compared by us without case.
    fn find_contacts_by_email(
        &self,
        session: &Session,
        email: &str,
    ) -> impl Future<Output = Result<Vec<ExternalId>, CallError>> + Send;

    /// Persons without an e-mail, created since `since`, that equal this client in name and phone: the look after a lost answer.
    fn find_contacts_without_email(
        &self,
        session: &Session,
        client: &Client,
        since: DateTime<Utc>,
    ) -> impl Future<Output = Result<Vec<ExternalId>, CallError>> + Send;

    /// Creates a person.
    fn create_contact(
        &self,
        session: &Session,
        link: LinkId,
        client: &Client,
    ) -> impl Future<Output = Result<ExternalId, CallError>> + Send;

    /// Whether a contact is still there.
    fn contact_exists(
        &self,
        session: &Session,
        id: &ExternalId,
    ) -> impl Future<Output = Result<bool, CallError>> + Send;

    /// The account's practice areas.
    fn practice_areas(
        &self,
        session: &Session,
    ) -> impl Future<Output = Result<Vec<PracticeArea>, CallError>> + Send;

    /// Creates a matter of a contact.
    fn create_matter(
        &self,
        session: &Session,
        link: LinkId,
        matter: &Matter,
        contact: &ExternalId,
        practice_area: Option<&ExternalId>,
    ) -> impl Future<Output = Result<ExternalId, CallError>> + Send;

    /// Matters of this contact, created since `since`, with this matter's reference and title.
    fn find_matters(
        &self,
        session: &Session,
        matter: &Matter,
        contact: &ExternalId,
        since: DateTime<Utc>,
    ) -> impl Future<Output = Result<Vec<ExternalId>, CallError>> + Send;

    /// Whether a matter is still there.
    fn matter_exists(
        &self,
        session: &Session,
        id: &ExternalId,
    ) -> impl Future<Output = Result<bool, CallError>> + Send;

    /// Announces a document; its bytes come next.
    fn create_document(
        &self,
        session: &Session,
        link: LinkId,
        document: &NewDocument,
    ) -> impl Future<Output = Result<DocumentSlot, CallError>> + Send;

    /// Documents that carry this upload's id, complete or not.
    fn find_documents(
        &self,
        session: &Session,
        document: &NewDocument,
    ) -> impl Future<Output = Result<Vec<ExternalId>, CallError>> + Send;

    /// Where a document stands, with fresh targets for its bytes.
    fn document_slot(
        &self,
        session: &Session,
        id: &ExternalId,
        size: u64,
    ) -> impl Future<Output = Result<DocumentSlot, CallError>> + Send;

    /// Tells the provider that all bytes are there: from now on the firm sees the document.
    fn confirm_document(
        &self,
        session: &Session,
        id: &ExternalId,
        version: &str,
    ) -> impl Future<Output = Result<(), CallError>> + Send;
}
