//! Duplicated: a second external record for one effect key of one account: a contact for an e-mail, a matter for our matter,
//! a document for an upload. Each record beyond the first counts.

use std::fmt::Debug;

use crate::effects::Effects;

pub(crate) fn find(effects: &Effects) -> Vec<String> {
    let contacts = effects
        .contacts
        .iter()
        .flat_map(|(key, ids)| surplus("contact", key, ids));
    let matters = effects
        .matters
        .iter()
        .flat_map(|(key, ids)| surplus("matter", key, ids));
    let documents = effects.documents.iter().flat_map(|(key, documents)| {
        let ids: Vec<u64> = documents.iter().map(|document| document.id).collect();
        surplus("document", key, &ids)
    });
    contacts.chain(matters).chain(documents).collect()
}

fn surplus(kind: &str, key: &impl Debug, ids: &[u64]) -> Vec<String> {
    let line = format!("duplicated: {kind} {key:?} is there as {ids:?}");
    vec![line; ids.len().saturating_sub(1)]
}
