//! Retention: what is too old goes, in small parts; nothing else does, and no table is read from end to end for it.

use harness::eventually;
use sqlx::{AssertSqlSafe, PgPool, raw_sql};

use crate::queue_stage::QueueStage;
use crate::support::{SOON, start};

async fn run(admin: &PgPool, statements: &str) {
    raw_sql(AssertSqlSafe(statements.to_owned()))
        .execute(admin)
        .await
        .unwrap();
}

/// Old rows say so by their names; a young twin of each stands beside it.
const OLD_AND_YOUNG: &str = "
    create temp table c as select id, firm_id from firm_integrations limit 1;
    create function pg_temp.log(p_id integer, p_days integer) returns void language sql as $$
      insert into integration_sync_logs (id, firm_id, integration_id, action, status, run_id, created_at, finished_at, details)
      select lpad(p_id::text, 32, '0')::uuid, firm_id, id, 'sync_matter', 'failed', gen_random_uuid(), now() - p_days * interval '1 day',
        now() - p_days * interval '1 day', '{\"resolution\":\"retry\",\"provider_words\":{\"sealed\":\"words\"}}' from c;
      insert into attempts (job_id, number, firm_id, started_at, duration_ms, outcome)
      select lpad(p_id::text, 32, '0')::uuid, 1, firm_id, now() - p_days * interval '1 day', 1, 'fail' from c $$;
    create function pg_temp.failed(p_id integer, p_days integer) returns void language sql as $$
      insert into jobs (id, firm_id, connection_id, lane, seq, kind, state, run_id, run_at, created_at, failed_at)
      select lpad(p_id::text, 32, '0')::uuid, firm_id, id, 'lane of ' || p_id, 1, 'sync_matter', 'failed', gen_random_uuid(), now(), now(),
        now() - p_days * interval '1 day' from c $$;
    select pg_temp.log(1, 366), pg_temp.log(2, 364), pg_temp.log(3, 29);
    select pg_temp.log(4, 366), pg_temp.failed(4, 89), pg_temp.failed(5, 91);
    insert into activity (id, firm_id, kind, status, created_at, finished_at)
    select lpad(n::text, 32, '0')::uuid, firm_id, 'renewal', 'success', now(), now() - d * interval '1 day' from c, (values (6, 366), (7, 364)) v(n, d);
    insert into events (firm_id, id, type, data, status, received_at)
    select firm_id, id, 'x', '{}', 'done', now() - d * interval '1 day' from (select firm_id from c) c, (values ('old', 31), ('young', 29)) v(id, d);
    insert into webhook_events (id, platform, payload, received_at)
    select lpad(n::text, 32, '0')::uuid, 'clio', '{}', now() - d * interval '1 day' from (values (8, 31), (9, 29)) v(n, d);
    insert into audit_breaches (found_at, rule, repaired) values (now() - interval '366 days', 'old', false);
    update retentions set began_at = null, next_page = 0;
    delete from schedules where name = 'clean_up';";

/// What is left of the above, by the number in its id.
const LEFT: &str = "
    select string_agg(n, ' ' order by n) from (
      select 'log ' || right(id::text, 1) || case when details ? 'provider_words' then ' sealed' else '' end from integration_sync_logs where run_id is not null and id::text like '0000%'
      union all select 'attempt ' || right(job_id::text, 1) from attempts where job_id::text like '0000%'
      union all select 'job ' || right(id::text, 1) from jobs
      union all select 'activity ' || right(id::text, 1) from activity where id::text like '0000%'
      union all select 'event ' || id from events where type = 'x'
      union all select 'webhook ' || right(id::text, 1) from webhook_events
      union all select 'breach ' || rule from audit_breaches) x(n)";

#[tokio::test]
async fn what_is_too_old_goes_and_nothing_else() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    app.sync(matter).await.unwrap();
    run(&app.admin, OLD_AND_YOUNG).await;

    let kept = [
        "activity 7",
        "attempt 2",
        "attempt 3",
        "attempt 4",
        "event young",
        "job 4",
        "log 2",
        "log 3 sealed",
        "log 4",
        "webhook 9",
    ]
    .join(" ");
    let left = eventually(SOON, || async {
        let left: String = sqlx::query_scalar(LEFT).fetch_one(&app.admin).await.ok()?;
        (left == kept).then_some(left)
    });
    if left.await.is_err() {
        let left: String = sqlx::query_scalar(LEFT)
            .fetch_one(&app.admin)
            .await
            .unwrap();
        assert_eq!(left, kept);
    }

    let own = "select count(*) from integration_sync_logs where id::text not like '0000%'";
    assert_eq!(app.count(own).await.unwrap(), 1, "the sync's own log");
    app.finish().await;
}

async fn walk(stage: &QueueStage) -> Option<i64> {
    sqlx::query_scalar("select retention_walk('logs', 365, 30, 1000000, 4, 4)")
        .fetch_one(&stage.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_large_table_is_walked_part_by_part_and_never_from_end_to_end() {
    let stage = QueueStage::start(2, 4).await;
    run(
        &stage.admin,
        "insert into integration_sync_logs (id, firm_id, integration_id, action, status, run_id, created_at, finished_at)
         select gen_random_uuid(), c.firm_id, c.id, 'sync_matter', 'success', gen_random_uuid(), now(), now() - (n % 2) * interval '366 days'
         from (select id, firm_id from firm_integrations limit 1) c, generate_series(1, 5000) n;
         insert into attempts (job_id, number, firm_id, started_at, duration_ms, outcome)
         select id, 1, firm_id, now(), 1, 'done' from integration_sync_logs",
    )
    .await;
    let pages = "select pg_relation_size('integration_sync_logs') / 8192";
    let parts = stage.count(pages).await / 4;

    let mut walked = 0;
    while let Some(deleted) = walk(&stage).await {
        assert!(deleted < 400, "{deleted} rows in four pages");
        walked += 1;
    }

    assert!(
        (parts..=parts + 1).contains(&walked),
        "{walked} parts of {parts}"
    );
    let old = "select count(*) from integration_sync_logs where finished_at < now() - interval '365 days'";
    assert_eq!(stage.count(old).await, 0);
    assert_eq!(
        stage
            .count("select count(*) from integration_sync_logs")
            .await,
        2_500
    );
    assert_eq!(stage.count("select count(*) from attempts").await, 2_500);
}

#[tokio::test]
async fn lanes_that_were_idle_for_a_day_go_unless_a_failed_job_names_them() {
    let stage = QueueStage::start(2, 4).await;
    run(
        &stage.admin,
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
        place = step.fetch_one(&stage.pool).await.unwrap();
        places.push(place);
    }

    assert_eq!(
        places,
        [Some(2), Some(4), None],
        "two at a time, up to the young ones"
    );
    let left: String = sqlx::query_scalar("select string_agg(key, ', ' order by key) from lanes")
        .fetch_one(&stage.admin)
        .await
        .unwrap();
    assert_eq!(left, "lane 2, lane 3, lane 4, lane 5");
}
