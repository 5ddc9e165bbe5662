//! The consent page, answered right away by the user who is logged in.

use std::collections::HashMap;

use url::Url;

use super::refuse;
use crate::{Shared, answer::Answer, clio::account::Code, clock, incoming::Incoming};

const CODE_TTL_MS: i64 = 10 * 60 * 1000;

pub(super) fn answer(shared: &Shared, incoming: &Incoming) -> Answer {
    let query: HashMap<String, String> = incoming.query_pairs().into_iter().collect();
    let asked = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let client_id = asked("client_id");
    let known = shared.options.client_id.as_deref();
    if client_id.is_empty() || known.is_some_and(|known| known != client_id) {
        return refuse(
            401,
            "invalid_client",
            "Client authentication failed: unknown client",
        );
    }
    let Some(redirect) = redirect(shared, asked("redirect_uri")) else {
        return refuse(
            400,
            "invalid_grant",
            "The redirect URI included is not valid",
        );
    };
    let back = |pairs: &[(&str, &str)]| {
        let state = query.get("state").map(|state| ("state", state.as_str()));
        let mut redirect = redirect.clone();
        redirect
            .query_pairs_mut()
            .extend_pairs(pairs)
            .extend_pairs(state);
        Answer::redirect(redirect)
    };
    if asked("response_type") != "code" {
        return back(&[("error", "unsupported_response_type")]);
    }
    if query.contains_key("scope") {
        return back(&[("error", "invalid_scope")]);
    }
    if take_decline(shared) {
        return match asked("redirect_on_decline") {
            "true" => back(&[("error", "access_denied")]),
            _ => Answer::html(200, "<html><body>You declined access.</body></html>"),
        };
    }
    back(&[(
        "code",
        &issue(shared, client_id, asked("redirect_uri"), incoming.at_ms),
    )])
}

fn redirect(shared: &Shared, text: &str) -> Option<Url> {
    let registered = shared.options.redirect_uri.as_deref();
    let url = Url::parse(text)
        .ok()
        .filter(|url| ["http", "https"].contains(&url.scheme()))?;
    registered
        .is_none_or(|registered| registered == text)
        .then_some(url)
}

fn take_decline(shared: &Shared) -> bool {
    std::mem::take(&mut shared.clio.world().settings.decline_next)
}

fn issue(shared: &Shared, client_id: &str, redirect_uri: &str, now_ms: i64) -> String {
    let mut world = shared.clio.world();
    let code = clock::random_uuid().simple().to_string();
    let granted = Code {
        client_id: client_id.to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        account_id: world.settings.login.account_id,
        user_id: world.settings.login.user_id,
        expires_ms: now_ms + CODE_TTL_MS,
    };
    world.tables.codes.put(code.clone(), granted);
    world.commit();
    code
}
