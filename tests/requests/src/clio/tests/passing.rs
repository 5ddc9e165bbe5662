//! Requests that Clio knows, and nothing is found in them.

use serde_json::{Value, json};

use super::{document, form, found, get, patch, person, post, request};

fn token(rest: &str) -> Value {
    let client = "client_id=i&client_secret=[redacted]";
    form("/oauth/token", &format!("{client}&{rest}"))
}

fn assert_passes(lines: Vec<Value>) {
    for line in lines {
        assert_eq!(found(line.clone()), [""; 0], "{line}");
    }
}

#[test]
fn reads_that_clio_knows_pass() {
    assert_passes(vec![
        get("/users/who_am_i.json?fields=id,name,email,account%7Bid,name%7D"),
        get("/users/who_am_i"),
        get("/contacts.json?query=ann%40example.com&type=Person&limit=200&order=id(asc)"),
        get("/contacts.json?ids[]=1&ids[]=2&custom_field_values[17]=a&custom_field_values[18]=b"),
        get("/contacts/5.json?fields=id,etag,name,email_addresses{id,address}"),
        get("/matters.json?client_id=5&created_since=2026-01-05T10:00:00Z&status=open,pending"),
        get("/matters.json?open_date[]=%3E%3D2026-01-01&open_date[]=%3C2026-02-01"),
        get("/matters/6?fields=client{id,name},practice_area,folder{id}"),
        get("/practice_areas.json?fields=id,name,code,category&page_token=a"),
        get("/documents.json?matter_id=6&external_property_name=a&show_uncompleted=true"),
        get("/documents/7.json?fields=latest_document_version{uuid,put_url,put_headers}"),
        get("/documents/7/versions.json?fully_uploaded=true&fields=id,uuid"),
        get("/documents/7/download.json"),
        get("/folders/list.json?fields=id,type"),
        get("/notes.json?matter_id=6&type=Matter"),
        get("/custom_fields.json?parent_type=matter&field_type=text_line"),
        get("/webhooks.json?fields=id,url,model,events,status,expires_at,shared_secret"),
        request("DELETE", "/api/v4/webhooks/8.json"),
    ]);
}

#[test]
fn writes_that_clio_knows_pass() {
    let note = json!({"type": "Matter", "matter": {"id": 6}, "subject": "s", "detail": "d"});
    let about_contact = json!({"type": "Contact", "contact": {"id": 6}, "date": "2026-01-05"});
    let webhook = json!({
        "url": "https://casehug.test/hook", "model": "matter", "fields": "id,etag,status",
        "events": ["created", "matter_closed"], "expires_at": "2026-02-01T00:00:00Z",
    });
    let parts = json!([{"part_number": 1, "content_length": "5242880"}]);
    assert_passes(vec![
        post("/contacts.json?fields=id,etag", person()),
        post("/contacts", json!({"type": "Company", "name": "Lee Ltd"})),
        patch(
            "/contacts/5",
            json!({"email_addresses": [{"id": 1, "_destroy": true}]}),
        ),
        post(
            "/matters",
            json!({"client": {"id": 5}, "description": "d", "status": "open"}),
        ),
        patch(
            "/matters/6",
            json!({"custom_field_values": [{"id": "text_line-1", "value": "v"}]}),
        ),
        post(
            "/practice_areas",
            json!({"name": "Family", "category": "family"}),
        ),
        post("/documents", document()),
        patch(
            "/documents/7",
            json!({"uuid": "u", "fully_uploaded": false, "multiparts": parts}),
        ),
        post(
            "/folders",
            json!({"name": "In", "parent": {"id": 6, "type": "Matter"}}),
        ),
        post("/notes", note),
        post("/notes", about_contact),
        post("/webhooks", webhook),
        patch("/webhooks/8", json!({"expires_at": "2026-02-01T00:00:00Z"})),
    ]);
}

#[test]
fn requests_that_only_our_entries_know_pass() {
    let mut activate = request("PUT", "/api/v4/webhooks/8/activate");
    activate["headers"]["x-hook-secret"] = json!("s");
    assert_passes(vec![
        activate,
        request(
            "GET",
            "/oauth/authorize?response_type=code&client_id=i&redirect_uri=http%3A%2F%2Fc&state=s",
        ),
        token("grant_type=authorization_code&code=[redacted]&redirect_uri=u"),
        token("grant_type=refresh_token&refresh_token=[redacted]"),
        form("/oauth/deauthorize", "token=[redacted]"),
    ]);
}
