//! The same id again: within a firm it counts once.

use serde_json::json;

use super::{event, event_of};
use crate::asking::{nobody, start_without_workers};

#[tokio::test]
async fn the_same_id_twice_counts_once_and_the_first_wins() {
    let app = start_without_workers().await;
    let first = event_of(nobody(1), "same", "client.renamed", json!({ "number": 1 }));
    let second = event_of(nobody(1), "same", "client.moved", json!({ "number": 2 }));

    let in_one = app.post_events(&json!([first, second])).await.unwrap();
    let again = app.post_events(&second).await.unwrap();

    assert_eq!(
        (in_one.status, in_one.body),
        (202, json!({ "accepted": 1, "duplicates": 1 }))
    );
    assert_eq!(
        (again.status, again.body),
        (202, json!({ "accepted": 0, "duplicates": 1 }))
    );
    let firsts = "select count(*) from events where type = 'client.renamed'";
    assert_eq!(
        (app.stored_events().await, app.count(firsts).await.unwrap()),
        (1, 1)
    );
}

#[tokio::test]
async fn of_many_posts_of_one_id_at_once_exactly_one_is_accepted() {
    let app = std::sync::Arc::new(start_without_workers().await);
    let mut posts = tokio::task::JoinSet::new();

    for _ in 0..40 {
        let app = app.clone();
        posts.spawn(async move { app.post_events(&event(nobody(1), "same")).await.unwrap() });
    }
    let answers = posts.join_all().await;

    assert!(
        answers.iter().all(|answer| answer.status == 202),
        "{answers:?}"
    );
    let sum = |name: &str| {
        answers
            .iter()
            .map(|a| a.body[name].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!((sum("accepted"), sum("duplicates")), (1, 39));
}

#[tokio::test]
async fn the_same_id_in_another_firm_is_another_event() {
    let app = start_without_workers().await;
    let events = json!([event(nobody(1), "same"), event(nobody(2), "same")]);

    let answer = app.post_events(&events).await.unwrap();

    assert_eq!(
        (answer.status, answer.body),
        (202, json!({ "accepted": 2, "duplicates": 0 }))
    );
}
