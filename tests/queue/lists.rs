//! Which index a list walks: a wrong one gives the same page, and takes minutes at ten million rows.

use sqlx::Executor;
use uuid::Uuid;

use crate::test_queue::TestQueue;

/// Jobs of another firm lie before those of the tested firm, newest first.
const OTHERS: &str = "
    set session_replication_role = replica;
    insert into jobs (id, firm_id, connection_id, lane, seq, kind, state, run_id, run_at, created_at)
    select ('f' || lpad(to_hex(g), 7, '0') || '-0000-7000-8000-000000000000')::uuid, gen_random_uuid(), gen_random_uuid(), 'lane of others', g, 'probe',
      case when g % 2 = 0 then 'failed' else 'queued' end, gen_random_uuid(), now(), now()
    from generate_series(1, 5000) g;
    reset session_replication_role;
    analyze jobs";

#[tokio::test]
async fn a_firms_jobs_are_listed_by_its_own_index() {
    for state in ["queued", "failed"] {
        let queue = TestQueue::start(1, 1).await;
        queue
            .enqueue(&[queue.job("lane", Uuid::from_u128(11))])
            .await;
        queue.admin.execute(OTHERS).await.unwrap();
        let fail = "update jobs set state = 'failed', failed_at = now() where lane = 'lane'";
        if state == "failed" {
            queue.admin.execute(fail).await.unwrap();
        }
        let before = queue.scans("jobs_of_firm").await;

        let listed: Vec<Uuid> = sqlx::query_scalar(
            "select id from queue_list(row($1, $2, null, null, null, null, null, null)::job_filter, null, null, 10, 5000) where found",
        )
        .bind(queue.firm)
        .bind(state)
        .fetch_all(&queue.pool)
        .await
        .unwrap();

        assert_eq!(listed, [Uuid::from_u128(11)], "{state}");
        let walked = queue.scans("jobs_of_firm").await - before;
        assert_eq!(walked, 1, "{state}");
    }
}
