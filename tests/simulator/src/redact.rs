//! Takes secrets out of what is recorded: tokens, codes, client secrets, signatures.

use axum::http::HeaderMap;
use serde_json::{Map, Value};
use url::form_urlencoded;

const REDACTED: &str = "[redacted]";
const SECRET_HEADERS: [&str; 4] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
];
const SECRET_NAMES: [&str; 9] = [
    "access_token",
    "client_secret",
    "code",
    "code_verifier",
    "refresh_token",
    "shared_secret",
    "token",
    "x-amz-signature",
    "x-amz-security-token",
];

pub(crate) fn headers(headers: &HeaderMap) -> Value {
    let mut shown = Map::new();
    for (name, value) in headers {
        let secret = SECRET_HEADERS.contains(&name.as_str());
        let text = if secret {
            REDACTED.into()
        } else {
            String::from_utf8_lossy(value.as_bytes())
        };
        shown.insert(name.to_string(), Value::from(text));
    }
    Value::Object(shown)
}

/// A query or form text, its order and all harmless pairs untouched.
pub(crate) fn pairs(text: &str) -> String {
    let pairs = text.split('&').map(|pair| {
        let (name, _) = pair.split_once('=').unwrap_or((pair, ""));
        let plain: String = form_urlencoded::parse(name.as_bytes())
            .map(|(name, _)| name)
            .collect();
        match is_secret(&plain) {
            true => format!("{name}={REDACTED}"),
            false => pair.to_owned(),
        }
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// A body of the API; practice areas have a `code` that is no secret, OAuth answers have none.
pub(crate) fn json(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| member(name, value))
                .collect(),
        ),
        Value::Array(items) => items.into_iter().map(json).collect(),
        Value::String(text) if text.contains("X-Amz-Signature=") => Value::from(signed_url(&text)),
        other => other,
    }
}

fn member(name: String, value: Value) -> (String, Value) {
    let hide = is_secret(&name) && name != "code" && value.is_string();
    let value = if hide {
        Value::from(REDACTED)
    } else {
        json(value)
    };
    (name, value)
}

fn signed_url(url: &str) -> String {
    match url.split_once('?') {
        Some((address, query)) => format!("{address}?{}", pairs(query)),
        None => url.to_owned(),
    }
}

fn is_secret(name: &str) -> bool {
    SECRET_NAMES
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_secret_pairs_of_a_query_are_replaced() {
        let shown = pairs("code=abc&state=s%20t&x=1");

        assert_eq!(shown, "code=[redacted]&state=s%20t&x=1");
    }

    #[test]
    fn tokens_and_signatures_in_bodies_are_replaced() {
        let shown = json(
            json!({"access_token": "t", "a": [{"put_url": "http://h/p?a=1&X-Amz-Signature=s"}]}),
        );

        let url = "http://h/p?a=1&X-Amz-Signature=[redacted]";
        assert_eq!(
            shown,
            json!({"access_token": "[redacted]", "a": [{"put_url": url}]})
        );
    }
}
