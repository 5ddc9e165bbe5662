//! What an error answer means: its status and headers, read with the platform's own error shapes.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use super::response::Response;
use super::{ProviderError, Words};
use crate::limit::{self, AskedWait};
use crate::providers::Profile;

/// What an error answer says in the platform's own shape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refusal {
    /// The error's type, as the platform names it.
    pub kind: Option<String>,
    /// For people. It may repeat what we sent.
    pub message: String,
}

/// The class of an error answer. `window` is the bucket's; `words` prepares a message, beside the error's type, for people.
///
/// A 403 or 404 in another shape than the platform's own is an edge's or a proxy's answer: it says nothing about a right or a
/// record, so it counts as no answer at all.
pub(super) fn classify(
    profile: &Profile,
    response: &Response,
    asked: &AskedWait,
    window: Duration,
    words: impl FnOnce(String, Option<&str>) -> Words,
) -> ProviderError {
    let refusal = (profile.dialect.read_refusal)(&response.body);
    let status = response.status.as_u16();
    let unavailable = ProviderError::Unavailable {
        status: Some(status),
        retry_after: asked.by_header,
    };
    let own_shape = refusal.is_some();
    let words = |refusal: Option<&Refusal>| {
        let own = refusal.map(|refusal| refusal.message.clone());
        let kind = refusal.and_then(|refusal| refusal.kind.as_deref());
        match own.filter(|message| !message.is_empty()) {
            Some(message) => words(message, kind),
            None => words(text_of(&response.body), kind),
        }
    };
    match ProviderError::of_status(status) {
        ProviderError::RateLimited { .. } => {
            let limit::LimitWait { wait, kept } = limit::wait_after_429(asked, window);
            ProviderError::RateLimited { wait, kept }
        }
        ProviderError::Unavailable { .. } => unavailable,
        ProviderError::Forbidden { .. } | ProviderError::NotFound if !own_shape => unavailable,
        ProviderError::Forbidden { .. } => ProviderError::Forbidden {
            words: words(refusal.as_ref()),
        },
        ProviderError::Conflict { status, .. } => ProviderError::Conflict {
            status,
            words: words(refusal.as_ref()),
        },
        ProviderError::Invalid { status, .. } => ProviderError::Invalid {
            status,
            own_shape,
            words: words(refusal.as_ref()),
            kind: refusal
                .and_then(|refusal| refusal.kind)
                .map(|kind| kind.chars().take(60).collect()),
        },
        other => other,
    }
}

/// More of an answer in a foreign shape is not kept.
const LONGEST_WORDS: usize = 1_000;

/// The words of an answer in any shape: the texts of its JSON, each behind the names of its members, else the answer as it came.
fn text_of(body: &[u8]) -> String {
    let mut words = String::new();
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => collect(&value, "", &mut words),
        Err(_) => words.push_str(&String::from_utf8_lossy(body)),
    }
    words.chars().take(LONGEST_WORDS).collect()
}

fn collect(value: &Value, name: &str, words: &mut String) {
    if words.len() > LONGEST_WORDS {
        return;
    }
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) => return,
        Value::Array(items) => return items.iter().for_each(|item| collect(item, name, words)),
        Value::Object(members) => {
            return members
                .iter()
                .for_each(|(member, value)| collect(value, member, words));
        }
    };
    if !words.is_empty() {
        words.push_str("; ");
    }
    if !name.is_empty() {
        words.push_str(name);
        words.push(' ');
    }
    words.push_str(&text);
}

/// Whether the answer is a limit's.
pub(super) fn is_limit(response: &Response) -> bool {
    response.status == StatusCode::TOO_MANY_REQUESTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_from_any_shape() {
        for (body, expected) in [
            (r#"{"errors":{"email":["is invalid"]}}"#, "email is invalid"),
            (r#"{"error":{"message":["a","b"]}}"#, "message a; message b"),
            (r#"{"message":"no"}"#, "message no"),
            (r#"[{"field":"name","code":7}]"#, "code 7; field name"),
            (r#""plain""#, "plain"),
            (r#"{"errors":[["a"],[["b"]]]}"#, "errors a; errors b"),
            (r#"{"ok":false,"why":null}"#, ""),
            (
                "<html>Attention Required!</html>",
                "<html>Attention Required!</html>",
            ),
            ("too long", "too long"),
            ("", ""),
        ] {
            assert_eq!(text_of(body.as_bytes()), expected, "{body}");
        }
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(5_000));
        assert_eq!(text_of(long.as_bytes()).chars().count(), LONGEST_WORDS);
        assert_eq!(text_of(&[0xff, b'a']).chars().count(), 2);
    }
}
