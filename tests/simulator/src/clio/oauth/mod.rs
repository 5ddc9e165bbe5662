//! OAuth 2.0 as Clio Manage does it: authorization code, refresh tokens that do not rotate.

mod authorize;
mod deauthorize;
mod token;

use std::collections::HashMap;

use serde_json::json;
use url::form_urlencoded;

use super::edge;
use crate::{Shared, answer::Answer, incoming::Incoming};

pub(super) fn answer(shared: &Shared, incoming: &Incoming, path: &str) -> Answer {
    shared.clio.world().stats.oauth_requests += 1;
    match (incoming.method.as_str(), path) {
        // A browser comes here, so the edge asks nothing of it.
        ("GET", "authorize") => authorize::answer(shared, incoming),
        ("POST", "token") => edge(incoming)
            .and_then(|()| token::answer(shared, incoming))
            .unwrap_or_else(|refused| refused),
        ("POST", "deauthorize") => edge(incoming)
            .and_then(|()| deauthorize::answer(shared, incoming))
            .unwrap_or_else(|refused| refused),
        _ => Answer::html(404, "<html><body>Not found</body></html>"),
    }
}

/// RFC 6749's way to refuse.
fn refuse(status: u16, error: &str, description: &str) -> Answer {
    Answer::json(
        status,
        json!({"error": error, "error_description": description}),
    )
    .header("Cache-Control", "no-store")
}

/// The form's members; JSON is not taken.
fn form(incoming: &Incoming) -> Result<HashMap<String, String>, Answer> {
    if !incoming.is_form() {
        let description = "The request must be application/x-www-form-urlencoded";
        return Err(refuse(400, "invalid_request", description));
    }
    Ok(form_urlencoded::parse(incoming.body())
        .into_owned()
        .collect())
}
