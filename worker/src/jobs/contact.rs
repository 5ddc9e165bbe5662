//! The contact of a client: found by e-mail, adopted, or created; at most once for each e-mail of an account.

use shared::crypto::keyed_hash;
use shared::db::links;
use shared::domain::ExternalId;
use shared::domain::link::{Completed, Effect, LinkKind};
use shared::domain::outcome::{Failure, Instruction};
use shared::domain::records::Client;
use shared::providers::CallError;

use super::execution::{Context, Step};

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
            key: self.contact_key(client).await?,
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
                    let mut db = self.execution.environment.database.worker().await?;
                    links::supersede(&mut db, existing.link).await?;
                    db.commit().await?;
                }
                Step::Search(link) => {
                    let Some(email) = client.normalised_email() else {
                        return self.create_contact(link, client).await;
                    };
                    let found = self
                        .provider
                        .find_contacts_by_email(&self.session, &email)
                        .await?;
                    if let Some(id) = one_of(found)? {
                        self.session.complete(link, Completed::Linked(&id)).await?;
                        return Ok((id, How::Found));
                    }
                    self.found_nothing(link).await?;
                    return self.create_contact(link, client).await;
                }
                Step::Create(link) => return self.create_contact(link, client).await,
                Step::Look(link, since) => {
                    let found = match client.normalised_email() {
                        Some(email) => {
                            self.provider
                                .find_contacts_by_email(&self.session, &email)
                                .await?
                        }
                        None => {
                            let found = self
                                .provider
                                .find_contacts_without_email(&self.session, client, since)
                                .await?;
                            self.untaken(LinkKind::Contact, found).await?
                        }
                    };
                    if let Some(id) = one_of(found)? {
                        self.session.complete(link, Completed::Linked(&id)).await?;
                        return Ok((id, How::Found));
                    }
                    self.found_nothing(link).await?;
                }
            }
        }
    }

    async fn create_contact(
        &self,
        link: shared::domain::LinkId,
        client: &Client,
    ) -> Result<(ExternalId, How), CallError> {
        let id = self
            .provider
            .create_contact(&self.session, link, client)
            .await?;
        self.session.complete(link, Completed::Linked(&id)).await?;
        Ok((id, How::Created))
    }

    /// The normalised e-mail as a keyed hash; without one, the client itself.
    async fn contact_key(&self, client: &Client) -> Result<String, CallError> {
        let Some(email) = client.normalised_email() else {
            return Ok(format!("client:{}", client.id));
        };
        let mut db = self.execution.environment.database.worker().await?;
        let key = links::hash_key(&mut db).await?;
        Ok(format!("email:{}", keyed_hash(key.as_bytes(), &email)))
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
