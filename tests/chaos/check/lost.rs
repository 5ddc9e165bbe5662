//! Lost: an event was accepted (2xx), and at the end neither its effect stands at the provider nor does a `failed` log say why not.
//!
//! The effect of `matter.created` is the matter; of `document.approved` a complete document with the approved bytes.
//! A `failed` log answers for the upload it names, and that of a matter for all of its matter. `worker_lost` answers for the one
//! marked matter alone: innocent ones were asked for once more by the run and must stand.
//! An event that the inbox does not know, or rejected, is lost too: every one was valid.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::effects::{Account, Effects};
use crate::ledger::{Ledger, Post};

pub(crate) fn find(ledger: &Ledger, effects: &Effects) -> Vec<String> {
    let accounts: HashMap<Uuid, Account> = ledger
        .matters
        .iter()
        .map(|matter| (matter.matter, (matter.platform, matter.account)))
        .collect();
    let inbox: HashMap<&str, &str> = ledger
        .database
        .events
        .iter()
        .map(|event| (event.id.as_str(), event.status.as_str()))
        .collect();
    let failures = Failures::of(ledger);
    let mut judged = HashSet::new();
    let accepted = ledger
        .posts
        .iter()
        .filter(|post| post.is_accepted() && judged.insert(post.event));
    accepted
        .filter_map(|post| {
            let id = post.event.to_string();
            match inbox.get(id.as_str()) {
                None => return Some(format!("lost: the inbox does not know event {id}")),
                Some(&"rejected") => return Some(format!("lost: event {id} was rejected")),
                Some(_) => {}
            }
            let account = accounts.get(&post.matter).copied();
            let stands = account.is_some_and(|account| stands(post, account, effects));
            (!stands && !failures.answer_for(post)).then(|| {
                format!(
                    "lost: event {id}, matter {}, upload {:?}",
                    post.matter, post.upload
                )
            })
        })
        .collect()
}

fn stands(post: &Post, account: Account, effects: &Effects) -> bool {
    let Some(upload) = post.upload else {
        return effects.matters.contains_key(&(account, post.matter));
    };
    let documents = effects.documents.get(&(account, upload));
    documents.is_some_and(|documents| {
        documents
            .iter()
            .any(|document| document.complete && document.sha256 == post.sha256)
    })
}

/// What failed logs answer for.
struct Failures {
    uploads: HashSet<Uuid>,
    matters: HashSet<Uuid>,
}

impl Failures {
    fn of(ledger: &Ledger) -> Self {
        let counts = |matter: Option<Uuid>, code: Option<&str>| {
            code != Some("worker_lost") || matter == ledger.run.poisoned
        };
        let failed = ledger
            .database
            .logs
            .iter()
            .filter(|log| log.status == "failed" && counts(log.matter_id, log.code.as_deref()));
        let (mut uploads, mut matters) = (HashSet::new(), HashSet::new());
        for log in failed {
            match (log.upload_id, log.matter_id) {
                (Some(upload), _) => uploads.insert(upload),
                (None, Some(matter)) if log.action == "sync_matter" => matters.insert(matter),
                (None, _) => false,
            };
        }
        Self { uploads, matters }
    }

    fn answer_for(&self, post: &Post) -> bool {
        self.matters.contains(&post.matter)
            || post
                .upload
                .is_some_and(|upload| self.uploads.contains(&upload))
    }
}
