//! The relay and transactions that are slower than their positions.

use std::time::Duration;

use shared::clock::Moment;
use shared::db::Database;
use shared::domain::capabilities::Offers;
use shared::inbox::Relay;

use crate::test_queue::TestQueue;

/// The relay's first look falls between the event's position and the end of any younger transaction: no snapshot shows then that the
/// event's transaction has begun.
#[tokio::test]
async fn an_event_is_taken_by_the_first_look_after_its_commit_whatever_was_running() {
    let queue = TestQueue::start(1, 1).await;
    let database = Database::lazy(queue.database.url(), 1).unwrap();
    let mut relay = Relay::new(database, Offers::default());
    relay.run_once().await.unwrap();
    let mut older = queue.admin.begin().await.unwrap();
    sqlx::query("select pg_current_xact_id()")
        .execute(&mut *older)
        .await
        .unwrap();
    let mut late = queue.admin.begin().await.unwrap();
    sqlx::query(
        "insert into events (firm_id, id, type, data) values ($1, 'late', 'client.renamed', '{}')",
    )
    .bind(queue.firm)
    .execute(&mut *late)
    .await
    .unwrap();
    older.commit().await.unwrap();

    // For longer than a look waits for a commit by time alone.
    let began = Moment::now();
    while began.elapsed() < Duration::from_millis(1_500) {
        assert_eq!(relay.run_once().await.unwrap().events, 0);
    }
    late.commit().await.unwrap();

    assert_eq!(relay.run_once().await.unwrap().events, 1);
}
