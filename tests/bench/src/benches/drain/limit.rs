//! The same rows without a queue: lanes taken and freed, jobs deleted, log rows ended, attempts written, in sets of 150 and
//! two commits, as the workers do it; but without a look for what is due, and without an order, a cap or a fence.

use anyhow::Result;
use sqlx::raw_sql;

use crate::pgbench::{self, Until};
use crate::system::BenchSystem;

pub(crate) const WHAT: &str = "the same rows of the same tables by pgbench, 2 clients, sets of 150, two commits a set, no queue";

const SET: u64 = 150;
const CLIENTS: u16 = 2;

const TABLES: &str = "
    drop schema if exists base cascade;
    create schema base;
    create sequence base.sets minvalue 0;
    create table base.lanes (like public.lanes including all);
    create table base.jobs (like public.jobs including all);
    create table base.activity (like public.activity including all);
    create table base.attempts (like public.attempts including all);
    create function base.id(n bigint) returns uuid language sql immutable as
      $$ select (overlay('01900000-0000-7000-8000-000000000000' placing lpad(to_hex(n), 12, '0') from 25))::uuid $$;
    create function base.lane(n bigint) returns text language sql immutable as $$ select 'out:' || base.id(n) || ':probe' $$;
    insert into base.lanes (key, firm_id, connection_id, ready_at, tail)
      select base.lane(n), base.id(n), base.id(n), now(), 1 from generate_series(0, 2000 + 150) n;";
const FILL_JOBS: &str = "
    insert into base.jobs (id, firm_id, connection_id, lane, seq, kind, run_id, run_at, created_at)
      select base.id(n), base.id(n % 2000), base.id(n % 2000), base.lane(n % 2000), n / 2000, 'probe', base.id(n), now(), now()
      from generate_series(0, $1 - 1) n";
const FILL_LOGS: &str = "
    insert into base.activity (id, firm_id, connection_id, kind, run_id, created_at)
      select base.id(n), base.id(n % 2000), base.id(n % 2000), 'probe', base.id(n), now() from generate_series(0, $1 - 1) n";

/// A set's lanes lie side by side, and wrap around so seldom that the few beyond 2,000 stand for them.
const SCRIPT: &str = "
    select nextval('base.sets') as set \\gset
    \\set from :set * 150
    \\set lane :from % 2000
    begin;
    update base.lanes set ready_at = null, worker = base.id(1), running_job = base.id(1), fence = fence + 1, changed_at = clock_timestamp()
      where key >= base.lane(:lane::bigint) and key < base.lane(:lane::bigint + 150);
    commit;
    begin;
    delete from base.jobs where id >= base.id(:from::bigint) and id < base.id(:from::bigint + 150);
    update base.activity set status = 'success', finished_at = clock_timestamp() where id >= base.id(:from::bigint) and id < base.id(:from::bigint + 150);
    insert into base.attempts (job_id, number, firm_id, started_at, duration_ms, outcome)
      select base.id(n), 1, base.id(n), clock_timestamp(), 0, 'done' from generate_series(:from::bigint, :from::bigint + 149) n;
    update base.lanes set ready_at = clock_timestamp(), worker = null, running_job = null, gone_through = gone_through + 1, changed_at = clock_timestamp()
      where key >= base.lane(:lane::bigint) and key < base.lane(:lane::bigint + 150);
    commit;";

/// In jobs a second.
pub(crate) async fn limit(system: &BenchSystem, jobs: u64) -> Result<f64> {
    let each = (jobs / SET / u64::from(CLIENTS)).max(1);
    let jobs = (each * SET * u64::from(CLIENTS)) as i64;
    let admin = &system.app.admin;
    raw_sql(TABLES).execute(admin).await?;
    for fill in [FILL_JOBS, FILL_LOGS] {
        sqlx::query(fill).bind(jobs).execute(admin).await?;
    }
    raw_sql("analyze base.lanes, base.jobs, base.activity; checkpoint")
        .execute(admin)
        .await?;
    let url = system.app.database.admin_url();
    let sets = pgbench::run(url, SCRIPT, CLIENTS, Until::Transactions(each)).await?;
    raw_sql("drop schema base cascade").execute(admin).await?;
    Ok(sets * SET as f64)
}
