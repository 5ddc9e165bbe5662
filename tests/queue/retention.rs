//! Retention: what is too old goes in small parts, and no table is read from end to end for it.

use sqlx::{AssertSqlSafe, PgPool, raw_sql};

use crate::test_queue::TestQueue;

async fn run(admin: &PgPool, statements: &str) {
    raw_sql(AssertSqlSafe(statements.to_owned()))
        .execute(admin)
        .await
        .unwrap();
}

async fn walk(queue: &TestQueue) -> Option<i64> {
    sqlx::query_scalar("select retention_walk('logs', 365, 30, 1000000, 4, 4)")
        .fetch_one(&queue.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_large_table_is_walked_part_by_part_and_never_from_end_to_end() {
    let queue = TestQueue::start(2, 4).await;
    run(
        &queue.admin,
        "insert into integration_sync_logs (id, firm_id, integration_id, action, status, run_id, created_at, finished_at)
         select gen_random_uuid(), c.firm_id, c.id, 'sync_matter', 'success', gen_random_uuid(), now(), now() - (n % 2) * interval '366 days'
         from (select id, firm_id from firm_integrations limit 1) c, generate_series(1, 5000) n;
         insert into attempts (job_id, number, firm_id, started_at, duration_ms, outcome)
         select id, 1, firm_id, now(), 1, 'done' from integration_sync_logs",
    )
    .await;
    let pages = "select pg_relation_size('integration_sync_logs') / 8192";
    let parts = queue.count(pages).await / 4;

    let mut walked = 0;
    while let Some(deleted) = walk(&queue).await {
        assert!(deleted < 400, "{deleted} rows in four pages");
        walked += 1;
    }

    assert!(
        (parts..=parts + 1).contains(&walked),
        "{walked} parts of {parts}"
    );
    let old = "select count(*) from integration_sync_logs where finished_at < now() - interval '365 days'";
    assert_eq!(queue.count(old).await, 0);
    assert_eq!(
        queue
            .count("select count(*) from integration_sync_logs")
            .await,
        2_500
    );
    assert_eq!(queue.count("select count(*) from attempts").await, 2_500);
}

#[tokio::test]
async fn lanes_that_were_idle_for_a_day_go_unless_a_failed_job_names_them() {
    let queue = TestQueue::start(2, 4).await;
    run(
        &queue.admin,
        "insert into lanes (key, firm_id, connection_id, first_fence, changed_at)
         select 'lane ' || n, c.firm_id, c.id, n, now() - d * interval '1 hour'
         from (select id, firm_id from firm_integrations limit 1) c, (values (1, 25), (2, 25), (3, 25), (4, 23), (5, 1)) v(n, d);
         update lanes set ready_at = now() where key = 'lane 3';
         insert into jobs (id, firm_id, connection_id, lane, seq, kind, state, run_id, run_at, created_at, failed_at)
         select gen_random_uuid(), firm_id, connection_id, 'lane 2', 1, 'probe', 'failed', gen_random_uuid(), now(), now(), now() from lanes where key = 'lane 2'",
    )
    .await;

    let mut places = Vec::new();
    let mut place: Option<i64> = Some(0);
    while let Some(after) = place {
        let step = sqlx::query_scalar("select retention_idle_lanes($1, 2)").bind(after);
        place = step.fetch_one(&queue.pool).await.unwrap();
        places.push(place);
    }

    assert_eq!(
        places,
        [Some(2), Some(4), None],
        "two at a time, up to the young ones"
    );
    let left: String = sqlx::query_scalar("select string_agg(key, ', ' order by key) from lanes")
        .fetch_one(&queue.admin)
        .await
        .unwrap();
    assert_eq!(left, "lane 2, lane 3, lane 4, lane 5");
}
