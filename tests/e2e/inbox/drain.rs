//! The drain: from the stream into the Postgres inbox, whatever dies in between.

use super::store::{Caller, Store};
use super::{DEAD, STREAM};

impl Store {
    /// As a drain that takes entries and then dies: they are delivered, and no living drain has them.
    async fn deliver_to_the_dead(&self, entries: usize) {
        let count = entries.to_string();
        let read = [
            "XREADGROUP",
            "GROUP",
            "casehug",
            "drain",
            "COUNT",
            &count,
            "STREAMS",
            STREAM,
            ">",
        ];
        let _: redis::Value = self.server().ask(&read).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_mover_had_taken_goes_first() {
    let store = Store::redis().await;
    let caller = Caller::new(1);
    store.redis_drain().run_once().await.unwrap();
    store.inbox.append(&caller.batch(0, 700)).await.unwrap();

    store.deliver_to_the_dead(600).await;
    store.drain().await;

    assert_eq!(store.ids(caller.firm).await, caller.expected(700));
}

#[tokio::test(flavor = "multi_thread")]
async fn movers_side_by_side_keep_the_order_even_when_one_has_lost_its_lock_and_reads_on() {
    let store = Store::redis().await;
    let caller = Caller::new(1);
    store.redis_drain().run_once().await.unwrap();
    store.inbox.append(&caller.batch(0, 4_000)).await.unwrap();

    let moving = (0..3).map(|_| async {
        let mut drain = store.redis_drain();
        while store.server().length(STREAM).await.unwrap() > 0 {
            drain.run_once().await.unwrap();
        }
    });
    let reading_on = async {
        while store.server().length(STREAM).await.unwrap() > 0 {
            store.deliver_to_the_dead(70).await;
        }
    };
    futures::future::join(futures::future::join_all(moving), reading_on).await;

    assert_eq!(store.ids(caller.firm).await, caller.expected(4_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_in_both_inboxes_is_one() {
    let store = Store::redis().await;
    let postgres = shared::inbox::PostgresInbox::new(store.database.clone());
    let caller = Caller::new(1);

    shared::inbox::Inbox::append(&postgres, &caller.batch(0, 2))
        .await
        .unwrap();
    store.inbox.append(&caller.batch(0, 4)).await.unwrap();
    store.drain().await;

    assert_eq!(store.ids(caller.firm).await, caller.expected(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_moved_is_set_aside_and_holds_nobody_up() {
    let store = Store::redis().await;
    let caller = Caller::new(1);
    let mut refused = caller.event(7);
    refused.id = "x".repeat(129);
    store.inbox.append(&caller.batch(0, 2)).await.unwrap();
    for garbage in [["event", "nonsense"], ["other", "field"]] {
        let add = ["XADD", STREAM, "*", garbage[0], garbage[1]];
        let _: String = store.server().ask(&add).await.unwrap();
    }
    store.inbox.append(&[refused]).await.unwrap();
    store.inbox.append(&caller.batch(1, 2)).await.unwrap();

    let moved = store.redis_drain().run_once().await.unwrap();

    assert_eq!((moved.entries, moved.dead, moved.more), (4, 3, false));
    assert_eq!(store.server().length(STREAM).await.unwrap(), 0);
    assert_eq!(store.server().length(DEAD).await.unwrap(), 3);
    assert_eq!(store.ids(caller.firm).await, caller.expected(4));
    let dead: String = store
        .server()
        .ask::<redis::Value>(&["XRANGE", DEAD, "-", "+"])
        .await
        .map(|entries| format!("{entries:?}"))
        .unwrap();
    for word in ["nonsense", "field", "unreadable", "refused"] {
        assert!(dead.contains(word), "{word} in {dead}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_memory_refuses_a_batch_whole_and_lets_the_mover_make_room() {
    let store = Store::redis_with(&[("maxmemory", "6mb")]).await;
    let caller = Caller::new(1);
    store.redis_drain().run_once().await.unwrap();
    let mut batches = 0;

    while store
        .inbox
        .append(&caller.batch(batches, 1_000))
        .await
        .is_ok()
    {
        batches += 1;
        assert!(batches < 1_000, "the memory is never full");
    }
    let waiting = store.server().length(STREAM).await.unwrap();
    store.drain().await;

    assert_eq!(waiting, batches * 1_000);
    assert_eq!(
        store.ids(caller.firm).await,
        caller.expected(batches * 1_000)
    );
    store
        .inbox
        .append(&caller.batch(batches, 1_000))
        .await
        .unwrap();
}
