//! The step itself.

use std::time::Duration;

use async_trait::async_trait;
use shared::clock::Moment;
use shared::domain::link::{Completed, Effect, Existing, Standing, Superseded};
use shared::domain::{ExternalId, LinkId};
use shared::providers::{CallError, Created, Looked, Presence};

use super::adopt::{only_one, suspected};
use super::claim::{Look, Step};
use crate::context::Context;

/// From the answer "accepted" to the first look; the schema's `link_look_interval(0)`.
pub(crate) const FIRST_LOOK: Duration = Duration::from_millis(500);

/// A record that must come into being at most once.
#[async_trait]
pub(crate) trait Record: Send + Sync {
    /// Which one it is.
    fn effect(&self) -> &Effect;

    /// Searches for a record that stands for it already, before anything is sent. None: nothing had to be asked.
    async fn search(
        &mut self,
        context: &Context<'_>,
        link: LinkId,
    ) -> Result<Option<Vec<ExternalId>>, CallError>;

    /// Looks for what was sent.
    async fn look(&mut self, context: &Context<'_>, look: &Look) -> Result<Looked, CallError>;

    /// Creates it, behind the link.
    async fn create(&mut self, context: &Context<'_>, link: LinkId) -> Result<Created, CallError>;

    /// Reads it.
    async fn read(&self, context: &Context<'_>, id: &ExternalId) -> Result<Presence, CallError>;

    /// Whether a record that stands is read before it is relied upon.
    fn is_questioned(&self, existing: &Existing) -> bool;

    /// Whether the job goes on with a record that was accepted and that no look has seen yet, and does not wait for it.
    fn goes_on(&self, _unseen: &Existing) -> bool {
        false
    }

    /// What the record is when a search or a look has found it.
    fn found<'a>(&self, id: &'a ExternalId) -> Completed<'a> {
        Completed::Linked(id)
    }

    /// What it is when it was just created.
    fn created<'a>(&'a self, created: &'a Created) -> Completed<'a> {
        if created.visible {
            Completed::Linked(&created.id)
        } else {
            Completed::NotSeen(&created.id)
        }
    }
}

/// A record that exists.
pub(crate) struct Ensured {
    pub(crate) link: LinkId,
    pub(crate) id: ExternalId,
    pub(crate) how: How,
    /// The record that was gone, and that this one replaces.
    pub(crate) replaced: Option<ExternalId>,
}

/// How a record came to be known.
pub(crate) enum How {
    Linked(Existing),
    Found,
    Created,
}

impl How {
    /// The word in a log's details.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Linked(_) => "linked",
            Self::Found => "found",
            Self::Created => "created",
        }
    }
}

/// What a look came to.
pub(super) enum Found {
    /// What was sent is there.
    Sent(ExternalId),
    Nothing,
    /// These may be what was sent, edited by a person since.
    Resembling(Vec<ExternalId>),
}

