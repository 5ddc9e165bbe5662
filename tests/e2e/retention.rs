//! Retention by a running worker: what is too old goes, and nothing else does.

use harness::eventually;
use sqlx::{AssertSqlSafe, PgPool, raw_sql};

use crate::support::{SOON, start};

async fn run(admin: &PgPool, statements: &str) {
    raw_sql(AssertSqlSafe(statements.to_owned()))
        .execute(admin)
        .await
        .unwrap();
}

/// Old rows say so by their names; a young duplicate of each stands beside it.
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

/// The rows of the above that remain, by the number in their id.
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
