//! What a user of the platform, or time, would do.

use serde::Deserialize;
use serde_json::json;

use super::{Outcome, not_found, world::Kind};
use crate::{Shared, answer::Answer};

/// All that is given is done, from top to bottom.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Change {
    /// The account whose user consents next.
    login: Option<String>,
    /// A new record shows after a time between these two, drawn for each.
    visible_after_ms: Option<(i64, i64)>,
    never_visible: Option<bool>,
    /// Records of this kind are accepted and refused then.
    reject: Option<Kind>,
    /// Everything that has not shown yet shows now.
    show_all: bool,
    delete: Option<u64>,
    expire_tokens: bool,
}

pub(super) fn apply(shared: &Shared, change: Change) -> Outcome {
    let mut world = shared.scripted.world();
    let settings = &mut world.settings;
    if let Some(login) = change.login {
        settings.login = login;
    }
    settings.visible_after_ms = change.visible_after_ms.unwrap_or(settings.visible_after_ms);
    settings.never_visible = change.never_visible.unwrap_or(settings.never_visible);
    settings.reject = change.reject.or(settings.reject);
    if change.show_all {
        world
            .records
            .update_all(|record| record.visible_ms = Some(record.created_ms));
    }
    if let Some(id) = change.delete {
        world.records.remove(&id).ok_or_else(not_found)?;
    }
    if change.expire_tokens {
        world.accesses.update_all(|access| access.expires_ms = 0);
    }
    world.commit();
    Ok(Answer::json(200, json!({ "ok": true })))
}
