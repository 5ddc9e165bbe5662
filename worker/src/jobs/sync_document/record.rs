//! The document as a record: announced at most once for each upload.

use std::time::Duration;

use async_trait::async_trait;
use shared::domain::link::{Completed, Creation, Effect, Existing, LinkKind, Sent};
use shared::domain::{ExternalId, LinkId};
use shared::providers::{CallError, Created, DocumentSlot, Looked, Presence};

use super::File;
use crate::context::Context;
use crate::effects::{Look, Record};

/// Bytes that the provider has not shown by then are sent again.
const BYTES_SHOW_WITHIN: Duration = Duration::from_mins(2);

pub(super) struct Document<'a> {
    file: &'a File,
    effect: Effect,
    explicit: bool,
    /// Whether the platform must be told of the bytes. Where it need not, it shows a document some time later.
    confirmed: bool,
    /// Where its bytes go, when it was just created.
    pub(super) slot: Option<DocumentSlot>,
}

impl<'a> Document<'a> {
    pub(super) fn of(file: &'a File, matter: LinkId, explicit: bool, confirmed: bool) -> Self {
        let effect = Effect {
            kind: LinkKind::Document,
            key: file.upload.id.to_string(),
            record_id: file.upload.id.0,
            parent: Some(matter),
            sha256: Some(file.sha256.clone()),
        };
        Self {
            file,
            effect,
            explicit,
            confirmed,
            slot: None,
        }
    }

    async fn list(&self, context: &Context<'_>) -> Result<Vec<ExternalId>, CallError> {
        let document = &self.file.document;
        context
            .provider
            .find_documents(&context.session, &document.matter, document.upload_id)
            .await
    }
}

#[async_trait]
impl Record for Document<'_> {
    fn effect(&self) -> &Effect {
        &self.effect
    }

    /// Only after a restore, when links of the time since may be missing.
    async fn search(
        &mut self,
        context: &Context<'_>,
        _link: LinkId,
    ) -> Result<Option<Vec<ExternalId>>, CallError> {
        if context.doubt_since().is_none() {
            return Ok(None);
        }
        let found = self.list(context).await?;
        Ok(Some(context.untaken(self.effect.kind, found).await?))
    }

    async fn look(&mut self, context: &Context<'_>, _look: &Look) -> Result<Looked, CallError> {
        Ok(self.list(context).await?.into())
    }

    /// Nothing of what is sent is kept: the upload's id travels with the document, and it alone decides.
    async fn create(&mut self, context: &Context<'_>, link: LinkId) -> Result<Created, CallError> {
        let creation = Creation {
            link,
            sent: Sent::default(),
        };
        let documents = context.documents()?;
        let slot = documents.create_document(&context.session, creation, &self.file.document);
        let slot = self.slot.insert(slot.await?);
        Ok(Created {
            id: slot.id.clone(),
            // What does not show yet takes its bytes all the same.
            visible: true,
        })
    }

    async fn read(&self, context: &Context<'_>, id: &ExternalId) -> Result<Presence, CallError> {
        let matter = &self.file.document.matter;
        context
            .provider
            .document(&context.session, matter, id)
            .await
    }

    /// What stood before the job was asked for may have been deleted there since: the upload was approved again, or a person asked.
    fn is_questioned(&self, existing: &Existing) -> bool {
        self.explicit || existing.before || existing.missing
    }

    fn goes_on(&self, unseen: &Existing) -> bool {
        let sent_ago = unseen.transferred_ago;
        sent_ago.is_none_or(|ago| ago > BYTES_SHOW_WITHIN)
    }

    fn found<'a>(&self, id: &'a ExternalId) -> Completed<'a> {
        Completed::Unfinished {
            id,
            version: None,
            visible: self.confirmed,
        }
    }

    fn created<'a>(&'a self, created: &'a Created) -> Completed<'a> {
        let slot = self.slot.as_ref();
        Completed::Unfinished {
            id: &created.id,
            version: slot.map(|slot| slot.version.as_str()),
            visible: slot.is_none_or(|slot| slot.visible),
        }
    }
}
