//! The contact of a client: found by e-mail, adopted, or created; at most once for each e-mail of an account.

use async_trait::async_trait;
use shared::domain::digest::Digests;
use shared::domain::link::{Creation, Effect, Existing, LinkKind, Sent};
use shared::domain::records::Client;
use shared::domain::{ExternalId, LinkId};
use shared::providers::{CallError, Created, Looked, Presence};

use crate::context::Context;
use crate::effects::{Look, Record};

/// Two matters of one client, or two clients with one e-mail, meet in one link.
pub(super) struct Contact<'a> {
    client: &'a Client,
    effect: Effect,
    /// Whether a contact that is linked is read before it is relied upon.
    questioned: bool,
}

impl<'a> Contact<'a> {
    pub(super) fn of(client: &'a Client, digests: &Digests, questioned: bool) -> Self {
        let effect = Effect {
            kind: LinkKind::Contact,
            key: key(client, digests),
            record_id: client.id,
            parent: None,
            sha256: None,
        };
        Self {
            client,
            effect,
            questioned,
        }
    }
}

/// The normalised e-mail as a keyed digest; without one, the client itself.
fn key(client: &Client, digests: &Digests) -> String {
    match client.normalised_email() {
        Some(email) => format!("email:{}", digests.of(&email)),
        None => format!("client:{}", client.id),
    }
}

#[async_trait]
impl Record for Contact<'_> {
    fn effect(&self) -> &Effect {
        &self.effect
    }

    /// A person whom the firm has at the provider already. Without an e-mail there is no search, so that no person is taken for another.
    async fn search(
        &mut self,
        context: &Context<'_>,
        _link: LinkId,
    ) -> Result<Option<Vec<ExternalId>>, CallError> {
        let Some(email) = self.client.normalised_email() else {
            return Ok(None);
        };
        let provider = context.provider;
        let found = provider.find_contacts_by_email(&context.session, &email);
        Ok(Some(found.await?))
    }

    async fn look(&mut self, context: &Context<'_>, look: &Look) -> Result<Looked, CallError> {
        let provider = context.provider;
        provider
            .look_for_contact(&context.session, &look.sent, look.since)
            .await
    }

    async fn create(&mut self, context: &Context<'_>, link: LinkId) -> Result<Created, CallError> {
        let sent = Sent::of_contact(context.session.digests(), self.client);
        let creation = Creation { link, sent };
        let provider = context.provider;
        provider
            .create_contact(&context.session, creation, self.client)
            .await
    }

    async fn read(&self, context: &Context<'_>, id: &ExternalId) -> Result<Presence, CallError> {
        context.provider.contact(&context.session, id).await
    }

    fn is_questioned(&self, existing: &Existing) -> bool {
        self.questioned || existing.missing
    }
}
