//! What is wrong in a body: its members, its kind, an OAuth form; and the one request that has a header instead.

use serde_json::{Value, json};

use super::{assert_found, document, form, found, get, patch, person, post, request, with};

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
