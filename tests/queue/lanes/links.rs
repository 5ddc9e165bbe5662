//! Links under fences that no longer run, and doubts that no claim has noted.

use shared::db::links;
use sqlx::Row;
use uuid::Uuid;

use crate::support::SOON;
use crate::test_queue::{Leased, TestQueue};

const SUPERSEDE: &str = "select link_supersede($1, $2, $3, 'gone')";
const COMPLETE: &str = "select link_complete($1, $2, $3, 'linked', '4711', null, true)";
const TRANSFERRED: &str = "select link_set_transferred($1, $2, $3, true, 'hash', true)";
const MISSING: &str = "select held from link_note_missing($1, $2, $3, true, 0, 0)";
const NOT_SENT: &str = "select link_not_sent($1, $2, $3)";
const SWEPT: &str = "select link_set_swept($1, 0::smallint, null, $2, $3)";

/// A job that holds a link, in a lane that runs.
async fn holding(queue: &TestQueue, me: Uuid, link: Uuid) -> Leased {
    queue.register(me).await;
    queue.connect().await;
    queue
        .enqueue(&[queue.job("lane", Uuid::from_u128(100))])
        .await;
    let leased = queue.lease(me, 1).await.remove(0);
    queue.claim(link, &leased).await;
    leased
}

/// The worker is frozen; its lane is freed meanwhile, as a takeover does, and waits.
async fn lose_the_lane(queue: &TestQueue, job: &Leased) {
    sqlx::query("select queue_release_lost($1, $2)")
        .bind(&job.lane)
        .bind(job.id)
        .execute(&queue.pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_fence_that_no_longer_runs_writes_no_link() {
    let queue = TestQueue::start(1, 1).await;
    let link = Uuid::from_u128(20);
    let job = holding(&queue, Uuid::from_u128(10), link).await;
    lose_the_lane(&queue, &job).await;

    for statement in [SUPERSEDE, COMPLETE, TRANSFERRED, MISSING, NOT_SENT, SWEPT] {
        assert!(
            !queue.writes_link(statement, link, &job).await,
            "{statement}"
        );
    }
    assert!(!queue.find_nothing(link, &job).await);

    let untouched =
        "select count(*) from links where state = 'claimed' and looked_at is null and swept = 0
         and external_id is null and transferred_at is null and missing_since is null and superseded_at is null";
    assert_eq!(queue.count(untouched).await, 1);
}

#[tokio::test]
async fn a_lane_that_was_leased_anew_refuses_its_last_fence() {
    let queue = TestQueue::start(1, 1).await;
    let (me, link) = (Uuid::from_u128(10), Uuid::from_u128(20));
    let job = holding(&queue, me, link).await;
    lose_the_lane(&queue, &job).await;
    let again = queue.lease(me, 1).await.remove(0);

    assert!(!queue.writes_link(SUPERSEDE, link, &job).await);
    assert!(queue.writes_link(SUPERSEDE, link, &again).await);

    let superseded = "select count(*) from links where superseded_at is not null";
    assert_eq!(queue.count(superseded).await, 1);
}

/// Another lane's claim has the link's row; meanwhile this lane is taken over.
#[tokio::test]
async fn a_fence_that_ends_while_its_statement_waits_for_the_row_writes_no_link() {
    let queue = TestQueue::start(1, 4).await;
    let link = Uuid::from_u128(20);
    let job = holding(&queue, Uuid::from_u128(10), link).await;
    let mut claim = queue.admin.begin().await.unwrap();
    sqlx::query("update links set swept = swept")
        .execute(&mut *claim)
        .await
        .unwrap();
    let supersedes = queue.writes_link(SUPERSEDE, link, &job);
    let ends = async {
        let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        let waiting = async || (queue.count(waits).await == 1).then_some(());
        harness::eventually(SOON, waiting).await.unwrap();
        lose_the_lane(&queue, &job).await;
        claim.commit().await.unwrap();
    };

    let (written, ()) = tokio::join!(supersedes, ends);

    assert!(!written);
    let superseded = "select count(*) from links where superseded_at is not null";
    assert_eq!(queue.count(superseded).await, 0);
}

#[tokio::test]
async fn a_search_is_as_old_as_the_question_and_not_as_its_note() {
    let queue = TestQueue::start(1, 1).await;
    let link = Uuid::from_u128(20);
    let job = holding(&queue, Uuid::from_u128(10), link).await;

    assert!(queue.find_nothing_after(link, &job, 3_600_000).await);

    let an_hour_ago = "select count(*) from links where looked_at <= app_now() - interval '1 hour'";
    assert_eq!(queue.count(an_hour_ago).await, 1);
}

/// The account of the queue's links, connected: the sweep asks for both.
async fn due(queue: &TestQueue) -> bool {
    let mut connection = queue.admin.acquire().await.unwrap();
    let found = links::list_connections_to_sweep(&mut connection).await;
    !found.unwrap().is_empty()
}

async fn age_links(queue: &TestQueue, minutes: i32) {
    sqlx::query(
        "update links set send_until = send_until - $1 * interval '1 minute', doubted_at = doubted_at - $1 * interval '1 minute'",
    )
    .bind(minutes)
    .execute(&queue.admin)
    .await
    .unwrap();
}

/// A job ends while its POST is out: cancelled, its last attempt, or lost for the third time. No claim comes back to it.
#[tokio::test]
async fn a_doubt_is_swept_however_its_job_ended() {
    for effect in ["fail", "delete"] {
        let queue = TestQueue::start(1, 1).await;
        let (me, link) = (Uuid::from_u128(10), Uuid::from_u128(20));
        let job = holding(&queue, me, link).await;
        sqlx::query("update firm_integrations set account_id = 'account' where is_active")
            .execute(&queue.admin)
            .await
            .unwrap();
        assert_eq!(queue.permit(me, &job, link).await, "go");
        queue
            .finish(me, std::slice::from_ref(&job), effect, 0)
            .await;
        assert!(!due(&queue).await, "{effect}: at once");

        age_links(&queue, 11).await;

        assert!(due(&queue).await, "{effect}: ten minutes later");
    }
}

#[tokio::test]
async fn a_frozen_sweep_and_its_successor_count_one_look() {
    let queue = TestQueue::start(1, 1).await;
    let link = Uuid::from_u128(20);
    let job = holding(&queue, Uuid::from_u128(10), link).await;

    for _ in 0..2 {
        assert!(queue.writes_link(SWEPT, link, &job).await);
    }

    assert_eq!(queue.count("select swept::bigint from links").await, 1);
}

/// The first doubt was looked at twice; two days later another creation of the same link is lost.
#[tokio::test]
async fn a_second_doubt_of_a_link_has_its_own_two_looks() {
    let queue = TestQueue::start(1, 1).await;
    let (me, link) = (Uuid::from_u128(10), Uuid::from_u128(20));
    let job = holding(&queue, me, link).await;
    assert_eq!(queue.permit(me, &job, link).await, "go");
    sqlx::query("update links set doubted_at = app_now() - interval '2 days', swept = 2")
        .execute(&queue.admin)
        .await
        .unwrap();
    lose_the_lane(&queue, &job).await;
    let again = queue.lease(me, 1).await.remove(0);

    let row = sqlx::query(
        "select claim.verdict from links k,
           link_claim(k.firm_id, k.platform, k.region, k.account_id, k.kind, k.effect_key, k.record_id, null, null, $1, $2, 30000) claim",
    )
    .bind(&again.lane)
    .bind(again.fence)
    .fetch_one(&queue.admin)
    .await
    .unwrap();

    assert_eq!(row.get::<String, _>("verdict"), "in_doubt");
    let fresh = "select count(*) from links where swept = 0 and doubted_at > app_now() - interval '1 minute'";
    assert_eq!(queue.count(fresh).await, 1);
}

/// The sweep has looked twice for the first doubt; the job of the second one ends, and no claim meets its link.
#[tokio::test]
async fn a_second_doubt_that_no_job_meets_is_swept() {
    let queue = TestQueue::start(1, 1).await;
    let (me, link) = (Uuid::from_u128(10), Uuid::from_u128(20));
    let job = holding(&queue, me, link).await;
    let swept = "update links set doubted_at = app_now() - interval '2 days', swept = $1";
    for (looks, due) in [(2_i16, 1), (1, 1), (0, 1)] {
        sqlx::query(swept)
            .bind(looks)
            .execute(&queue.admin)
            .await
            .unwrap();
        sqlx::query("update links set state = 'claimed'")
            .execute(&queue.admin)
            .await
            .unwrap();

        assert_eq!(queue.permit(me, &job, link).await, "go");

        let in_doubt = "select count(*) from links where swept < 2
          and link_doubted_since(doubted_at, state, send_until) < app_now() + interval '1 minute'";
        assert_eq!(queue.count(in_doubt).await, due, "after {looks} looks");
    }
}

/// Two clients with one e-mail meet in one link; the first never sent. The doubt belongs to the one that sends.
#[tokio::test]
async fn a_link_is_the_record_of_the_job_that_sends() {
    let queue = TestQueue::start(1, 1).await;
    let link = Uuid::from_u128(20);
    let job = holding(&queue, Uuid::from_u128(10), link).await;
    let claimed: Vec<String> = sqlx::query_scalar(
        "select (link_claim(k.firm_id, k.platform, k.region, k.account_id, k.kind, k.effect_key, $1, null, null, $2, $3, 1000)).verdict
         from links k",
    )
    .bind(Uuid::from_u128(77))
    .bind(&job.lane)
    .bind(job.fence)
    .fetch_all(&queue.pool)
    .await
    .unwrap();

    assert_eq!(claimed, ["mine"]);
    let of_sender =
        "select count(*) from links where record_id = '00000000-0000-0000-0000-00000000004d'";
    assert_eq!(queue.count(of_sender).await, 1);
}
