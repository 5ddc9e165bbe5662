use serde_json::json;

use crate::play::{Play, send};

#[tokio::test]
async fn a_list_is_read_page_by_page_by_following_next() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(
            play.contact(&grant, &format!("N{number}"), "n@example.com")
                .await,
        );
    }

    let mut read = Vec::new();
    let mut next = play.url("/api/v4/contacts.json?limit=2&order=id(asc)&fields=id,name");
    let mut pages = 0;
    while !next.is_empty() {
        let page = send(play.http.get(&next).bearer_auth(&grant.access))
            .await
            .unwrap();
        read.extend(page.ids());
        next = page.body["meta"]["paging"]["next"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        pages += 1;
    }

    assert_eq!((pages, read), (3, made));
}

#[tokio::test]
async fn offsets_work_in_any_order_and_end_at_ten_thousand() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let first = play.contact(&grant, "A", "a@example.com").await;
    let second = play.contact(&grant, "B", "b@example.com").await;

    let page = play
        .get(&grant, "contacts?order=name(desc)&limit=1&offset=1")
        .await;
    let beyond = play.get(&grant, "contacts?offset=10001").await;

    assert_eq!(page.ids(), [first]);
    assert!(page.body["meta"]["paging"]["previous"].is_string());
    assert!(page.body["meta"]["paging"].get("next").is_none());
    assert_eq!(beyond.error(), (422, "ArgumentError"));
    assert_eq!(
        play.get(&grant, "contacts?order=id(desc)").await.ids(),
        [second, first]
    );
}

#[tokio::test]
async fn bad_parameters_are_refused() {
    let play = Play::start().await;
    let grant = play.connect().await;

    for (status, kind, query) in [
        (422, "ArgumentError", "limit=201"),
        (422, "ArgumentError", "limit=0"),
        (422, "ArgumentError", "created_since=yesterday"),
        (422, "ArgumentError", "page_token=%21"),
        (400, "ArgumentError", "email=a@b.c"),
        (400, "InvalidFields", "fields=id,email"),
        (400, "InvalidFields", "fields=email_addresses{a{b}}"),
    ] {
        let reply = play.get(&grant, &format!("contacts?{query}")).await;
        assert_eq!(reply.error(), (status, kind), "{query}");
    }
}

#[tokio::test]
async fn a_new_record_is_in_lists_only_after_the_search_lag_and_by_id_at_once() {
    let play = Play::start().await;
    let grant = play.connect().await;
    play.control("change", json!({"search_lag_ms": 3_600_000}))
        .await;
    let id = play.contact(&grant, "Ann", "ann@example.com").await;

    let lagging = play.get(&grant, "contacts?query=ann").await;
    let by_id = play.get(&grant, &format!("contacts/{id}")).await;
    play.control("change", json!({"search_lag_ms": 0})).await;
    let later = play.get(&grant, "contacts?query=ann").await;

    assert_eq!(lagging.ids(), Vec::<u64>::new());
    assert_eq!(by_id.status, 200);
    assert_eq!(later.ids(), [id]);
}

#[tokio::test]
async fn ids_and_times_narrow_a_list() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let one = play.contact(&grant, "A", "a@example.com").await;
    let two = play.contact(&grant, "B", "b@example.com").await;

    let both = play
        .get(&grant, &format!("contacts?ids[]={one}&ids[]={two}"))
        .await;
    let none = play
        .get(&grant, "contacts?created_since=2999-01-01T00:00:00Z")
        .await;
    let all = play
        .get(&grant, "contacts?updated_since=2020-01-01T00:00:00%2B00:00")
        .await;

    assert_eq!(both.ids(), [one, two]);
    assert_eq!(none.ids(), Vec::<u64>::new());
    assert_eq!(all.ids(), [one, two]);
}

#[tokio::test]
async fn practice_areas_are_usual_ones_until_the_firm_changes_them() {
    let play = Play::start().await;
    let grant = play.connect().await;

    let usual = play.get(&grant, "practice_areas?fields=id,name").await;
    play.control(
        "change",
        json!({"practice_areas": ["Family Law", "Maritime"]}),
    )
    .await;
    let changed = play.get(&grant, "practice_areas?fields=name").await;

    assert_eq!(usual.ids().len(), 15);
    assert_eq!(
        changed.body["data"],
        json!([{"name": "Family Law"}, {"name": "Maritime"}])
    );
}
