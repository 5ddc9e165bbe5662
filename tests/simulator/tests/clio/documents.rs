use serde_json::{Value, json};

use crate::play::{Grant, Play};

async fn matter(play: &Play, grant: &Grant) -> u64 {
    let client = play.contact(grant, "Ann", "ann@example.com").await;
    play.matter(grant, client).await
}

fn pdf(matter: u64, upload_id: &str) -> Value {
    json!({
        "name": "intake.pdf", "filename": "intake.pdf", "content_type": "application/pdf",
        "parent": {"id": matter, "type": "Matter"},
        "external_properties": [{"name": "casehug_document_id", "value": upload_id}],
    })
}

#[tokio::test]
async fn an_uncompleted_document_is_listed_only_when_asked_for() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let matter = matter(&play, &grant).await;
    let made = play.post(&grant, "documents.json", pdf(matter, "u1")).await;

    let query = format!("documents?matter_id={matter}");
    let plain = play.get(&grant, &query).await;
    let uncompleted = play
        .get(&grant, &format!("{query}&show_uncompleted=true"))
        .await;

    assert_eq!(made.status, 201);
    assert_eq!(plain.ids(), Vec::<u64>::new());
    assert_eq!(uncompleted.ids(), [made.id()]);
}

#[tokio::test]
async fn a_document_is_found_by_its_external_property() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let matter = matter(&play, &grant).await;
    let one = play
        .post(&grant, "documents.json", pdf(matter, "u1"))
        .await
        .id();
    play.post(&grant, "documents.json", pdf(matter, "u2")).await;

    let query = "external_property_name=casehug_document_id&external_property_value=u1";
    let path = format!("documents?show_uncompleted=true&{query}");
    let found = play
        .get(
            &grant,
            &format!("{path}&fields=id,external_properties{{value}}"),
        )
        .await;

    assert_eq!(found.ids(), [one]);
    assert_eq!(
        found.body["data"][0]["external_properties"],
        json!([{"value": "u1"}])
    );
}

#[tokio::test]
async fn what_clio_does_not_take_is_refused() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let matter = matter(&play, &grant).await;
    let with = |name: &str, value: Value| {
        let mut data = pdf(matter, "u1");
        data[name] = value;
        data
    };
    let six: Vec<Value> = (0..6)
        .map(|n| json!({"name": format!("n{n}"), "value": "v"}))
        .collect();

    for (status, data) in [
        (422, with("name", Value::Null)),
        (422, with("parent", Value::Null)),
        (422, with("parent", json!({"id": matter}))),
        (422, with("parent", json!({"id": matter, "type": "Firm"}))),
        (404, with("parent", json!({"id": 1, "type": "Matter"}))),
        (422, with("external_properties", json!(six))),
        (422, with("external_properties", json!([{"name": "n"}]))),
        (400, with("sha256", json!("x"))),
        (
            422,
            with(
                "multiparts",
                json!([{"part_number": 0, "content_length": 1}]),
            ),
        ),
        (422, with("multiparts", json!([{"part_number": 1}]))),
        (
            422,
            with(
                "multiparts",
                json!([
                    {"part_number": 1, "content_length": 5},
                    {"part_number": 2, "content_length": 5},
                ]),
            ),
        ),
    ] {
        let reply = play.post(&grant, "documents.json", data.clone()).await;
        assert_eq!(reply.status, status, "{data} {}", reply.text);
    }
    assert_eq!(play.shown("state").await["documents"], json!([]));
}

#[tokio::test]
async fn external_properties_are_changed_and_removed_by_their_ids() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let matter = matter(&play, &grant).await;
    let fields = "fields=id,external_properties{id,name,value}";
    let made = play
        .post(&grant, &format!("documents?{fields}"), pdf(matter, "u1"))
        .await;
    let path = format!("documents/{}?{fields}", made.id());
    let property = made.body["data"]["external_properties"][0]["id"].clone();

    let change = json!({"external_properties": [{"id": property, "value": "u2"}]});
    let changed = play.patch(&grant, &path, change).await;
    let removal = json!({"external_properties": [{"id": property, "_destroy": true}]});
    let removed = play.patch(&grant, &path, removal).await;

    assert_eq!(
        changed.body["data"]["external_properties"][0]["value"],
        "u2"
    );
    assert_eq!(removed.body["data"]["external_properties"], json!([]));
}
