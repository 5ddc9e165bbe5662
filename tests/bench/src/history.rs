//! Who held which lane when: the triggers of the chaos run, and what they must not have seen.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sqlx::{PgPool, Row, raw_sql};

use crate::workload::Workload;

const TRIGGERS: &str = include_str!("../../chaos/src/history.sql");

/// A take: a lane's change to a job that it did not run before.
const BREACHES: &str = "
    with takes as (
      select fence, overtaken, max(fence) over w as fences_before, count(*) over (partition by job) as times,
        max(('x' || right(job::text, 10))::bit(40)::bigint) over w as places_before, ('x' || right(job::text, 10))::bit(40)::bigint as place
      from chaos.holds h where job is not null and job is distinct from job_before
      window w as (partition by lane order by h.number rows between unbounded preceding and 1 preceding))
    select count(*) as takes,
      count(*) filter (where fence <= fences_before) as fences_not_grown,
      count(*) filter (where overtaken > 0 or place <= places_before) as out_of_order,
      count(*) filter (where times > 1) as taken_twice,
      (select count(*) from chaos.holds where worker_before is not null and worker is not null and worker <> worker_before) as stolen
    from takes";

/// The most lanes of one connection that were held at one time, running transfers apart; and the most running transfers.
/// A hold's number is drawn under the lane's lock: one that made room has a lower number than one that used it.
const MOST_HELD: &str = "
    with changes as (
      select number, connection_id,
        (worker is not null and not transferring)::int
          - coalesce(lag((worker is not null and not transferring)::int) over (partition by lane order by number), 0) as holds,
        (worker is not null and transferring)::int
          - coalesce(lag((worker is not null and transferring)::int) over (partition by lane order by number), 0) as transfers
      from chaos.holds),
    sums as (
      select connection_id, sum(holds) over w as held, sum(transfers) over w as transferring
      from changes window w as (partition by connection_id order by number))
    select c.platform, max(s.held)::bigint as held, max(s.transferring)::bigint as transferring
    from sums s join firm_integrations c on c.id = s.connection_id group by c.platform order by c.platform";

pub(crate) async fn install(admin: &PgPool) -> Result<()> {
    raw_sql(TRIGGERS)
        .execute(admin)
        .await
        .context("install the history")?;
    Ok(())
}

/// Whether lanes were taken in order, once, each under a higher fence; and what was counted.
pub(crate) async fn check(admin: &PgPool, field: &Workload, jobs: u64) -> Result<(bool, Value)> {
    let row = sqlx::query(BREACHES).fetch_one(admin).await?;
    let count = |name: &str| row.get::<i64, _>(name);
    let breaches = ["fences_not_grown", "out_of_order", "taken_twice", "stolen"];
    let ok = breaches.iter().all(|name| count(name) == 0) && count("takes") >= jobs as i64;
    let shown = json!({ "takes": count("takes"), "fences_not_grown": count("fences_not_grown"), "out_of_order": count("out_of_order"),
        "taken_twice": count("taken_twice"), "stolen": count("stolen"), "lanes": field.lanes });
    Ok((ok, shown))
}

/// How many lanes of one connection were held at once, by platform.
#[derive(Debug)]
pub(crate) struct MostHeld {
    pub(crate) platform: String,
    pub(crate) held: i64,
    pub(crate) transferring: i64,
}

pub(crate) async fn most_held(admin: &PgPool) -> Result<Vec<MostHeld>> {
    let rows = sqlx::query(MOST_HELD).fetch_all(admin).await?;
    Ok(rows
        .iter()
        .map(|row| MostHeld {
            platform: row.get("platform"),
            held: row.get("held"),
            transferring: row.get("transferring"),
        })
        .collect())
}
