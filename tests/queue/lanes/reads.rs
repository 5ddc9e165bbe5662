//! What statements read: no more of it however many rows have come since a plan was made.

use shared::db::matters::{self, UploadsToSync};
use shared::domain::link::Account;
use shared::domain::{FirmId, MatterId, Platform, Region, UploadId};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::test_queue::TestQueue;

const MANY: i32 = 2_000;
/// After this number of uses a session keeps one plan for its statement.
const USES: usize = 8;

#[tokio::test]
async fn a_permit_reads_one_link_however_many_have_come_since_its_plan_was_made() {
    let queue = TestQueue::start(1, 1).await;
    let (me, link) = (Uuid::from_u128(10), Uuid::from_u128(20));
    queue.register(me).await;
    queue.connect().await;
    queue
        .enqueue(&[queue.job("lane", Uuid::from_u128(100))])
        .await;
    let leased = queue.lease(me, 1).await;
    queue.claim(link, &leased[0]).await;
    for _ in 0..USES {
        assert_eq!(queue.permit(me, &leased[0], link).await, "go");
        assert!(queue.find_nothing(link, &leased[0]).await);
    }

    queue.add_links(MANY).await;
    let before = queue.rows_read("links").await;
    assert_eq!(queue.permit(me, &leased[0], link).await, "go");
    assert!(queue.find_nothing(link, &leased[0]).await);

    let read = queue.rows_read("links").await - before;
    assert!(read < 20, "{read} links were read");
}

#[tokio::test]
async fn the_same_bytes_are_looked_for_among_the_documents_of_their_matter() {
    let queue = TestQueue::start(1, 1).await;
    let matter = Uuid::from_u128(40);
    queue.add_document(matter, "hash").await;
    for _ in 0..USES {
        assert_eq!(queue.same_bytes(matter, "hash").await.as_deref(), Some("d"));
    }

    queue.add_links(MANY).await;
    let before = queue.rows_read("links").await;
    assert_eq!(queue.same_bytes(matter, "hash").await.as_deref(), Some("d"));

    let read = queue.rows_read("links").await - before;
    assert!(read < 20, "{read} links were read");
}

#[tokio::test]
async fn the_documents_of_a_matter_are_found_without_reading_those_of_its_firm() {
    let queue = TestQueue::start(1, 1).await;
    let account = Account {
        firm_id: FirmId(queue.firm),
        platform: Platform::Mycase,
        region: Region::Us,
        id: "account".to_owned(),
    };
    let matter = MatterId(Uuid::from_u128(30));
    let uploads = queue.matter_with_uploads(matter.0, 4).await;
    queue.add_links(MANY).await;
    let before = queue.rows_read("links").await;

    // As a sync asks: the firm's row policy stands between the planner and the key as well.
    let firm = format!(
        "begin; set local role casehug_firm; set local app.firm_id = '{}'",
        queue.firm
    );
    let mut db = queue.pool.begin_with(AssertSqlSafe(firm)).await.unwrap();
    let wanted = UploadsToSync {
        all: false,
        after: None,
        limit: 100,
    };
    for _ in 0..USES {
        let found = matters::list_uploads_to_sync(&mut db, &account, matter, wanted);
        let found: Vec<Uuid> = found.await.unwrap().iter().map(|id| id.0).collect();
        assert_eq!(found, uploads);
    }
    let page = UploadsToSync {
        after: Some(UploadId(uploads[0])),
        limit: 2,
        ..wanted
    };
    let found = matters::list_uploads_to_sync(&mut db, &account, matter, page);
    let found: Vec<Uuid> = found.await.unwrap().iter().map(|id| id.0).collect();
    assert_eq!(found, uploads[1..3]);

    db.commit().await.unwrap();
    let read = queue.rows_read("links").await - before;
    assert!(read < 20, "{read} links were read");
}
