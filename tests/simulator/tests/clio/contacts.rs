use reqwest::Method;
use serde_json::json;

use crate::play::{Play, send};

#[tokio::test]
async fn a_person_is_created_and_read_back() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let data = json!({
        "type": "Person", "first_name": "Ann", "last_name": "Lee",
        "email_addresses": [{"name": "Work", "address": "Ann@Example.com", "default_email": true}],
        "phone_numbers": [{"name": "Mobile", "number": "+1 555 0100"}],
    });

    let fields = "fields=id,name,email_addresses{address,primary},primary_phone_number";
    let made = play
        .post(&grant, &format!("contacts.json?{fields}"), data)
        .await;
    let read = play.get(&grant, &format!("contacts/{}", made.id())).await;

    assert_eq!(made.status, 201);
    assert_eq!(
        made.body["data"],
        json!({
            "id": made.id(), "name": "Ann Lee", "primary_phone_number": "+1 555 0100",
            "email_addresses": [{"address": "Ann@Example.com", "primary": true}],
        })
    );
    assert_eq!(
        read.body["data"],
        json!({"id": made.id(), "etag": read.header("etag")})
    );
}

#[tokio::test]
async fn what_clio_does_not_take_is_refused() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let email = |name: &str| json!([{"name": name, "address": "a@b.c"}]);

    let refused = [
        (422, json!({"type": "Person"})),
        (422, json!({"first_name": "Ann"})),
        (422, json!({"type": "Company"})),
        (422, json!({"type": "Robot", "name": "R2"})),
        (
            422,
            json!({"type": "Person", "first_name": "Ann", "email_addresses": email("Private")}),
        ),
        (
            400,
            json!({"type": "Person", "first_name": "Ann", "nickname": "A"}),
        ),
        (
            400,
            json!({"type": "Person", "first_name": "Ann", "email_addresses": [{"primary": true}]}),
        ),
    ];

    for (status, data) in refused {
        let reply = play.post(&grant, "contacts.json", data.clone()).await;
        assert_eq!(reply.error(), (status, "ArgumentError"), "{data}");
    }
    assert_eq!(play.shown("state").await["contacts"], json!([]));
}

#[tokio::test]
async fn a_query_finds_more_than_exact_matches_and_phones_by_digits() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let ann = play.contact(&grant, "Ann", "ann@example.com").await;
    let joann = play.contact(&grant, "Jo", "JOANN@example.com").await;
    let phones = json!([{"name": "Work", "number": "+1 (555) 0100"}]);
    let data = json!({"type": "Person", "last_name": "Bell", "phone_numbers": phones});
    let bell = play.post(&grant, "contacts", data).await.id();

    assert_eq!(
        play.get(&grant, "contacts?query=ann@example.com")
            .await
            .ids(),
        [ann, joann]
    );
    assert_eq!(
        play.get(&grant, "contacts?query=5550100").await.ids(),
        [bell]
    );
    assert_eq!(
        play.get(&grant, "contacts?query=nobody").await.ids(),
        Vec::<u64>::new()
    );
}

#[tokio::test]
async fn an_unchanged_record_is_not_sent_again() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let path = format!(
        "contacts/{}",
        play.contact(&grant, "Ann", "ann@example.com").await
    );
    let etag = play.get(&grant, &path).await.header("etag").to_owned();

    let request = play
        .call(&grant, Method::GET, &path)
        .header("If-None-Match", &etag);
    let known = send(request).await.unwrap();

    assert_eq!((known.status, known.text.as_str()), (304, ""));
    assert_eq!(known.header("etag"), etag);
}

#[tokio::test]
async fn a_pre_existing_contact_is_found_whatever_the_search_lag() {
    let play = Play::start().await;
    let grant = play.connect().await;
    play.control("change", json!({"search_lag_ms": 3_600_000}))
        .await;

    let data = json!({"type": "Person", "first_name": "Old"});
    let id = play
        .control("change", json!({"create_contact": data}))
        .await
        .body["id"]
        .clone();
    play.contact(&grant, "New", "new@example.com").await;

    assert_eq!(json!(play.get(&grant, "contacts").await.ids()), json!([id]));
}
