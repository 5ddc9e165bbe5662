use reqwest::Method;
use serde_json::json;

use crate::play::{Play, send};

const FIELDS: &str = "fields=id,etag,status,description,client{id,name},practice_area{name}";

#[tokio::test]
async fn a_matter_belongs_to_a_client_and_shows_its_status_capitalised() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let client = play.contact(&grant, "Ann", "ann@example.com").await;
    let area = play
        .get(&grant, "practice_areas?name=Family%20Law")
        .await
        .ids()[0];

    let data = json!({
        "client": {"id": client}, "description": "Divorce", "status": "pending",
        "practice_area": {"id": area}, "client_reference": "CH-1", "open_date": "2026-01-31",
    });
    let made = play
        .post(&grant, &format!("matters.json?{FIELDS}"), data)
        .await;
    let found = play
        .get(
            &grant,
            &format!("matters?client_id={client}&status=open,pending"),
        )
        .await;

    assert_eq!(made.status, 201);
    assert_eq!(made.body["data"]["status"], "Pending");
    assert_eq!(
        made.body["data"]["client"],
        json!({"id": client, "name": "Ann"})
    );
    assert_eq!(
        made.body["data"]["practice_area"],
        json!({"name": "Family Law"})
    );
    assert_eq!(found.ids(), [made.id()]);
    assert_eq!(
        play.get(&grant, "contacts?client_only=true").await.ids(),
        [client]
    );
}

#[tokio::test]
async fn what_clio_does_not_take_is_refused() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let client = json!({"id": play.contact(&grant, "Ann", "ann@example.com").await});

    for (status, data) in [
        (422, json!({"client": client})),
        (422, json!({"description": "Divorce"})),
        (422, json!({"client": client, "description": " "})),
        (
            422,
            json!({"client": client, "description": "D", "status": "Open"}),
        ),
        (
            422,
            json!({"client": client, "description": "D", "open_date": "31.1.2026"}),
        ),
        (
            422,
            json!({"client": client, "description": "D", "display_number": "1"}),
        ),
        (
            400,
            json!({"client": client, "description": "D", "custom_number": "1"}),
        ),
        (
            400,
            json!({"client_id": 1, "client": client, "description": "D"}),
        ),
        (404, json!({"client": {"id": 1}, "description": "D"})),
        (
            404,
            json!({"client": client, "description": "D", "practice_area": {"id": 1}}),
        ),
    ] {
        let reply = play.post(&grant, "matters.json", data.clone()).await;
        assert_eq!(reply.status, status, "{data} {}", reply.text);
    }
    assert_eq!(play.shown("state").await["matters"], json!([]));
}

#[tokio::test]
async fn a_change_upon_an_old_etag_is_refused() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let client = play.contact(&grant, "Ann", "ann@example.com").await;
    let id = play.matter(&grant, client).await;
    let path = format!("matters/{id}.json?{FIELDS}");
    let etag = play.get(&grant, &path).await.body["data"]["etag"]
        .as_str()
        .unwrap()
        .to_owned();
    let patch = |description: &str| {
        let body = json!({"data": {"description": description}});
        play.call(&grant, Method::PATCH, &path)
            .header("If-Match", &etag)
            .json(&body)
    };

    let first = send(patch("One")).await.unwrap();
    let second = send(patch("Two")).await.unwrap();

    assert_eq!(
        (first.status, &first.body["data"]["description"]),
        (200, &json!("One"))
    );
    assert_ne!(first.body["data"]["etag"], json!(etag));
    assert_eq!(second.status, 412);
}

#[tokio::test]
async fn a_person_at_the_provider_closes_and_deletes_a_matter() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let client = play.contact(&grant, "Ann", "ann@example.com").await;
    let id = play.matter(&grant, client).await;

    let closed = json!({"kind": "matter", "id": id, "data": {"status": "closed"}});
    play.control("change", json!({"update": closed})).await;
    let read = play
        .get(&grant, &format!("matters/{id}?fields=status"))
        .await;
    play.control("change", json!({"delete": {"kind": "matter", "id": id}}))
        .await;

    assert_eq!(read.body["data"]["status"], "Closed");
    assert_eq!(play.get(&grant, &format!("matters/{id}")).await.status, 404);
    assert_eq!(play.get(&grant, "matters").await.ids(), Vec::<u64>::new());
}
