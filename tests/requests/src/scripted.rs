//! The requests to the platform that only the tests know: its operations, each with its parameters and members.

use serde::Deserialize;
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

#[derive(Deserialize)]
struct Line {
    method: String,
    url: String,
    headers: Map<String, Value>,
    body: Value,
    /// What the simulator did to the request, or found done to it.
    fault: Option<String>,
}

struct Operation {
    method: &'static str,
    /// `*` stands for an id.
    path: &'static str,
    query: &'static [&'static str],
    /// Of a JSON object or a form, all of them needed.
    members: &'static [&'static str],
}

const fn read(path: &'static str, query: &'static [&'static str]) -> Operation {
    Operation {
        method: "GET",
        path,
        query,
        members: &[],
    }
}

const fn create(path: &'static str, members: &'static [&'static str]) -> Operation {
    Operation {
        method: "POST",
        path,
        query: &[],
        members,
    }
}

const OPERATIONS: &[Operation] = &[
    read("/v1/me", &[]),
    read("/v1/contacts", &["email", "created_since", "page"]),
    read("/v1/contacts/*", &[]),
    create(
        "/v1/contacts",
        &["first_name", "last_name", "email", "phone"],
    ),
    read("/v1/matters", &["contact_id", "created_since", "page"]),
    read("/v1/matters/*", &[]),
    create("/v1/matters", &["title", "reference", "contact_id"]),
    read("/v1/matters/*/files", &["page"]),
    create("/v1/matters/*/files", &["name", "reference"]),
    read("/v1/matters/*/files/*", &[]),
    read("/v1/matters/*/files/*/upload", &[]),
    read(
        "/oauth/authorize",
        &[
            "response_type",
            "client_id",
            "redirect_uri",
            "state",
            "scope",
            "code_challenge",
            "code_challenge_method",
        ],
    ),
];
const TOKEN: &str = "/oauth/token";
/// Signed addresses belong to a storage.
const BYTES: &str = "/bytes/";

pub(crate) fn check(line: &str) -> serde_json::Result<(String, Vec<String>)> {
    let line: Line = serde_json::from_str(line)?;
    Ok(line.violations())
}

impl Line {
    fn violations(&self) -> (String, Vec<String>) {
        let Ok(url) = Url::parse(&self.url) else {
            return (self.method.clone(), vec!["its address is none".to_owned()]);
        };
        let path = url.path();
        if path.starts_with(BYTES) {
            return (format!("{} {BYTES}", self.method), self.wrong_transfer());
        }
        if path == TOKEN {
            return (format!("{} {TOKEN}", self.method), self.wrong_token_form());
        }
        let known = OPERATIONS
            .iter()
            .find(|known| known.method == self.method && fits(known.path, path));
        let Some(operation) = known else {
            let none = vec!["is not among the platform's operations".to_owned()];
            return (self.method.clone(), none);
        };
        let mut found = Vec::new();
        for (name, _) in url.query_pairs() {
            if !operation.query.contains(&name.as_ref()) {
                found.push("has an unknown parameter".to_owned());
            }
        }
        if path.starts_with("/v1/") && !self.headers.contains_key("x-api-key") {
            found.push("lacks the application's key".to_owned());
        }
        // The client left before the body was whole: nothing of it is recorded.
        if self.fault.as_deref() != Some("client_left") {
            found.extend(self.wrong_body(operation));
        }
        (format!("{} {}", self.method, operation.path), found)
    }

    fn wrong_body(&self, operation: &Operation) -> Option<String> {
        let members: Vec<&str> = match &self.body {
            Value::Null => Vec::new(),
            Value::Object(members) => members.keys().map(String::as_str).collect(),
            _ => return Some("its body is no object".to_owned()),
        };
        let complete = operation.members.len() == members.len()
            && operation
                .members
                .iter()
                .all(|needed| members.contains(needed));
        (!complete).then(|| "has not the members that it needs".to_owned())
    }

    /// The client is proved by Basic, and by nothing in the form.
    fn wrong_token_form(&self) -> Vec<String> {
        let text = self.body.as_str().unwrap_or_default();
        let form: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes())
            .into_owned()
            .collect();
        let has = |name: &str| form.iter().any(|(given, _)| given == name);
        let mut found = Vec::new();
        if has("client_secret") || !self.headers.contains_key("authorization") {
            found.push("proves the client in another way than by Basic".to_owned());
        }
        if !(has("code_verifier") || has("refresh_token")) {
            found.push("lacks its proof".to_owned());
        }
        found
    }

    fn wrong_transfer(&self) -> Vec<String> {
        if self.headers.contains_key("authorization") || self.headers.contains_key("x-api-key") {
            return vec!["carries a secret to a signed address".to_owned()];
        }
        Vec::new()
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (pattern.split('/'), path.split('/'));
    pattern.clone().count() == path.clone().count()
        && pattern
            .zip(path)
            .all(|(one, other)| one == "*" || one == other)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(method: &str, path: &str, key: bool, body: Value) -> Vec<String> {
        let mut headers = json!({ "authorization": "[redacted]" });
        if key {
            headers["x-api-key"] = json!("[redacted]");
        }
        let url = format!("https://api.test.invalid{path}");
        let line = json!({ "method": method, "url": url, "headers": headers, "body": body });
        check(&line.to_string()).unwrap().1
    }

    #[test]
    fn known_requests_pass_and_each_mistake_is_found() {
        let matter = json!({ "title": "a", "reference": "b", "contact_id": "1" });
        assert!(found("GET", "/v1/contacts?email=a", true, Value::Null).is_empty());
        assert!(found("POST", "/v1/matters", true, matter.clone()).is_empty());
        for wrong in [
            found("GET", "/v1/contacts?name=a", true, Value::Null),
            found("GET", "/v1/contacts", false, Value::Null),
            found("PUT", "/v1/matters", true, matter),
            found("POST", "/v1/matters", true, json!({ "title": "a" })),
            found("PUT", "/bytes/1", true, Value::Null),
            found(
                "POST",
                "/oauth/token",
                false,
                json!("client_secret=a&refresh_token=b"),
            ),
        ] {
            assert_eq!(wrong.len(), 1, "{wrong:?}");
        }
    }
}
