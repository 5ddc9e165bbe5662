//! The rules of an inbox, each run against both: the trait as ingress uses it, the store as a real server that is killed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;
use sqlx::Row;
use tokio::task::JoinSet;

use super::store::{Caller, Store};

macro_rules! of_both_inboxes {
    ($($rule:ident)*) => {
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $rule() {
                super::$rule(super::Store::postgres().await).await;
            })*
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $rule() {
                super::$rule(super::Store::redis().await).await;
            })*
        }
        /// Redis as it comes from the package, but for the file: it answers before it has synced.
        mod redis_that_syncs_every_second {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $rule() {
                let settings = [("appendfsync", "everysec")];
                super::$rule(super::Store::redis_with(&settings).await).await;
            })*
        }
    };
}

of_both_inboxes! {
    every_accepted_event_is_there_once_and_in_order_per_firm
    an_event_that_is_sent_again_stays_the_first_one
    a_batch_is_there_whole_or_not_at_all
    nothing_accepted_is_lost_or_reordered_when_the_store_is_killed
    nothing_accepted_is_lost_or_reordered_while_the_store_is_away
}

const FIRMS: u128 = 4;
const SIZE: usize = 5;

/// Lets several firms send side by side.
fn send(store: &Store, batches: usize) -> (Vec<Caller>, JoinSet<()>) {
    let callers: Vec<Caller> = (1..=FIRMS).map(Caller::new).collect();
    let mut sending = JoinSet::new();
    for caller in callers.clone() {
        sending.spawn(caller.send(store.inbox.clone(), batches, SIZE));
    }
    (callers, sending)
}

async fn assert_all_there(store: &Store, callers: &[Caller], batches: usize) {
    store.drain().await;
    for caller in callers {
        let ids = store.ids(caller.firm).await;
        assert_eq!(ids, caller.expected(batches * SIZE), "{:?}", caller.firm);
    }
}

async fn every_accepted_event_is_there_once_and_in_order_per_firm(store: Store) {
    let (callers, sending) = send(&store, 60);

    sending.join_all().await;

    assert_all_there(&store, &callers, 60).await;
}

async fn an_event_that_is_sent_again_stays_the_first_one(store: Store) {
    let caller = Caller::new(1);
    let mut changed = caller.event(0);
    changed.data = json!({ "number": "changed" });

    store.inbox.append(&caller.batch(0, 3)).await.unwrap();
    store
        .inbox
        .append(&[changed, caller.event(3)])
        .await
        .unwrap();
    store.drain().await;

    assert_eq!(store.ids(caller.firm).await, caller.expected(4));
    let first: serde_json::Value =
        sqlx::query_scalar("select data from events where id = 'event-0'")
            .fetch_one(&store.admin)
            .await
            .unwrap();
    assert_eq!(first, json!({ "number": 0 }));
}

async fn a_batch_is_there_whole_or_not_at_all(store: Store) {
    const LARGE: usize = 400;
    const ROUNDS: usize = 3;
    let store = Arc::new(store);
    let caller = Caller::new(1);
    let mut answered = Vec::new();
    let mut next = 0;
    for round in 1..=ROUNDS {
        let (writer, from) = (caller.clone(), next);
        let inbox = store.inbox.clone();
        // Sends until it is refused, and says how far it came.
        let writing = tokio::spawn(async move {
            for number in from.. {
                if inbox.append(&writer.batch(number, LARGE)).await.is_err() {
                    return number;
                }
                writer.taken.fetch_add(1, Ordering::Relaxed);
            }
            unreachable!("the store is killed before")
        });
        caller.wait_for(&caller.taken, round * 4).await;
        store.kill().await;
        let refused = writing.await.unwrap();
        answered.extend(next..refused);
        next = refused + 1;
        store.start_again().await;
        let last = Caller::new(2);
        last.clone().send(store.inbox.clone(), 1, round).await;
    }

    store.drain().await;

    let rows = sqlx::query(
        "select (data ->> 'number')::int / 400 as batch, count(*) as events from events where firm_id = $1 group by 1",
    )
    .bind(caller.firm.0)
    .fetch_all(&store.admin)
    .await
    .unwrap();
    let found: Vec<usize> = rows
        .iter()
        .map(|row| {
            assert_eq!(row.get::<i64, _>("events"), 400, "a part of a batch");
            usize::try_from(row.get::<i32, _>("batch")).unwrap()
        })
        .collect();
    for batch in &answered {
        assert!(
            found.contains(batch),
            "batch {batch} of {answered:?} was lost"
        );
    }
}

async fn nothing_accepted_is_lost_or_reordered_when_the_store_is_killed(store: Store) {
    let (callers, sending) = send(&store, 150);

    for round in 1..=3 {
        callers[0].wait_for(&callers[0].taken, round * 25).await;
        store.kill().await;
        store.start_again().await;
    }
    sending.join_all().await;

    assert_all_there(&store, &callers, 150).await;
}

async fn nothing_accepted_is_lost_or_reordered_while_the_store_is_away(store: Store) {
    let (callers, sending) = send(&store, 40);

    callers[0].wait_for(&callers[0].taken, 10).await;
    store.kill().await;
    callers[0].wait_for(&callers[0].refused, 4).await;
    store.start_again().await;
    sending.join_all().await;

    assert_all_there(&store, &callers, 40).await;
}
