//! One recorded request, and all that is wrong with it.

use serde::Deserialize;
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use super::{
    exceptions,
    facts::{Body, Facts, Operation},
    mistake::{Mistake, shown},
    pairs, selection,
    shape::Shape,
};

/// One per region (providers/clio.md §1).
const HOSTS: [&str; 4] = [
    "app.clio.com",
    "eu.app.clio.com",
    "ca.app.clio.com",
    "au.app.clio.com",
];
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

#[derive(Debug, Deserialize)]
pub(super) struct Line {
    method: String,
    url: String,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    body: Value,
    /// What the simulator did to the request, or found done to it.
    fault: Option<String>,
}

impl Line {
    /// The request's method and path template, and what is wrong with it.
    pub(super) fn violations(&self, facts: &Facts) -> (String, Vec<String>) {
        let method = shown(&self.method);
        let Ok(url) = Url::parse(&self.url) else {
            return (method, vec!["its address is none".to_owned()]);
        };
        let Some(operation) = facts.operation(&self.method, url.path()) else {
            let path: Vec<_> = url.path().split('/').map(shown_segment).collect();
            let request = format!("{method} {}", path.join("/"));
            return (request, vec!["is not among Clio's operations".to_owned()]);
        };
        let mut found = Vec::new();
        if url.scheme() != "https" || !HOSTS.contains(&url.host_str().unwrap_or_default()) {
            found.push("does not go to a host of Clio's".to_owned());
        }
        found.extend(self.missing_headers(operation));
        found.extend(query_violations(&url, operation, facts));
        // The client left before the body was whole: nothing of it is recorded.
        if self.fault.as_deref() != Some("client_left") {
            found.extend(self.body_violations(operation));
        }
        (format!("{method} {}", operation.template), found)
    }

    fn missing_headers(&self, operation: &Operation) -> impl Iterator<Item = String> {
        operation
            .headers
            .iter()
            .filter(|name| !self.headers.contains_key(*name))
            .map(|name| format!("lacks the header `{name}`"))
    }

    fn body_violations(&self, operation: &Operation) -> Vec<String> {
        let mut found = Vec::new();
        let mistakes = match (&operation.body, &self.body) {
            (Body::None, Value::Null) => return found,
            (Body::None, _) => return vec!["has a body".to_owned()],
            (Body::Json(_) | Body::Form(_), Value::Null) => {
                return vec!["has no body".to_owned()];
            }
            (Body::Json(shape), body) => {
                found.extend(self.wrong_content_type(JSON));
                mistakes(operation, shape, body)
            }
            (Body::Form(shape), Value::String(text)) => {
                found.extend(self.wrong_content_type(FORM));
                let form = pairs::read(form_urlencoded::parse(text.as_bytes()), shape);
                let mut mistakes = mistakes(operation, shape, &form.members);
                mistakes.extend(form.repeated);
                mistakes
            }
            (Body::Form(_), _) => return vec!["its body is no form".to_owned()],
        };
        found.extend(mistakes.iter().map(|mistake| format!("body{mistake}")));
        found
    }

    fn wrong_content_type(&self, wanted: &str) -> Option<String> {
        let given = self.headers.get("content-type").and_then(Value::as_str);
        let media_type = given.and_then(|given| given.split(';').next());
        let fits = media_type.is_some_and(|given| given.trim().eq_ignore_ascii_case(wanted));
        (!fits).then(|| format!("its content-type is not {wanted}"))
    }
}

fn query_violations(url: &Url, operation: &Operation, facts: &Facts) -> Vec<String> {
    let query = pairs::read(url.query_pairs(), &operation.query);
    let mut found: Vec<String> = mistakes(operation, &operation.query, &query.members)
        .iter()
        .chain(&query.repeated)
        .map(|mistake| format!("query{mistake}"))
        .collect();
    if let (Some(record), Some(fields)) = (&operation.record, query.members["fields"].as_str()) {
        let wrong = selection::violations(fields, record, &facts.records);
        found.extend(wrong.into_iter().map(|wrong| format!("fields: {wrong}")));
    }
    found
}

fn mistakes(operation: &Operation, shape: &Shape, value: &Value) -> Vec<Mistake> {
    let mut mistakes = shape.mistakes(value);
    mistakes.retain(|mistake| !exceptions::excuse(operation, value, mistake));
    mistakes
}

fn shown_segment(segment: &str) -> String {
    match segment.strip_suffix(".json") {
        _ if segment.is_empty() || segment == "v4" => segment.to_owned(),
        Some(name) => format!("{}.json", shown(name)),
        None => shown(segment),
    }
}
