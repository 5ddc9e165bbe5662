use std::io::Write as _;

use serde_json::{Value, json};

use super::*;

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

fn token(rest: &str) -> Value {
    let client = "client_id=i&client_secret=[redacted]";
    form("/oauth/token", &format!("{client}&{rest}"))
}

fn found(line: Value) -> Vec<String> {
    check(&line.to_string()).unwrap().violations
}

fn assert_passes(lines: Vec<Value>) {
    for line in lines {
        assert_eq!(found(line.clone()), [""; 0], "{line}");
    }
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

#[test]
fn unknown_operations_are_found_without_their_ids() {
    assert_found(vec![
        (
            get("/contactz/42.json"),
            "GET /api/v4/contactz/….json: is not among Clio's operations",
        ),
        (
            request("PUT", "/api/v4/matters/6.json"),
            "PUT /api/v4/matters/….json: is not among Clio's operations",
        ),
        (
            get("/contacts/ann@example.com"),
            "GET /api/v4/contacts/…: is not among Clio's operations",
        ),
        (
            request("POST", "/oauth/token.json"),
            "POST /oauth/token.json: is not among Clio's operations",
        ),
    ]);
}

#[test]
fn other_hosts_are_found() {
    let mut line = get("/users/who_am_i");
    line["url"] = json!("https://api.clio.com/api/v4/users/who_am_i");

    assert_found(vec![(
        line,
        "GET /api/v4/users/who_am_i: does not go to a host of Clio's",
    )]);
}

#[test]
fn wrong_query_parameters_are_found() {
    let contacts = |query: &str| get(&format!("/contacts.json?{query}"));
    let cases = [
        ("email=a", ": has the unknown `email`"),
        ("offset=0", ": has the unknown `offset`"),
        ("ids=1", ": has the unknown `ids`"),
        ("42=1", ": has the unknown `…`"),
        ("type=person", "/type: is none of the allowed values"),
        ("order=id", "/order: is none of the allowed values"),
        ("limit=many", "/limit: is not of type integer"),
        ("limit=3000000000", "/limit: breaks the schema's `maximum`"),
        ("limit=1&limit=2", "/limit: is given twice"),
        ("ids[]=1&ids[]=a", "/ids[]/1: is not of type integer"),
        ("client_only=yes", "/client_only: is not of type boolean"),
        (
            "created_since=2026-01-05",
            "/created_since: is no date-time",
        ),
        (
            "custom_field_values[x]=1",
            "/custom_field_values: has the unknown `x`",
        ),
        (
            "custom_field_values=1",
            "/custom_field_values: is not of type object",
        ),
    ];
    for (query, wanted) in cases {
        let wanted = format!("GET /api/v4/contacts: query{wanted}");
        assert_found(vec![(contacts(query), &wanted)]);
    }
    assert_found(vec![
        (
            get("/matters?status=open,shut"),
            "GET /api/v4/matters: query/status: has the wrong form",
        ),
        (
            request("DELETE", "/api/v4/webhooks/8?fields=id"),
            "DELETE /api/v4/webhooks/{id}: query: has the unknown `fields`",
        ),
        (
            request(
                "GET",
                "/oauth/authorize?response_type=code&client_id=i&redirect_uri=u",
            ),
            "GET /oauth/authorize: query: lacks `state`",
        ),
    ]);
}

#[test]
fn wrong_members_of_a_body_are_found_at_any_depth() {
    let contact = |pointer: &str, value: Value| {
        let mut data = person();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        data.pointer_mut(parent).unwrap()[name] = value;
        post("/contacts", data)
    };
    let cases = [
        (
            contact("/firstName", json!("Ann")),
            "/data: has the unknown `firstName`",
        ),
        (
            contact("/email_addresses/0/primary", json!(true)),
            "/data/email_addresses/0: has the unknown `primary`",
        ),
        (
            contact("/phone_numbers/0/name", json!("mobile")),
            "/data/phone_numbers/0/name: is none of the allowed values",
        ),
        (
            contact("/email_addresses/0/default_email", json!("true")),
            "/data/email_addresses/0/default_email: is not of type boolean",
        ),
        (
            contact("/date_of_birth", json!("5.1.1990")),
            "/data/date_of_birth: is no date",
        ),
        (
            contact("/prefix", Value::Null),
            "/data/prefix: is not of type string",
        ),
    ];
    for (line, wanted) in cases {
        let wanted = format!("POST /api/v4/contacts: body{wanted}");
        assert_found(vec![(line, &wanted)]);
    }
    let rates = json!({"rates": [{"user": {"id": 1, "nr": "x"}}]});
    assert_found(vec![
        (
            patch("/matters/6", json!({ "custom_rate": rates })),
            "PATCH /api/v4/matters/{id}: body/data/custom_rate/rates/0/user: has the unknown `nr`",
        ),
        (
            patch(
                "/documents/7",
                json!({"latest_document_version": {"fully_uploaded": true}}),
            ),
            "PATCH /api/v4/documents/{id}: body/data: has the unknown `latest_document_version`",
        ),
        (
            patch(
                "/documents/7",
                json!({"uuid": "u", "fully_uploaded": "true"}),
            ),
            "PATCH /api/v4/documents/{id}: body/data/fully_uploaded: is not of type boolean",
        ),
    ]);
}

#[test]
fn missing_members_are_found() {
    let bare = with(
        request("POST", "/api/v4/matters"),
        "application/json",
        json!({}),
    );
    let half = json!([{"part_number": 1}]);
    let mut parts = document();
    parts["multiparts"] = half;
    assert_found(vec![
        (bare, "POST /api/v4/matters: body: lacks `data`"),
        (
            post("/matters", json!({"client": {"id": 5}})),
            "POST /api/v4/matters: body/data: lacks `description`",
        ),
        (
            post(
                "/matters",
                json!({"client": {"id": "5"}, "description": "d"}),
            ),
            "POST /api/v4/matters: body/data/client/id: is not of type integer",
        ),
        (
            post("/documents", json!({"name": "n", "parent": {"id": 1}})),
            "POST /api/v4/documents: body/data/parent: lacks `type`",
        ),
        (
            post("/documents", parts),
            "POST /api/v4/documents: body/data/multiparts/0: lacks `content_length`",
        ),
        (
            request("POST", "/api/v4/contacts"),
            "POST /api/v4/contacts: has no body",
        ),
    ]);
}

#[test]
fn exceptions_reach_no_further_than_the_contract() {
    assert_found(vec![
        (
            post("/contacts", json!({"type": "Person", "first_name": " "})),
            "POST /api/v4/contacts: body/data: lacks `name`",
        ),
        (
            post("/contacts", json!({"type": "Company", "first_name": "Ann"})),
            "POST /api/v4/contacts: body/data: lacks `name`",
        ),
        (
            post("/notes", json!({"type": "Matter", "contact": {"id": 5}})),
            "POST /api/v4/notes: body/data: lacks `matter`",
        ),
        (
            post("/notes", json!({"type": "Contact", "matter": {"id": 5}})),
            "POST /api/v4/notes: body/data: lacks `contact`",
        ),
    ]);
}

#[test]
fn bodies_of_the_wrong_kind_are_found() {
    let text = with(
        request("POST", "/api/v4/notes"),
        "text/plain",
        json!("hello"),
    );
    assert_eq!(
        found(text),
        [
            "line 1: POST /api/v4/notes: its content-type is not application/json",
            "line 1: POST /api/v4/notes: body: is not of type object",
        ]
    );
    assert_found(vec![
        (
            with(get("/matters/6"), "application/json", json!({})),
            "GET /api/v4/matters/{id}: has a body",
        ),
        (
            with(
                request("POST", "/oauth/deauthorize"),
                "application/json",
                json!({"token": "[redacted]"}),
            ),
            "POST /oauth/deauthorize: its body is no form",
        ),
    ]);
}

#[test]
fn wrong_oauth_forms_and_activations_are_found() {
    let token = |rest: &str| {
        form(
            "/oauth/token",
            &format!("client_id=i&client_secret=x&{rest}"),
        )
    };
    let cases = [
        (
            "grant_type=refresh_token&refresh_token=r&scope=matters",
            ": has the unknown `scope`",
        ),
        ("grant_type=refresh_token", ": lacks `refresh_token`"),
        ("code=c&redirect_uri=u", ": lacks `grant_type`"),
        (
            "grant_type=authorization_code&code=c",
            ": lacks `redirect_uri`",
        ),
        (
            "grant_type=refresh_token&refresh_token=r&code=c",
            "/code: does not belong there",
        ),
        (
            "grant_type=password",
            "/grant_type: is none of the allowed values",
        ),
        (
            "grant_type=refresh_token&refresh_token=",
            "/refresh_token: is empty",
        ),
    ];
    for (rest, wanted) in cases {
        let wanted = format!("POST /oauth/token: body{wanted}");
        assert_found(vec![(token(rest), &wanted)]);
    }
    assert_found(vec![(
        request("PUT", "/api/v4/webhooks/8/activate"),
        "PUT /api/v4/webhooks/{id}/activate: lacks the header `x-hook-secret`",
    )]);
}

#[test]
fn selections_of_unknown_fields_are_found() {
    let cases = [
        ("id,mail", "unknown `mail`"),
        ("id,", "unknown `…`"),
        ("id, etag", "unknown `…`"),
        (
            "email_addresses{id,mail}",
            "unknown `email_addresses{mail}`",
        ),
        ("mail{id}", "`mail` has no fields of its own"),
        ("name{first}", "`name` has no fields of its own"),
        ("company{}", "unknown `company{…}`"),
        ("company{id}x", "`company{…}` is malformed"),
        ("company{id", "its braces do not match, or are nested twice"),
        (
            "company{account{id}}",
            "its braces do not match, or are nested twice",
        ),
    ];
    for (fields, wanted) in cases {
        let wanted = format!("GET /api/v4/contacts: fields: {wanted}");
        assert_found(vec![(get(&format!("/contacts?fields={fields}")), &wanted)]);
    }
    assert_found(vec![(
        post("/documents?fields=id,put_url", document()),
        "POST /api/v4/documents: fields: unknown `put_url`",
    )]);
}

#[test]
fn only_requests_to_clio_are_checked_and_other_platforms_are_found() {
    let mut storage = get("/nowhere");
    storage["platform"] = json!("storage");
    let mut other = get("/users/who_am_i");
    other["platform"] = json!("mycase");
    let mut cut = post("/contacts", json!({}));
    cut["body"] = Value::Null;
    cut["fault"] = json!("client_left");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for line in [storage, get("/users/who_am_i"), other, cut] {
        writeln!(file, "{line}").unwrap();
    }

    let report = violations(file.path()).unwrap();

    assert_eq!(report.requests_checked, 2);
    assert_eq!(
        report.violations,
        ["line 3: the platform is neither clio nor storage"]
    );
}

#[test]
fn a_line_that_is_no_record_line_is_an_error() {
    assert!(check("{\"platform\":\"clio\"}").is_err());
    assert!(violations(Path::new("/nonexistent/record.jsonl")).is_err());
}
