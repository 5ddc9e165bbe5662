//! The API's table of contents, and the gate before it.

use serde_json::json;

use super::{
    Outcome, call::Call, contacts, documents, edge, matters, not_played, practice_areas, refuse,
    users, versions, world::World,
};
use crate::{Shared, answer::Answer, incoming::Incoming, limiter::Verdict};

const VERSION: &str = "4.0.13";
/// Supported beside the default; anything else is gone.
const VERSIONS: [&str; 4] = ["4.0.10", "4.0.11", "4.0.12", "4.0.13"];
/// Clio has these too.
const UNPLAYED: [&str; 7] = [
    "custom_fields",
    "folders",
    "notes",
    "relationships",
    "users",
    "webhooks",
    "activities",
];

pub(super) async fn answer(shared: &Shared, incoming: &Incoming, path: &str) -> Answer {
    if let Err(refused) = edge(incoming) {
        return refused;
    }
    let path = path.trim_end_matches(".json");
    let segments: Vec<&str> = path.split('/').collect();
    let joined = versions::join(shared, incoming, &segments).await;
    let mut world = shared.clio.world();
    world.stats.requests += 1;
    let query = incoming.query_pairs();
    let token = match authenticate(&world, incoming) {
        Ok(token) => token,
        Err(refused) => return refused,
    };
    let call = Call {
        incoming,
        account_id: token.1,
        user_id: token.2,
        query,
        joined,
    };
    let verdict = world.limiter.take(&token.0, incoming.at_ms);
    let result = admit(&mut world, incoming, verdict.as_ref())
        .and_then(|()| route(&mut world, &call, &segments));
    world.commit();
    drop(world);
    versions::clean_up(shared, &call, &result);
    let answer = result.unwrap_or_else(|refused| refused);
    with_headers(answer, verdict.as_ref())
}

fn route(world: &mut World, call: &Call<'_>, segments: &[&str]) -> Outcome {
    match (call.incoming.method.as_str(), segments) {
        ("GET", ["users", "who_am_i"]) => users::who_am_i(world, call),
        ("GET", ["practice_areas"]) => practice_areas::list(world, call),
        ("GET", ["contacts"]) => contacts::list(world, call),
        ("POST", ["contacts"]) => contacts::create(world, call),
        ("GET", ["contacts", id]) => contacts::show(world, call, id),
        ("GET", ["matters"]) => matters::list(world, call),
        ("POST", ["matters"]) => matters::create(world, call),
        ("GET", ["matters", id]) => matters::show(world, call, id),
        ("PATCH", ["matters", id]) => matters::update(world, call, id),
        ("GET", ["documents"]) => documents::list(world, call),
        ("POST", ["documents"]) => documents::create(world, call),
        ("GET", ["documents", id]) => documents::show(world, call, id),
        ("PATCH", ["documents", id]) => documents::update(world, call, id),
        (method, ["contacts" | "matters" | "documents" | "practice_areas", ..]) => {
            Err(not_played(&format!("{method} {}", call.incoming.path)))
        }
        (method, [resource, ..]) if UNPLAYED.contains(resource) => {
            Err(not_played(&format!("{method} {}", call.incoming.path)))
        }
        _ => Err(refuse(404, "RecordNotFound", "no such resource")),
    }
}

/// Token, account and user.
fn authenticate(world: &World, incoming: &Incoming) -> Outcome<(String, u64, u64)> {
    let Some(token) = incoming.header("authorization").strip_prefix("Bearer ") else {
        return Err(refuse(401, "UnauthorizedError", "User is not authorized"));
    };
    let access = world.tables.accesses.get(&token.to_owned());
    let access = access.filter(|access| access.expires_ms > incoming.at_ms);
    let grant = access.and_then(|access| world.tables.grants.get(&access.refresh_token));
    match grant.filter(|grant| !grant.revoked) {
        Some(grant) => Ok((token.to_owned(), grant.account_id, grant.user_id)),
        None => Err(invalid_token()),
    }
}

fn invalid_token() -> Answer {
    let description =
        "The access token is invalid: expired, revoked, malformed, or of another region";
    Answer::json(
        401,
        json!({"error": "invalid_token", "error_description": description}),
    )
    .header(
        "WWW-Authenticate",
        format!(
            "Bearer realm=\"Clio\", error=\"invalid_token\", error_description=\"{description}\""
        ),
    )
}

fn admit(world: &mut World, incoming: &Incoming, verdict: Option<&Verdict>) -> Outcome<()> {
    if let Some(wait) = verdict.and_then(|verdict| verdict.retry_after_secs) {
        world.stats.answered_429 += 1;
        let message = format!("Rate limit exceeded. Try again in {wait} seconds.");
        let refused = refuse(429, "RateLimited", message);
        return Err(refused.header("Retry-After", wait.to_string()));
    }
    let version = incoming.header("x-api-version");
    match version.is_empty() || VERSIONS.contains(&version) {
        true => Ok(()),
        false => Err(refuse(
            410,
            "Gone",
            format!("API version {version} is not available"),
        )),
    }
}

fn with_headers(answer: Answer, verdict: Option<&Verdict>) -> Answer {
    let answer = match answer.status {
        200..=299 => answer.header("X-API-VERSION", VERSION),
        _ => answer,
    };
    match verdict {
        Some(verdict) => answer
            .header("X-RateLimit-Limit", verdict.limit.to_string())
            .header("X-RateLimit-Remaining", verdict.remaining.to_string())
            .header("X-RateLimit-Reset", verdict.reset_unix_secs.to_string()),
        None => answer,
    }
}
