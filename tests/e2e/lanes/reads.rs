//! What statements read: no more of it however many rows have come since a plan was made.

use shared::db::matters;
use shared::domain::link::Account;
use shared::domain::{FirmId, MatterId, Platform, Region};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::queue_stage::QueueStage;

const MANY: i32 = 2_000;
/// After so many uses a session keeps one plan for its statement.
const USES: usize = 8;

#[tokio::test]
async fn a_permit_reads_one_link_however_many_have_come_since_its_plan_was_made() {
    let stage = QueueStage::start(1, 1).await;
    let (me, link) = (Uuid::from_u128(10), Uuid::from_u128(20));
    stage.register(me).await;
    stage.connect().await;
    stage
        .enqueue(&[stage.job("lane", Uuid::from_u128(100))])
        .await;
    let leased = stage.lease(me, 1).await;
    stage.claim(link, &leased[0]).await;
    for _ in 0..USES {
        assert_eq!(stage.permit(me, &leased[0], link).await, "go");
        assert!(stage.find_nothing(link, &leased[0]).await);
    }

    stage.add_links(MANY).await;
    let before = stage.rows_read("links").await;
    assert_eq!(stage.permit(me, &leased[0], link).await, "go");
    assert!(stage.find_nothing(link, &leased[0]).await);

    let read = stage.rows_read("links").await - before;
    assert!(read < 20, "{read} links were read");
}

#[tokio::test]
async fn the_same_bytes_are_looked_for_among_the_documents_of_their_matter() {
    let stage = QueueStage::start(1, 1).await;
    let matter = Uuid::from_u128(40);
    stage.add_document(matter, "hash").await;
    for _ in 0..USES {
        assert_eq!(stage.same_bytes(matter, "hash").await.as_deref(), Some("d"));
    }

    stage.add_links(MANY).await;
    let before = stage.rows_read("links").await;
    assert_eq!(stage.same_bytes(matter, "hash").await.as_deref(), Some("d"));

    let read = stage.rows_read("links").await - before;
    assert!(read < 20, "{read} links were read");
}

#[tokio::test]
async fn the_documents_of_a_matter_are_found_without_reading_those_of_its_firm() {
    let stage = QueueStage::start(1, 1).await;
    let account = Account {
        firm_id: FirmId(stage.firm),
        platform: Platform::Mycase,
        region: Region::Us,
        id: "account".to_owned(),
    };
    let matter = MatterId(Uuid::from_u128(30));
    let uploads = stage.matter_with_uploads(matter.0, 4).await;
    stage.add_links(MANY).await;
    let before = stage.rows_read("links").await;

    // As a sync asks: the firm's row policy stands between the planner and the key as well.
    let firm = format!(
        "begin; set local role casehug_firm; set local app.firm_id = '{}'",
        stage.firm
    );
    let mut db = stage.pool.begin_with(AssertSqlSafe(firm)).await.unwrap();
    for _ in 0..USES {
        let found = matters::list_uploads_to_sync(&mut db, &account, matter, false);
        let found: Vec<Uuid> = found.await.unwrap().iter().map(|id| id.0).collect();
        assert_eq!(found, uploads);
    }

    db.commit().await.unwrap();
    let read = stage.rows_read("links").await - before;
    assert!(read < 20, "{read} links were read");
}
