//! Adopting what a search or a look found.

use shared::db::links;
use shared::domain::link::LinkKind;
use shared::domain::outcome::{Failure, Instruction, Suspected};
use shared::domain::{ExternalId, LinkId};
use shared::providers::CallError;

use super::claim::Look;
use super::ensure::{Found, Record};
use crate::context::Context;

impl Context<'_> {
    /// Looks for what was sent, and links nothing.
    pub(super) async fn look(
        &self,
        record: &mut dyn Record,
        look: &Look,
    ) -> Result<Found, CallError> {
        let looked = record.look(self, look).await?;
        let kind = record.effect().kind;
        let mut found = self.untaken(kind, looked.found).await?;
        let resembling = self.untaken(kind, looked.resembling).await?;
        match (found.len(), resembling.is_empty()) {
            (0, true) => {
                // A record that was merged with what was sent is found by a search alone.
                self.found_nothing(look.link, None).await?;
                Ok(Found::Nothing)
            }
            (1, _) => Ok(Found::Sent(found.remove(0))),
            (0, false) => Ok(Found::Resembling(resembling)),
            _ => Err(suspected(look.link, found)),
        }
    }

    /// Leaves out the provider's records that already stand for another record of CaseHug.
    pub(crate) async fn untaken(
        &self,
        kind: LinkKind,
        found: Vec<ExternalId>,
    ) -> Result<Vec<ExternalId>, CallError> {
        let database = &self.execution.environment.database;
        let mut db = database.firm(self.account.firm_id).await?;
        let mut untaken = Vec::new();
        for id in found {
            if !links::is_taken(&mut db, &self.account, kind, &id).await? {
                untaken.push(id);
            }
        }
        Ok(untaken)
    }

    /// Links what a search found.
    pub(super) async fn adopt(
        &self,
        record: &dyn Record,
        link: LinkId,
        id: &ExternalId,
    ) -> Result<(), CallError> {
        self.session.complete(link, record.found(id)).await
    }
}

/// None, or the only one. Several are never guessed between: a person must merge them.
pub(super) fn only_one(mut found: Vec<ExternalId>) -> Result<Option<ExternalId>, CallError> {
    if found.len() > 1 {
        return Err(Instruction::Fail(Failure::new(
            "ambiguous_match",
            format!("several records at the provider match: {}", list(&found)),
            "merge them at the provider, then retry",
        ))
        .into());
    }
    Ok(found.pop())
}

/// An answer was lost, and each of these may be what was created. `link` is the one that waits for its record.
pub(crate) fn suspected(link: LinkId, records: Vec<ExternalId>) -> CallError {
    let failure = Failure::new(
        "duplicate_suspected",
        format!(
            "the answer to a create was lost, and these records at the provider may be what was created: {}",
            list(&records)
        ),
        "choose the one that it is (adopt), or make the record at the provider and the one in CaseHug agree (name, e-mail, phone), or \
         delete or merge it there and retry",
    );
    let suspected = Some(Suspected { link, records });
    Instruction::Fail(Failure {
        suspected,
        ..failure
    })
    .into()
}

fn list(found: &[ExternalId]) -> String {
    let ids: Vec<String> = found.iter().map(ToString::to_string).collect();
    ids.join(", ")
}
