//! Backlogs too large to be enqueued one by one: written by SQL, exactly as `queue_enqueue` writes them (lane, jobs, log rows),
//! with the indexes made afterwards.

use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Row, raw_sql};
use uuid::Uuid;

use crate::clock;
use crate::workload::Workload;

/// When the lanes' heads may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Now,
    /// The head waits for its retry, for longer than any bench lasts.
    Later,
}

const TABLES: [&str; 3] = ["lanes", "jobs", "activity"];

/// One row that says what is filled in; numbers are as in [`Workload`].
const WANTED: &str = "
    create temp table wanted as select $1::int as field, $2::bigint as connections, $3::bigint as lanes, $4::bigint as depth,
      make_interval(secs => $5) as wait, $6::smallint as priority, $7::text as first_job";
const OWNERS: &str = "
    create temp table owners as select n - 1 as number, firm, connection from unnest($1::uuid[], $2::uuid[]) with ordinality u(firm, connection, n)";
const NAMES: &str = "
    alter table owners add primary key (number); analyze owners;
    create or replace function pg_temp.job(p_start text, n bigint) returns uuid language sql immutable as
      $$ select (overlay(p_start placing lpad(to_hex(n), 10, '0') from 27))::uuid $$";
const LANES: &str = "
    insert into lanes (key, firm_id, connection_id, priority, ready_at, tail)
    select 'out:' || o.connection || ':probe:' || w.field || '.' || n / w.connections, o.firm, o.connection, w.priority,
      app_now() + w.wait - (w.lanes - n) * interval '1 us', w.depth
    from wanted w cross join generate_series(0, w.lanes - 1) n join owners o on o.number = n % w.connections";
const JOBS: &str = "
    insert into jobs (id, firm_id, connection_id, lane, seq, kind, priority, run_id, run_at, created_at, attempts, waiting_for)
    select pg_temp.job(w.first_job, n), o.firm, o.connection, 'out:' || o.connection || ':probe:' || w.field || '.' || n % w.lanes / w.connections,
      n / w.lanes + 1, 'probe', w.priority, pg_temp.job(w.first_job, n),
      case when n < w.lanes then app_now() + w.wait - (w.lanes - n) * interval '1 us' else app_now() end, app_now(),
      case when w.wait > '0' and n < w.lanes then 1 else 0 end, case when w.wait > '0' and n < w.lanes then 'retry' end
    from wanted w cross join generate_series(0, w.lanes * w.depth - 1) n join owners o on o.number = n % w.lanes % w.connections";
const LOGS: &str = "
    insert into activity (id, firm_id, connection_id, kind, run_id, created_at)
    select pg_temp.job(w.first_job, n), o.firm, o.connection, 'probe', pg_temp.job(w.first_job, n), app_now()
    from wanted w cross join generate_series(0, w.lanes * w.depth - 1) n join owners o on o.number = n % w.lanes % w.connections";
const INDEXES: &str = "
    select i.indexdef, quote_ident(i.indexname) as name from pg_indexes i
    where i.schemaname = 'public' and i.tablename = any($1) and not exists (select from pg_constraint c where c.conname = i.indexname)";
const KEYS: &str = "
    select conrelid::regclass::text as on, quote_ident(conname) as name, pg_get_constraintdef(oid) as def from pg_constraint
    where contype = 'p' and conrelid::regclass::text = any($1)";

/// Puts `depth` jobs into each of the field's lanes. Returns how long it took.
pub(crate) async fn fill(
    admin: &PgPool,
    field: &Workload,
    depth: u64,
    due: Due,
) -> Result<Duration> {
    let started = clock::now();
    let mut db = admin.acquire().await?;
    // Foreign keys hold by construction: they are not looked up ten million times.
    raw_sql("set session_replication_role = replica; set maintenance_work_mem = '1GB'")
        .execute(&mut *db)
        .await?;
    let again = take_indexes_off(&mut db).await?;
    want(&mut db, field, depth, due).await?;
    for statement in [LANES, JOBS, LOGS] {
        raw_sql(statement).execute(&mut *db).await.context("fill")?;
    }
    for statement in again {
        raw_sql(AssertSqlSafe(statement)).execute(&mut *db).await?;
    }
    raw_sql(
        "drop table wanted, owners; reset session_replication_role; reset maintenance_work_mem",
    )
    .execute(&mut *db)
    .await?;
    // Each by itself: a vacuum must not be one of several statements.
    for statement in [
        "vacuum analyze lanes",
        "vacuum analyze jobs",
        "vacuum analyze activity",
        "checkpoint",
    ] {
        raw_sql(statement).execute(&mut *db).await?;
    }
    Ok(started.elapsed())
}

async fn want(db: &mut PgConnection, field: &Workload, depth: u64, due: Due) -> Result<()> {
    let wait = if due == Due::Later { 3600.0 } else { 0.0 };
    sqlx::query(WANTED)
        .bind(i32::from(field.number))
        .bind(field.connections as i64)
        .bind(field.lanes as i64)
        .bind(depth as i64)
        .bind(wait)
        .bind(field.priority)
        .bind(field.job_id(0).to_string())
        .execute(&mut *db)
        .await?;
    let firms: Vec<Uuid> = (0..field.connections).map(|n| field.firm(n)).collect();
    let connections: Vec<Uuid> = (0..field.connections)
        .map(|n| field.connection(n))
        .collect();
    sqlx::query(OWNERS)
        .bind(&firms)
        .bind(&connections)
        .execute(&mut *db)
        .await?;
    raw_sql(NAMES).execute(&mut *db).await?;
    Ok(())
}

/// Returns the statements that put them on again.
async fn take_indexes_off(db: &mut PgConnection) -> Result<Vec<String>> {
    let tables = TABLES.map(str::to_owned).to_vec();
    let (mut off, mut on): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for row in sqlx::query(INDEXES)
        .bind(&tables)
        .fetch_all(&mut *db)
        .await?
    {
        off.push(format!("drop index {}", row.get::<String, _>("name")));
        on.push(row.get("indexdef"));
    }
    for row in sqlx::query(KEYS).bind(&tables).fetch_all(&mut *db).await? {
        let (table, name, def): (String, String, String) =
            (row.get("on"), row.get("name"), row.get("def"));
        off.push(format!("alter table {table} drop constraint {name}"));
        on.push(format!("alter table {table} add constraint {name} {def}"));
    }
    for statement in off {
        raw_sql(AssertSqlSafe(statement)).execute(&mut *db).await?;
    }
    Ok(on)
}