impl Context<'_> {
    /// Ensures that a record exists, once.
    ///
    /// # Errors
    /// The job has to wait for the record, the record cannot be told from others, or a call gave no result. In none of these cases is
    /// anything created that the link does not know of.
    pub(crate) async fn ensure(&self, record: &mut dyn Record) -> Result<Ensured, CallError> {
        let mut replaced = None;
        loop {
            match self.claim(record.effect()).await? {
                Step::Exists(mut existing) => {
                    if self.stands(record, &mut existing).await? {
                        return Ok(Ensured {
                            link: existing.link,
                            id: existing.external_id.clone(),
                            how: How::Linked(existing),
                            replaced,
                        });
                    }
                    replaced = Some(existing.external_id);
                }
                Step::Look(look) => match self.look(record, &look).await? {
                    Found::Sent(id) => {
                        self.adopt(record, look.link, &id).await?;
                        return Ok(ensured(look.link, id, How::Found, replaced));
                    }
                    Found::Nothing => {}
                    Found::Resembling(records) => return Err(suspected(look.link, records)),
                },
                Step::Search(link) => {
                    let found = self.find(record, link, false).await?;
                    return self.adopt_or_create(record, link, found, replaced).await;
                }
                Step::Create(link) => {
                    let found = self.find(record, link, true).await?;
                    return self.adopt_or_create(record, link, found, replaced).await;
                }
            }
        }
    }

    /// False when the record is gone, and its link retired.
    async fn stands(
        &self,
        record: &dyn Record,
        existing: &mut Existing,
    ) -> Result<bool, CallError> {
        let id = &existing.external_id;
        match existing.standing {
            Standing::Complete if record.is_questioned(existing) => {
                let read_at = Moment::now();
                let presence = record.read(self, id).await?;
                let gone = self.is_gone(existing.link, existing.missing, read_at, presence);
                Ok(!gone.await?)
            }
            Standing::Complete | Standing::Unfinished => Ok(true),
            Standing::NotSeen { .. } if record.goes_on(existing) => Ok(true),
            Standing::NotSeen { next_look } => match record.read(self, id).await? {
                Presence::There => {
                    let stands = Completed::Linked(id);
                    self.session.complete(existing.link, stands).await?;
                    existing.standing = Standing::Complete;
                    Ok(true)
                }
                Presence::Missing | Presence::Incomplete => Err(CallError::NotSeen {
                    wait: next_look,
                    first: false,
                }),
                Presence::Rejected(words) => {
                    self.supersede(existing.link, Superseded::Rejected).await?;
                    Err(self.rejected(words))
                }
            },
        }
    }

    /// A record that is there already. `searched`: a search has found nothing lately.
    async fn find(
        &self,
        record: &mut dyn Record,
        link: LinkId,
        searched: bool,
    ) -> Result<Option<ExternalId>, CallError> {
        match self.look_under_old_keys(record).await? {
            Found::Sent(id) => Ok(Some(id)),
            Found::Nothing if searched => Ok(None),
            Found::Nothing => self.search(record, link).await,
            // Corrected in the same way on both sides, it is found by what CaseHug says now.
            Found::Resembling(records) => match self.search(record, link).await? {
                Some(id) => Ok(Some(id)),
                None => Err(suspected(link, records)),
            },
        }
    }

    async fn search(
        &self,
        record: &mut dyn Record,
        link: LinkId,
    ) -> Result<Option<ExternalId>, CallError> {
        let asked = Moment::now();
        let Some(found) = record.search(self, link).await? else {
            return Ok(None);
        };
        let found = only_one(found)?;
        if found.is_none() {
            self.found_nothing(link, Some(asked)).await?;
        }
        Ok(found)
    }

    async fn adopt_or_create(
        &self,
        record: &mut dyn Record,
        link: LinkId,
        found: Option<ExternalId>,
        replaced: Option<ExternalId>,
    ) -> Result<Ensured, CallError> {
        if let Some(id) = found {
            self.adopt(record, link, &id).await?;
            return Ok(ensured(link, id, How::Found, replaced));
        }
        let created = record.create(self, link).await?;
        let completed = record.created(&created);
        self.session.complete(link, completed).await?;
        if created.visible {
            return Ok(ensured(link, created.id, How::Created, replaced));
        }
        Err(CallError::NotSeen {
            wait: FIRST_LOOK,
            first: true,
        })
    }

    /// The record may have been edited while its creation is in doubt or not seen yet, and the link's key with it: what was sent under the
    /// old key is looked for before anything is sent under the new one.
    ///
    /// The old link stays as it is. A worker that dies before the record's own link is complete then leaves the doubt; one that completed the
    /// old link first would leave nothing to look for.
    async fn look_under_old_keys(&self, record: &mut dyn Record) -> Result<Found, CallError> {
        while let Some(key) = self.old_key(record.effect()).await? {
            let old = Effect {
                key,
                ..record.effect().clone()
            };
            match self.claim(&old).await? {
                Step::Exists(mut existing) => {
                    if self.stands(record, &mut existing).await? {
                        return Ok(Found::Sent(existing.external_id));
                    }
                }
                Step::Look(look) => match self.look(record, &look).await? {
                    Found::Nothing => {}
                    found => return Ok(found),
                },
                Step::Search(_) | Step::Create(_) => {}
            }
        }
        Ok(Found::Nothing)
    }
}

fn ensured(link: LinkId, id: ExternalId, how: How, replaced: Option<ExternalId>) -> Ensured {
    Ensured {
        link,
        id,
        how,
        replaced,
    }
}
