//! The contact of a client: found by e-mail, adopted, or created; at most once for each e-mail of an account.

use shared::clock::Moment;
use shared::db::links;
use shared::domain::link::{Completed, Creation, Effect, LinkKind, Sent};
use shared::domain::outcome::{Failure, Instruction};
use shared::domain::records::Client;
use shared::domain::{ExternalId, LinkId};
use shared::providers::CallError;

use super::execution::{Context, Look, Step};

/// How the contact came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Linked,
    Found,
    Created,
}

impl How {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::Found => "found",
            Self::Created => "created",
        }
    }
}

impl Context<'_> {
    /// Ensures the contact. Two matters of one client, or two clients with one e-mail, meet in one link.
    pub(super) async fn ensure_contact(
        &self,
        client: &Client,
        verify: bool,
    ) -> Result<(ExternalId, How), CallError> {
        let effect = Effect {
            kind: LinkKind::Contact,
            key: self.contact_key(client),
            record_id: client.id,
            parent: None,
            sha256: None,
        };
        loop {
            match self.claim(&effect).await? {
                Step::Exists(existing) => {
                    if !verify
                        || self
                            .provider
                            .contact_exists(&self.session, &existing.external_id)
                            .await?
                    {
                        return Ok((existing.external_id, How::Linked));
                    }
                    self.supersede(existing.link).await?;
                }
                Step::Search(link) => {
                    let found = match self.find_under_old_key(&effect).await? {
                        Some(id) => Some(id),
                        None => self.search_contact(link, client).await?,
                    };
                    return self.adopt_or_create(link, client, found).await;
                }
                Step::Create(link) => {
                    let found = self.find_under_old_key(&effect).await?;
                    return self.adopt_or_create(link, client, found).await;
                }
                Step::Look(look) => {
                    if let Some(id) = self.look_for_contact(&look).await? {
                        return Ok((id, How::Found));
                    }
                }
            }
        }
    }

    /// A person whom the firm has at the provider already. Without an e-mail nobody is taken for another.
    async fn search_contact(
        &self,
        link: LinkId,
        client: &Client,
    ) -> Result<Option<ExternalId>, CallError> {
        let Some(email) = client.normalised_email() else {
            return Ok(None);
        };
        let asked = Moment::now();
        let found = self
            .provider
            .find_contacts_by_email(&self.session, &email)
            .await?;
        let found = one_of(found)?;
        if found.is_none() {
            self.found_nothing(link, asked).await?;
        }
        Ok(found)
    }

    async fn adopt_or_create(
        &self,
        link: LinkId,
        client: &Client,
        found: Option<ExternalId>,
    ) -> Result<(ExternalId, How), CallError> {
        let (id, how) = match found {
            Some(id) => (id, How::Found),
            None => (self.create_contact(link, client).await?, How::Created),
        };
        self.session.complete(link, Completed::Linked(&id)).await?;
        Ok((id, how))
    }

    async fn create_contact(&self, link: LinkId, client: &Client) -> Result<ExternalId, CallError> {
        let sent = Sent::of_contact(self.session.digests(), client);
        let creation = Creation { link, sent };
        self.provider
            .create_contact(&self.session, creation, client)
            .await
    }

    /// The client's e-mail may have changed while his creation is in doubt, and the link's key with it: what was sent under the old key is
    /// looked for before anything is sent under the new one.
    async fn find_under_old_key(&self, effect: &Effect) -> Result<Option<ExternalId>, CallError> {
        while let Some(key) = self.old_key(effect).await? {
            let old = Effect {
                key,
                ..effect.clone()
            };
            match self.claim(&old).await? {
                Step::Exists(existing) => return Ok(Some(existing.external_id)),
                Step::Look(look) => {
                    if let Some(id) = self.look_for_contact(&look).await? {
                        return Ok(Some(id));
                    }
                }
                Step::Search(_) | Step::Create(_) => {}
            }
        }
        Ok(None)
    }

    async fn old_key(&self, effect: &Effect) -> Result<Option<String>, CallError> {
        let mut db = self.execution.environment.database.worker().await?;
        Ok(links::find_other_doubt(&mut db, &self.account, effect).await?)
    }

    /// Looks for what was sent, and adopts it.
    async fn look_for_contact(&self, look: &Look) -> Result<Option<ExternalId>, CallError> {
        let asked = Moment::now();
        let found = self
            .provider
            .look_for_contact(&self.session, &look.sent, look.since)
            .await?;
        self.adopt(LinkKind::Contact, look.link, found, asked).await
    }

    /// Links what a look, begun at `asked`, found; or notes that it found nothing.
    pub(super) async fn adopt(
        &self,
        kind: LinkKind,
        link: LinkId,
        found: Vec<ExternalId>,
        asked: Moment,
    ) -> Result<Option<ExternalId>, CallError> {
        let found = one_of(self.untaken(kind, found).await?)?;
        match &found {
            Some(id) => self.session.complete(link, Completed::Linked(id)).await?,
            None => self.found_nothing(link, asked).await?,
        }
        Ok(found)
    }

    /// The normalised e-mail as a keyed digest; without one, the client itself.
    fn contact_key(&self, client: &Client) -> String {
        match client.normalised_email() {
            Some(email) => format!("email:{}", self.session.digests().of(&email)),
            None => format!("client:{}", client.id),
        }
    }

    /// Leaves out what stands for another record of ours already.
    pub(super) async fn untaken(
        &self,
        kind: LinkKind,
        found: Vec<ExternalId>,
    ) -> Result<Vec<ExternalId>, CallError> {
        let mut db = self
            .execution
            .environment
            .database
            .firm(self.account.firm_id)
            .await?;
        let mut untaken = Vec::new();
        for id in found {
            if !links::is_taken(&mut db, &self.account, kind, &id).await? {
                untaken.push(id);
            }
        }
        Ok(untaken)
    }
}

/// None, or the only one. Several are never guessed between: a person must merge them.
pub(super) fn one_of(mut found: Vec<ExternalId>) -> Result<Option<ExternalId>, CallError> {
    if found.len() > 1 {
        let ids: Vec<String> = found.iter().map(ToString::to_string).collect();
        return Err(Instruction::Fail(Failure::new(
            "ambiguous_match",
            format!("several records at the provider match: {}", ids.join(", ")),
            "merge them at the provider, then retry",
        ))
        .into());
    }
    Ok(found.pop())
}
