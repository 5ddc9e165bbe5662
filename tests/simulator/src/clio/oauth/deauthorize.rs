//! The application gives its grant back.

use super::{form, refuse};
use crate::{Shared, answer::Answer, clio::Outcome, incoming::Incoming};

pub(super) fn answer(shared: &Shared, incoming: &Incoming) -> Outcome {
    let form = form(incoming)?;
    let token = form.get("token").cloned().unwrap_or_default();
    let bearer = incoming.header("authorization").strip_prefix("Bearer ");
    let mut world = shared.clio.world();
    let access = world
        .tables
        .accesses
        .get(&token)
        .filter(|_| bearer == Some(token.as_str()));
    let Some(refresh_token) = access.map(|access| access.refresh_token.clone()) else {
        return Err(refuse(401, "invalid_token", "The access token is invalid"));
    };
    if let Some(mut grant) = world.tables.grants.get(&refresh_token).cloned() {
        grant.revoked = true;
        world.tables.grants.put(refresh_token, grant);
    }
    world.commit();
    Ok(Answer::empty(200))
}
