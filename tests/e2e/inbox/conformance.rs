//! The rules of an inbox, each run against both: the trait as ingress uses it, the store as a real server that is killed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use harness::eventually;
use serde_json::json;
use sqlx::Row;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::store::{Caller, Store};
use crate::support::SOON;

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

/// Several firms that send side by side.
struct Load {
    callers: Vec<Caller>,
    sending: JoinSet<()>,
}

impl Load {
    fn start(store: &Store) -> Self {
        let callers: Vec<Caller> = (1..=FIRMS).map(Caller::new).collect();
        let mut sending = JoinSet::new();
        for caller in callers.clone() {
            sending.spawn(caller.send(store.inbox.clone(), SIZE));
        }
        Self { callers, sending }
    }

    /// Waits until the inbox has taken `batches` batches of each caller.
    async fn wait_for_taken(&self, batches: usize) {
        for caller in &self.callers {
            caller.wait_for(&caller.taken, batches).await;
        }
    }

    async fn wait_for_refused(&self, attempts: usize) {
        for caller in &self.callers {
            caller.wait_for(&caller.refused, attempts).await;
        }
    }

    fn taken(&self) -> usize {
        self.callers[0].taken.load(Ordering::Relaxed)
    }

    /// Everything that was accepted is there, once and in its order.
    async fn finish(self, store: &Store) {
        for caller in &self.callers {
            caller.enough.store(true, Ordering::Relaxed);
        }
        self.sending.join_all().await;
        store.drain().await;
        for caller in &self.callers {
            let sent = caller.taken.load(Ordering::Relaxed) * SIZE;
            let ids = store.ids(caller.firm).await;
            assert_eq!(ids, caller.expected(sent), "{:?}", caller.firm);
        }
    }
}

async fn every_accepted_event_is_there_once_and_in_order_per_firm(store: Store) {
    let load = Load::start(&store);

    load.wait_for_taken(60).await;

    load.finish(&store).await;
}

async fn an_event_that_is_sent_again_stays_the_first_one(store: Store) {
    let caller = Caller::new(1);
    let mut changed = caller.event(0);
    changed.data = json!({ "client_id": Uuid::from_u128(99) });

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
    assert_eq!(first, json!({ "client_id": Uuid::from_u128(0) }));
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
        let there = eventually(SOON, || async {
            let probe = Caller::new(2).event(round);
            store.inbox.append(&[probe]).await.ok()
        });
        there.await.unwrap();
    }

    store.drain().await;

    let rows = sqlx::query(
        "select split_part(id, '-', 2)::int / 400 as batch, count(*) as events from events where firm_id = $1 group by 1",
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
    let load = Load::start(&store);

    for _ in 0..4 {
        load.wait_for_taken(load.taken() + 20).await;
        store.kill().await;
        store.start_again().await;
    }
    load.wait_for_taken(load.taken() + 5).await;

    load.finish(&store).await;
}

async fn nothing_accepted_is_lost_or_reordered_while_the_store_is_away(store: Store) {
    let load = Load::start(&store);

    load.wait_for_taken(10).await;
    store.kill().await;
    load.wait_for_refused(2).await;
    store.start_again().await;
    load.wait_for_taken(load.taken() + 5).await;

    load.finish(&store).await;
}
