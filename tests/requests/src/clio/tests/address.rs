//! What is wrong in an address: operation, host, query parameters, the selection of fields.

use serde_json::json;

use super::{assert_found, document, get, post, request};

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
