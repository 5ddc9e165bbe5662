//! The matter: created under its client's contact, at most once.

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use shared::domain::link::{Creation, Effect, Existing, LinkKind, Sent};
use shared::domain::records::Matter;
use shared::domain::{ExternalId, LinkId};
use shared::providers::{CallError, Created, Looked, Presence, ProviderError};

use super::contact::Contact;
use super::practice_area::Area;
use crate::context::Context;
use crate::effects::{Ensured, How, Look, Record, suspected};

pub(super) struct MatterRecord<'a> {
    matter: &'a Matter,
    effect: Effect,
    /// A person asked by name: only then is a linked record read, and replaced where it is gone.
    explicit: bool,
    /// For the log.
    pub(super) details: Map<String, Value>,
}

impl<'a> MatterRecord<'a> {
    pub(super) fn of(matter: &'a Matter, explicit: bool) -> Self {
        let effect = Effect {
            kind: LinkKind::Matter,
            key: matter.id.to_string(),
            record_id: matter.id.0,
            parent: None,
            sha256: None,
        };
        Self {
            matter,
            effect,
            explicit,
            details: Map::new(),
        }
    }

    async fn contact(&self, context: &Context<'_>, questioned: bool) -> Result<Ensured, CallError> {
        let digests = context.session.digests();
        let mut contact = Contact::of(&self.matter.client, digests, questioned);
        context.ensure(&mut contact).await
    }

    async fn send(
        &self,
        context: &Context<'_>,
        link: LinkId,
        contact: &ExternalId,
        area: &Area,
    ) -> Result<Created, CallError> {
        let sent = Sent::of_matter(context.session.digests(), self.matter, contact);
        let creation = Creation { link, sent };
        let provider = context.provider;
        provider
            .create_matter(
                &context.session,
                creation,
                self.matter,
                contact,
                area.id.as_ref(),
            )
            .await
    }
}

#[async_trait]
impl Record for MatterRecord<'_> {
    fn effect(&self) -> &Effect {
        &self.effect
    }

    /// Only after a restore, when links of the time since may be missing: under the contact of now, which is all that is known.
    async fn search(
        &mut self,
        context: &Context<'_>,
        link: LinkId,
    ) -> Result<Option<Vec<ExternalId>>, CallError> {
        let Some(since) = context.doubt_since() else {
            return Ok(None);
        };
        let contact = self.contact(context, self.explicit).await?;
        let sent = Sent::of_matter(context.session.digests(), self.matter, &contact.id);
        let looked = self.look(context, &Look { link, since, sent }).await?;
        let kind = self.effect.kind;
        let found = context.untaken(kind, looked.found).await?;
        let resembling = context.untaken(kind, looked.resembling).await?;
        match (found.is_empty(), resembling.is_empty()) {
            (true, false) => Err(suspected(link, resembling)),
            _ => Ok(Some(found)),
        }
    }

    /// It asks for what was sent: the client, or his e-mail, may be another by now, and nothing is created on the way of a look.
    async fn look(&mut self, context: &Context<'_>, look: &Look) -> Result<Looked, CallError> {
        let provider = context.provider;
        provider
            .look_for_matter(&context.session, &look.sent, look.since)
            .await
    }

    /// A refusal may mean that the contact or the practice area which it names is gone at the provider: each is questioned once.
    async fn create(&mut self, context: &Context<'_>, link: LinkId) -> Result<Created, CallError> {
        let mut contact = self.contact(context, self.explicit).await?;
        let mut area = context.practice_area(self.matter).await?;
        let created = loop {
            let refused = match self.send(context, link, &contact.id, &area).await {
                Err(CallError::Provider(error)) if may_name_what_is_gone(&error) => error,
                created => break created?,
            };
            if area.is_from_cache() {
                let listed = context.list_area_anew(self.matter).await?;
                let changed = listed.id != area.id;
                area = listed;
                if changed {
                    continue;
                }
            }
            if !matches!(contact.how, How::Linked(_)) || self.explicit {
                return Err(refused.into());
            }
            let questioned = self.contact(context, true).await?;
            if questioned.id == contact.id {
                return Err(refused.into());
            }
            contact = questioned;
        };
        self.details
            .insert("contact".into(), json!(contact.how.as_str()));
        if let Some(note) = area.note {
            self.details.insert("practice_area".into(), json!(note));
        }
        Ok(created)
    }

    async fn read(&self, context: &Context<'_>, id: &ExternalId) -> Result<Presence, CallError> {
        context.provider.matter(&context.session, id).await
    }

    fn is_questioned(&self, _existing: &Existing) -> bool {
        self.explicit
    }
}

/// "Not there", or "not valid": of what the matter refers to.
fn may_name_what_is_gone(error: &ProviderError) -> bool {
    matches!(
        error,
        ProviderError::NotFound | ProviderError::Invalid { .. }
    )
}
