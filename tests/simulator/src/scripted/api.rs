//! The API's table of contents, and the gate before it.

use super::{
    Outcome, files, not_found, problem, records,
    world::{Kind, World},
};
use crate::{Shared, answer::Answer, incoming::Incoming};

/// A request that was let in.
pub(super) struct Call<'a> {
    pub(super) incoming: &'a Incoming,
    pub(super) account: String,
    pub(super) query: Vec<(String, String)>,
}

impl Call<'_> {
    pub(super) fn now_ms(&self) -> i64 {
        self.incoming.at_ms
    }

    pub(super) fn one(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Refuses parameters that the operation does not have.
    pub(super) fn check_query(&self, known: &[&str]) -> Outcome<()> {
        let unknown = self
            .query
            .iter()
            .find(|(name, _)| !known.contains(&name.as_str()));
        match unknown {
            None => Ok(()),
            Some((name, _)) => Err(problem(
                400,
                "bad-request",
                &format!("unknown parameter {name}"),
            )),
        }
    }
}

pub(super) fn answer(shared: &Shared, incoming: &Incoming, path: &str) -> Outcome {
    let mut world = shared.scripted.world();
    let call = let_in(&mut world, incoming)?;
    let segments: Vec<&str> = path.split('/').collect();
    let answer = route(&mut world, &call, &segments);
    world.commit();
    answer
}

fn route(world: &mut World, call: &Call<'_>, segments: &[&str]) -> Outcome {
    match (call.incoming.method.as_str(), segments) {
        ("GET", ["me"]) => Ok(Answer::json(
            200,
            serde_json::json!({ "account_id": call.account }),
        )),
        ("GET", ["contacts"]) => records::list_contacts(world, call),
        ("POST", ["contacts"]) => records::create_contact(world, call),
        ("GET", ["contacts", id]) => records::show(world, call, Kind::Contact, id),
        ("GET", ["matters"]) => records::list_matters(world, call),
        ("POST", ["matters"]) => records::create_matter(world, call),
        ("GET", ["matters", id]) => records::show(world, call, Kind::Matter, id),
        ("GET", ["matters", matter, "files"]) => files::list(world, call, matter),
        ("POST", ["matters", matter, "files"]) => files::create(world, call, matter),
        ("GET", ["matters", matter, "files", id]) => files::show(world, call, matter, id),
        ("GET", ["matters", matter, "files", id, "upload"]) => {
            files::fresh_address(world, call, matter, id)
        }
        _ => Err(not_found()),
    }
}

/// Key, token, limit, in this order.
fn let_in<'a>(world: &mut World, incoming: &'a Incoming) -> Outcome<Call<'a>> {
    if incoming.header("x-api-key").is_empty() {
        return Err(Answer::json(
            403,
            serde_json::json!({ "message": "Forbidden" }),
        ));
    }
    let token = incoming.header("authorization").strip_prefix("Bearer ");
    let access = token.and_then(|token| world.accesses.get(&token.to_owned()));
    let access = access.filter(|access| access.expires_ms > incoming.at_ms);
    let grant = access.and_then(|access| world.grants.get(&access.refresh_token));
    let grant = grant.filter(|grant| !grant.revoked).cloned();
    let grant = grant.ok_or_else(|| problem(401, "unauthorized", "the token is not valid"))?;
    let verdict = world.limiter.take(&grant.client_id, incoming.at_ms);
    if verdict.is_some_and(|verdict| verdict.retry_after_secs.is_some()) {
        world.answered_429 += 1;
        return Err(problem(429, "too-many-requests", "slow down"));
    }
    Ok(Call {
        incoming,
        account: grant.account,
        query: incoming.query_pairs(),
    })
}
