//! Requests written by hand: those that Clio knows pass, and each mistake is found by its words.

mod passing;

mod address;
mod body;

mod record;

use serde_json::{Value, json};

use crate::check;

const HOST: &str = "https://app.clio.com";

fn request(method: &str, path: &str) -> Value {
    json!({
        "at": "2026-01-05T10:00:00.000Z",
        "platform": "clio",
        "method": method,
        "url": format!("{HOST}{path}"),
        "headers": {"authorization": "[redacted]", "user-agent": "CaseHugSync/1.0"},
        "body": null,
        "status": 200,
        "response": null,
    })
}

fn get(path: &str) -> Value {
    request("GET", &format!("/api/v4{path}"))
}

fn with(mut request: Value, content_type: &str, body: Value) -> Value {
    request["headers"]["content-type"] = json!(content_type);
    request["body"] = body;
    request
}

fn post(path: &str, data: Value) -> Value {
    let request = request("POST", &format!("/api/v4{path}"));
    with(request, "application/json", json!({ "data": data }))
}

fn patch(path: &str, data: Value) -> Value {
    let request = request("PATCH", &format!("/api/v4{path}"));
    with(request, "application/json", json!({ "data": data }))
}

fn form(path: &str, text: &str) -> Value {
    let form = "application/x-www-form-urlencoded";
    with(request("POST", path), form, json!(text))
}

fn found(line: Value) -> Vec<String> {
    check(&line.to_string()).unwrap().violations
}

/// Each line has exactly the one mistake named beside it.
fn assert_found(lines: Vec<(Value, &str)>) {
    for (line, wanted) in lines {
        assert_eq!(found(line.clone()), [format!("line 1: {wanted}")], "{line}");
    }
}

fn person() -> Value {
    json!({
        "type": "Person", "first_name": "Ann", "last_name": "Lee",
        "email_addresses": [{"name": "Work", "address": "ann@example.com", "default_email": true}],
        "phone_numbers": [{"name": "Mobile", "number": "+1 555 0100", "default_number": true}],
        "addresses": [{"name": "Home", "street": "", "city": "", "postal_code": ""}],
    })
}

fn document() -> Value {
    json!({
        "name": "intake.pdf", "filename": "intake.pdf", "content_type": "application/pdf",
        "parent": {"id": 123, "type": "Matter"},
        "external_properties": [{"name": "casehug_document_id", "value": "7"}],
    })
}
