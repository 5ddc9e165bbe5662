//! Its login: a code with PKCE, token requests with Basic, refresh tokens that rotate on no refresh.

use std::collections::HashMap;

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::{Url, form_urlencoded};

use super::{
    Outcome,
    world::{Access, Code, Grant, World},
};
use crate::{Shared, answer::Answer, clock, incoming::Incoming};

pub(super) fn answer(shared: &Shared, incoming: &Incoming, path: &str) -> Outcome {
    let mut world = shared.scripted.world();
    let answer = match (incoming.method.as_str(), path) {
        ("GET", "authorize") => authorize(&mut world, incoming),
        ("POST", "token") => token(&mut world, incoming),
        ("POST", "revoke") => revoke(&mut world, incoming),
        _ => Err(Answer::html(404, "<html><body>Not found</body></html>")),
    };
    world.commit();
    answer
}

fn refuse(error: &str) -> Answer {
    Answer::json(400, json!({ "error": error }))
}

fn authorize(world: &mut World, incoming: &Incoming) -> Outcome {
    let query: HashMap<String, String> = incoming.query_pairs().into_iter().collect();
    let asked = |name: &str| query.get(name).cloned().unwrap_or_default();
    let complete = [
        "client_id",
        "redirect_uri",
        "state",
        "scope",
        "code_challenge",
    ];
    if complete.iter().any(|name| asked(name).is_empty())
        || asked("response_type") != "code"
        || asked("code_challenge_method") != "S256"
    {
        return Err(refuse("invalid_request"));
    }
    let redirect = asked("redirect_uri");
    let mut back = Url::parse(&redirect).map_err(|_| refuse("invalid_request"))?;
    let code = clock::random_uuid().simple().to_string();
    back.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", &asked("state"));
    let granted = Code {
        client_id: asked("client_id"),
        redirect_uri: redirect,
        challenge: asked("code_challenge"),
        account: world.settings.login.clone(),
    };
    world.codes.put(code, granted);
    Ok(Answer::redirect(back))
}

/// The client, proved by Basic; the form names it too.
fn client(incoming: &Incoming, form: &HashMap<String, String>) -> Outcome<String> {
    let basic = incoming.header("authorization").strip_prefix("Basic ");
    let decoded = basic.and_then(|text| BASE64_STANDARD.decode(text).ok());
    let pair = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let id = pair
        .as_deref()
        .and_then(|pair| pair.split_once(':'))
        .filter(|(_, secret)| !secret.is_empty())
        .map(|(id, _)| id.to_owned());
    let named = form.get("client_id");
    let id = id.filter(|id| named.is_none_or(|named| named == id));
    id.filter(|_| !form.contains_key("client_secret"))
        .ok_or_else(|| Answer::json(401, json!({ "error": "invalid_client" })))
}

fn form(incoming: &Incoming) -> HashMap<String, String> {
    form_urlencoded::parse(incoming.body())
        .into_owned()
        .collect()
}

fn token(world: &mut World, incoming: &Incoming) -> Outcome {
    let form = form(incoming);
    let client_id = client(incoming, &form)?;
    let asked = |name: &str| form.get(name).cloned().unwrap_or_default();
    let invalid = || refuse("invalid_grant");
    match asked("grant_type").as_str() {
        "authorization_code" => {
            let verifier = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(asked("code_verifier")));
            let code = world.codes.remove(&asked("code")).filter(|code| {
                code.client_id == client_id
                    && code.redirect_uri == asked("redirect_uri")
                    && code.challenge == verifier
            });
            let account = code.ok_or_else(invalid)?.account;
            let refresh = clock::random_uuid().simple().to_string();
            let grant = Grant {
                client_id,
                account: account.clone(),
                revoked: false,
            };
            world.grants.put(refresh.clone(), grant);
            let mut answer = access(world, &refresh, incoming.at_ms);
            answer["refresh_token"] = json!(refresh);
            answer["account_id"] = json!(account);
            answer["account_name"] = json!("Lee & Partners");
            answer["user_id"] = json!("user-1");
            Ok(Answer::json(200, answer))
        }
        "refresh_token" => {
            let refresh = asked("refresh_token");
            let grant = world.grants.get(&refresh);
            grant
                .filter(|grant| !grant.revoked && grant.client_id == client_id)
                .ok_or_else(invalid)?;
            Ok(Answer::json(200, access(world, &refresh, incoming.at_ms)))
        }
        _ => Err(refuse("unsupported_grant_type")),
    }
}

fn access(world: &mut World, refresh_token: &str, now_ms: i64) -> Value {
    let token = clock::random_uuid().simple().to_string();
    let expires_in = world.settings.token_ttl_secs;
    let access = Access {
        refresh_token: refresh_token.to_owned(),
        expires_ms: now_ms + expires_in * 1000,
    };
    world.accesses.put(token.clone(), access);
    json!({ "token_type": "Bearer", "access_token": token, "expires_in": expires_in })
}

fn revoke(world: &mut World, incoming: &Incoming) -> Outcome {
    let form = form(incoming);
    client(incoming, &form)?;
    let token = form.get("token").cloned().unwrap_or_default();
    if let Some(mut grant) = world.grants.get(&token).cloned() {
        grant.revoked = true;
        world.grants.put(token, grant);
    }
    Ok(Answer::empty(200))
}
