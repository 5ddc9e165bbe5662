//! `PROFILE=1`: where the server's time goes, for a person who wants to know why a figure is what it is. The figures of such a
//! run must not be quoted, because counting costs time.

use anyhow::Result;
use sqlx::{PgPool, Row, raw_sql};

use crate::report::say;

pub(crate) const SETTINGS: &[(&str, &str)] = &[
    ("shared_preload_libraries", "pg_stat_statements"),
    ("pg_stat_statements.track", "all"),
    ("pg_stat_statements.save", "off"),
    ("track_io_timing", "on"),
];
const STATEMENTS: &str = "
    select calls, total_exec_time as total, total_exec_time / calls as mean, rows, shared_blks_hit + shared_blks_read as blocks,
      toplevel, left(regexp_replace(query, '\\s+', ' ', 'g'), 150) as query
    from pg_stat_statements s join pg_database d on d.oid = s.dbid where d.datname = current_database()
    order by total_exec_time desc limit 30";

pub(crate) fn is_wanted() -> bool {
    std::env::var("PROFILE").is_ok_and(|value| value == "1")
}

pub(crate) async fn begin(admin: &PgPool) -> Result<()> {
    raw_sql("create extension if not exists pg_stat_statements; select pg_stat_statements_reset()")
        .execute(admin)
        .await?;
    Ok(())
}

/// The statements that took the most time, those inside functions too.
pub(crate) async fn show(admin: &PgPool) -> Result<()> {
    say("  total ms    calls  mean ms     rows   blocks  top  statement");
    for row in sqlx::query(STATEMENTS).fetch_all(admin).await? {
        say(&format!(
            "{:10.0} {:8} {:8.3} {:8} {:8}  {:5} {}",
            row.get::<f64, _>("total"),
            row.get::<i64, _>("calls"),
            row.get::<f64, _>("mean"),
            row.get::<i64, _>("rows"),
            row.get::<i64, _>("blocks"),
            row.get::<bool, _>("toplevel"),
            row.get::<String, _>("query"),
        ));
    }
    Ok(())
}
