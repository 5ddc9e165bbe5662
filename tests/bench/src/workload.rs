//! The field on which a bench plays: firms with a connection each, and lanes over them, all by number.
//!
//! Jobs are numbered too: job `n` belongs to lane `n % lanes`, so that a lane's order can be read from its jobs' ids, and a lane
//! belongs to connection `lane % connections`. Ids grow with the numbers, as those of the service grow with time.

use anyhow::Result;
use serde_json::{Value, json};
use sqlx::{PgPool, Row};
use uuid::Uuid;

const FIRM: u128 = 0xf100_0000_0000_7000_8000_0000_0000_0000;
const CONNECTION: u128 = 0xc100_0000_0000_7000_8000_0000_0000_0000;
const JOB: u128 = 0x0190_0000_0000_7000_8000_0000_0000_0000;
/// Jobs of one field lie below those of the next.
const FIELD: u128 = 1 << 40;

const FIRMS: &str = "insert into firms (id, name) \
    select (overlay('f1000000-0000-7000-8000-000000000000' placing lpad(to_hex(g), 12, '0') from 25))::uuid, 'Firm' \
    from generate_series($1::bigint, $1 + $2 - 1) g";
const CONNECTIONS: &str = "insert into firm_integrations (id, firm_id, platform, region, account_id, account_label, connected_at) \
    select (overlay('c1000000-0000-7000-8000-000000000000' placing lpad(to_hex(g), 12, '0') from 25))::uuid, \
      (overlay('f1000000-0000-7000-8000-000000000000' placing lpad(to_hex(g), 12, '0') from 25))::uuid, \
      $3, 'us', 'account ' || g, 'Account', now() \
    from generate_series($1::bigint, $1 + $2 - 1) g";

/// Lanes of probes over connections of one platform.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workload {
    /// Tells the jobs of several fields of one database apart.
    pub(crate) number: u16,
    /// The first connection's number: fields may share connections.
    pub(crate) first: u64,
    pub(crate) connections: u64,
    pub(crate) lanes: u64,
    /// As jobs carry it: 0 is a person's, 1 an event's, 2 background.
    pub(crate) priority: i16,
    /// Firm and connection, where they are not numbered: one that came by the connect.
    pub(crate) owner: Option<(Uuid, Uuid)>,
}

impl Workload {
    pub(crate) fn new(connections: u64, lanes: u64) -> Self {
        Self {
            number: 0,
            first: 0,
            connections,
            lanes,
            priority: 1,
            owner: None,
        }
    }

    /// Founds its firms and connects them.
    pub(crate) async fn found(&self, admin: &PgPool, platform: &str) -> Result<()> {
        let (first, count) = (self.first as i64, self.connections as i64);
        sqlx::query(FIRMS)
            .bind(first)
            .bind(count)
            .execute(admin)
            .await?;
        let connect = sqlx::query(CONNECTIONS).bind(first).bind(count);
        connect.bind(platform).execute(admin).await?;
        Ok(())
    }

    pub(crate) fn connection(&self, number: u64) -> Uuid {
        self.owner.map_or_else(
            || Uuid::from_u128(CONNECTION + u128::from(self.first + number)),
            |(_, connection)| connection,
        )
    }

    pub(crate) fn firm(&self, number: u64) -> Uuid {
        self.owner.map_or_else(
            || Uuid::from_u128(FIRM + u128::from(self.first + number)),
            |(firm, _)| firm,
        )
    }

    pub(crate) fn lane(&self, lane: u64) -> String {
        let connection = self.connection(lane % self.connections);
        format!(
            "out:{connection}:probe:{}.{}",
            self.number,
            lane / self.connections
        )
    }

    pub(crate) fn job_id(&self, number: u64) -> Uuid {
        Uuid::from_u128(JOB + FIELD * u128::from(self.number) + u128::from(number))
    }

    /// Job `number`, as the service hands it to `queue_enqueue`.
    pub(crate) fn job(&self, number: u64) -> Value {
        let lane = number % self.lanes;
        let owner = lane % self.connections;
        let id = self.job_id(number);
        json!({
            "id": id, "firm_id": self.firm(owner), "connection_id": self.connection(owner), "lane": self.lane(lane),
            "kind": "probe", "priority": self.priority, "matter_id": null, "upload_id": null, "explicit": false, "run_id": id,
            "dedupe_key": null, "event_ids": [],
        })
    }
}

/// What there is of a field's jobs after a run, and whether it is right.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Books {
    pub(crate) succeeded: i64,
    pub(crate) attempts: i64,
    pub(crate) pending: i64,
    pub(crate) jobs: i64,
    pub(crate) busy_lanes: i64,
    /// Jobs that ended no later than the one before them in their lane.
    pub(crate) disordered: i64,
}

const BOOKS: &str = "
    with acts as (
      select a.id, a.status, a.finished_at, (('x' || right(a.id::text, 10))::bit(40)::bigint) as number
      from activity a where a.id >= $1 and a.id < $2),
    ordered as (
      select number, finished_at, lag(finished_at) over w as before_at, lag(number) over w is not null as follows
      from acts window w as (partition by number % $3 order by number))
    select (select count(*) from acts where status = 'success') as succeeded,
      (select count(*) from acts where status = 'pending') as pending,
      (select count(*) from attempts where job_id >= $1 and job_id < $2 and outcome = 'done') as attempts,
      (select count(*) from jobs where id >= $1 and id < $2) as jobs,
      (select count(*) from lanes where worker is not null or ready_at is not null) as busy_lanes,
      (select count(*) from ordered where follows and finished_at is not null and finished_at <= coalesce(before_at, 'infinity')) as disordered";

impl Books {
    pub(crate) async fn read(admin: &PgPool, field: &Workload) -> Result<Self> {
        let row = sqlx::query(BOOKS)
            .bind(field.job_id(0))
            .bind(Uuid::from_u128(
                JOB + FIELD * (u128::from(field.number) + 1),
            ))
            .bind(field.lanes as i64)
            .fetch_one(admin)
            .await?;
        Ok(Self {
            succeeded: row.get("succeeded"),
            attempts: row.get("attempts"),
            pending: row.get("pending"),
            jobs: row.get("jobs"),
            busy_lanes: row.get("busy_lanes"),
            disordered: row.get("disordered"),
        })
    }

    /// Each of the `enqueued` jobs ended well, once, in its lane's order, and nothing is left of it but its history.
    pub(crate) fn hold(&self, enqueued: u64) -> bool {
        let all = enqueued as i64;
        self.succeeded == all
            && self.attempts == all
            && (self.pending, self.jobs, self.busy_lanes, self.disordered) == (0, 0, 0, 0)
    }

    pub(crate) fn shown(&self) -> Value {
        json!({ "succeeded": self.succeeded, "attempts": self.attempts, "pending": self.pending, "jobs_left": self.jobs,
            "lanes_not_idle": self.busy_lanes, "disordered": self.disordered })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_of_one_lane_are_as_far_apart_as_there_are_lanes() {
        let field = Workload::new(3, 6);

        assert_eq!(field.job(1)["lane"], field.job(7)["lane"]);
        assert_eq!(field.job(1)["connection_id"], field.job(4)["connection_id"]);
        assert_ne!(field.job(1)["lane"], field.job(4)["lane"]);
        assert!(field.job_id(9) < field.job_id(10));
    }
}
