//! Tokens for a code, a new access token for a refresh token.
//!
//! Earlier access tokens stay good; a refresh answers without a refresh token.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{form, refuse};
use crate::{
    Shared,
    answer::Answer,
    clio::{
        Outcome,
        account::{Access, Grant},
        world::World,
    },
    clock,
    incoming::Incoming,
};

pub(super) fn answer(shared: &Shared, incoming: &Incoming) -> Outcome {
    let form = form(incoming)?;
    check_client(shared, &form)?;
    let mut world = shared.clio.world();
    let answer = match asked(&form, "grant_type") {
        "authorization_code" => exchange(&mut world, &form, incoming.at_ms),
        "refresh_token" => refresh(&mut world, &form, incoming.at_ms),
        _ => Err(refuse(
            400,
            "unsupported_grant_type",
            "The grant type is not supported",
        )),
    };
    world.commit();
    answer
}

fn asked<'a>(form: &'a HashMap<String, String>, name: &str) -> &'a str {
    form.get(name).map(String::as_str).unwrap_or_default()
}

fn check_client(shared: &Shared, form: &HashMap<String, String>) -> Outcome<()> {
    let fits = |name: &str, wanted: Option<&str>| {
        let given = asked(form, name);
        !given.is_empty() && wanted.is_none_or(|wanted| wanted == given)
    };
    let options = &shared.options;
    match fits("client_id", options.client_id.as_deref())
        && fits("client_secret", options.client_secret.as_deref())
    {
        true => Ok(()),
        false => Err(refuse(
            401,
            "invalid_client",
            "Client authentication failed",
        )),
    }
}

fn exchange(world: &mut World, form: &HashMap<String, String>, now_ms: i64) -> Outcome {
    // Gone at the first try, good or bad.
    let code = world.tables.codes.remove(&asked(form, "code").to_owned());
    let code = code.filter(|code| {
        code.expires_ms > now_ms
            && code.client_id == asked(form, "client_id")
            && code.redirect_uri == asked(form, "redirect_uri")
    });
    let code = code.ok_or_else(invalid_grant)?;
    let refresh_token = clock::random_uuid().simple().to_string();
    let (client_id, account_id, user_id) = (code.client_id, code.account_id, code.user_id);
    let grant = Grant {
        client_id,
        account_id,
        user_id,
        revoked: false,
    };
    world.tables.grants.put(refresh_token.clone(), grant);
    let mut tokens = access(world, &refresh_token, now_ms);
    tokens["refresh_token"] = json!(refresh_token);
    Ok(granted(tokens))
}

fn refresh(world: &mut World, form: &HashMap<String, String>, now_ms: i64) -> Outcome {
    let refresh_token = asked(form, "refresh_token").to_owned();
    let grant = world.tables.grants.get(&refresh_token);
    let grant = grant.filter(|grant| !grant.revoked && grant.client_id == asked(form, "client_id"));
    match grant {
        Some(_) => Ok(granted(access(world, &refresh_token, now_ms))),
        None => Err(invalid_grant()),
    }
}

fn access(world: &mut World, refresh_token: &str, now_ms: i64) -> Value {
    let token = clock::random_uuid().simple().to_string();
    let expires_in = world.settings.token_ttl_secs;
    let expires_ms = now_ms + expires_in * 1000;
    let access = Access {
        refresh_token: refresh_token.to_owned(),
        expires_ms,
    };
    world.tables.accesses.put(token.clone(), access);
    json!({"token_type": "bearer", "access_token": token, "expires_in": expires_in})
}

fn granted(tokens: Value) -> Answer {
    Answer::json(200, tokens).header("Cache-Control", "no-store")
}

fn invalid_grant() -> Answer {
    let description = "The provided authorization grant is invalid, expired, revoked, does not \
                       match the redirection URI used in the authorization request, or was issued \
                       to another client.";
    refuse(400, "invalid_grant", description)
}
