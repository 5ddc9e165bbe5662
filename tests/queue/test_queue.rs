//! A database with one firm's connections, reached as a worker, and the queue's own steps upon it.

use harness::Database;
use serde_json::{Value, json};
use sqlx::postgres::{PgPoolOptions, PgRow};
use sqlx::{Executor, PgPool, Row};
use uuid::Uuid;

use crate::support::cluster;

const LEASE_MS: i32 = 60_000;
/// As the programs' sessions are.
const SESSION: &str = "set role casehug_worker; set enable_seqscan = off; set jit = off";

pub(crate) struct TestQueue {
    pub(crate) pool: PgPool,
    pub(crate) admin: PgPool,
    pub(crate) firm: Uuid,
    pub(crate) database: Database,
    connections: usize,
}

pub(crate) fn connection(number: usize) -> Uuid {
    Uuid::from_u128(0xC000 + number as u128)
}

impl TestQueue {
    /// With this number of connections of a platform whose cap is 4, and at most this number of database sessions.
    pub(crate) async fn start(connections: usize, sessions: u32) -> Self {
        let template = harness::app::migrated(cluster()).await.unwrap();
        let database = Database::from_template(cluster(), &template).await.unwrap();
        let pool = PgPoolOptions::new()
            .max_connections(sessions)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(SESSION).await?;
                    Ok(())
                })
            })
            .connect(database.url())
            .await
            .unwrap();
        let queue = Self {
            pool,
            admin: PgPool::connect(database.admin_url()).await.unwrap(),
            firm: Uuid::from_u128(1),
            database,
            connections,
        };
        queue.found().await;
        queue
    }

    async fn found(&self) {
        sqlx::query("insert into firms (id, name) values ($1, 'firm')")
            .bind(self.firm)
            .execute(&self.admin)
            .await
            .unwrap();
        // One connection of a platform stands at a time: the others are history, which the queue does not mind.
        let ids: Vec<Uuid> = (0..self.connections).map(connection).collect();
        sqlx::query(
            "insert into firm_integrations (id, firm_id, platform, region, account_id, account_label, is_active, connected_at, disconnected_at)
             select c.id, $1, 'mycase', 'us', c.id::text, 'account', false, now(), now() from unnest($2::uuid[]) c(id)",
        )
        .bind(self.firm)
        .bind(ids)
        .execute(&self.admin)
        .await
        .unwrap();
    }

    pub(crate) fn job(&self, lane: &str, id: Uuid) -> Value {
        self.job_of(0, lane, id)
    }

    pub(crate) fn job_of(&self, number: usize, lane: &str, id: Uuid) -> Value {
        json!({ "id": id, "firm_id": self.firm, "connection_id": connection(number), "lane": lane, "kind": "probe",
            "priority": 1, "run_id": id, "event_ids": [] })
    }

    pub(crate) async fn enqueue(&self, jobs: &[Value]) {
        sqlx::query("select queue_enqueue($1)")
            .bind(json!(jobs))
            .execute(&self.pool)
            .await
            .unwrap();
    }

    pub(crate) async fn register(&self, worker: Uuid) {
        self.register_as(worker, false).await;
    }

    /// A worker that takes suspect lanes and nothing else, or the others and no suspect one.
    pub(crate) async fn register_as(&self, worker: Uuid, alone: bool) {
        sqlx::query("select queue_register($1, 'test', $2, $3)")
            .bind(worker)
            .bind(LEASE_MS)
            .bind(alone)
            .execute(&self.pool)
            .await
            .unwrap();
    }

    /// Visits every connection, as a worker does that remembers nothing.
    pub(crate) async fn lease(&self, worker: Uuid, limit: i32) -> Vec<Leased> {
        let connections: Vec<Uuid> = (0..self.connections).map(connection).collect();
        let rows = sqlx::query(
            "select lane, fence, id from queue_lease($1, $2, $2, $3, array_fill(null::timestamptz, array[$4]),
               array_fill(0::bigint, array[$4]), array_fill(false, array[$4])) where id is not null",
        )
        .bind(worker)
        .bind(limit)
        .bind(connections)
        .bind(i32::try_from(self.connections).unwrap())
        .fetch_all(&self.pool)
        .await
        .unwrap();
        rows.iter().map(leased).collect()
    }

    pub(crate) async fn finish(
        &self,
        worker: Uuid,
        leased: &[Leased],
        effect: &str,
        delay_ms: u64,
    ) -> Vec<String> {
        let finished = self.finish_or_go_on(worker, leased, effect, delay_ms, false);
        finished.await.into_iter().map(|(lane, _)| lane).collect()
    }

    /// Finishes one job with an outcome of one's own: a success, unless `said` says otherwise.
    pub(crate) async fn finish_with(&self, worker: Uuid, job: &Leased, said: &Value) {
        let mut outcome = json!({ "lane": job.lane, "fence": job.fence, "job_id": job.id, "effect": "delete",
            "counted": true, "limited": 0, "log_status": "success", "duration_ms": 1, "outcome": "done" });
        let members = said.as_object().unwrap().clone();
        outcome.as_object_mut().unwrap().extend(members);
        let written = sqlx::query("select lane from queue_finish($1, $2)")
            .bind(worker)
            .bind(json!([outcome]))
            .fetch_all(&self.pool)
            .await
            .unwrap();
        assert_eq!(written.len(), 1, "the outcome was not written");
    }

    /// Finishes as `queue::finish` does, and returns the lanes that were written, with the next job where the worker went on.
    pub(crate) async fn finish_or_go_on(
        &self,
        worker: Uuid,
        done: &[Leased],
        effect: &str,
        delay_ms: u64,
        continue_lane: bool,
    ) -> Vec<(String, Option<Leased>)> {
        let status = if effect == "delete" {
            "success"
        } else {
            "pending"
        };
        let outcomes: Vec<Value> = done
            .iter()
            .map(|job| {
                json!({ "lane": job.lane, "fence": job.fence, "job_id": job.id, "effect": effect, "delay_ms": delay_ms,
                    "waiting_for": "retry", "counted": false, "limited": 0, "log_status": status,
                    "duration_ms": 1, "outcome": "done", "probe": true, "continue_lane": continue_lane })
            })
            .collect();
        let rows = sqlx::query("select lane, next_fence as fence, id from queue_finish($1, $2)")
            .bind(worker)
            .bind(json!(outcomes))
            .fetch_all(&self.pool)
            .await
            .unwrap();
        rows.iter()
            .map(|row| {
                let next = row.get::<Option<Uuid>, _>("id").map(|_| leased(row));
                (row.get("lane"), next)
            })
            .collect()
    }

    /// The first connection stands.
    pub(crate) async fn connect(&self) {
        sqlx::query(
            "update firm_integrations set is_active = true, disconnected_at = null where id = $1",
        )
        .bind(connection(0))
        .execute(&self.admin)
        .await
        .unwrap();
    }

    /// A link that this job holds.
    pub(crate) async fn claim(&self, link: Uuid, holder: &Leased) {
        sqlx::query(
            "insert into links (id, firm_id, platform, region, account_id, kind, effect_key, state, record_id, holder_lane, holder_fence, created_at)
             values ($1, $2, 'mycase', 'us', 'account', 'matter', $1::text, 'claimed', $1, $3, $4, now())",
        )
        .bind(link)
        .bind(self.firm)
        .bind(&holder.lane)
        .bind(holder.fence)
        .execute(&self.admin)
        .await
        .unwrap();
    }

    /// Adds `count` links whose records stand.
    pub(crate) async fn add_links(&self, count: i32) {
        sqlx::query(
            "insert into links (id, firm_id, platform, region, account_id, kind, effect_key, state, record_id, external_id, created_at)
             select gen_random_uuid(), $1, 'mycase', 'us', 'account', 'document', n::text, 'linked', gen_random_uuid(), n::text, now()
             from generate_series(1, $2) n",
        )
        .bind(self.firm)
        .bind(count)
        .execute(&self.admin)
        .await
        .unwrap();
    }

    /// A document that stands, with the hash of its bytes, below the link of its matter.
    pub(crate) async fn add_document(&self, matter_link: Uuid, sha256: &str) {
        sqlx::query(
            "with m as (insert into links (id, firm_id, platform, region, account_id, kind, effect_key, state, record_id, external_id, created_at)
               values ($1, $2, 'mycase', 'us', 'account', 'matter', 'matter', 'linked', $1, 'm', now()))
             insert into links (id, firm_id, platform, region, account_id, kind, effect_key, state, record_id, external_id, created_at,
               parent_id, sha256, linked_at)
             values (gen_random_uuid(), $2, 'mycase', 'us', 'account', 'document', 'document', 'linked', $1, 'd', now(), $1, $3, now())",
        )
        .bind(matter_link)
        .bind(self.firm)
        .bind(sha256)
        .execute(&self.admin)
        .await
        .unwrap();
    }

    /// Which document of a matter, other than one that does not stand yet, has these bytes.
    pub(crate) async fn same_bytes(&self, matter_link: Uuid, sha256: &str) -> Option<String> {
        sqlx::query_scalar(
            "select external_id from link_find_same_bytes($1, $2, 'another', 'lane', 1)",
        )
        .bind(matter_link)
        .bind(sha256)
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    /// A matter with `count` approved documents, oldest approval first.
    pub(crate) async fn matter_with_uploads(&self, matter: Uuid, count: u128) -> Vec<Uuid> {
        let uploads: Vec<Uuid> = (0..count).map(|n| Uuid::from_u128(0xD000 + n)).collect();
        let client = Uuid::from_u128(0xE000);
        let statement = sqlx::query(
            "with c as (insert into clients (id, firm_id) values ($1, $2)),
             m as (insert into matters (id, firm_id, client_id, title) values ($3, $2, $1, 'matter'))
             insert into uploads (id, firm_id, matter_id, file_name, storage_path, status, approved_at)
             select u.id, $2, $3, 'a.pdf', 'a.pdf', 'approved', now() from unnest($4::uuid[]) u(id)",
        );
        let filled = statement.bind(client).bind(self.firm).bind(matter);
        filled.bind(&uploads).execute(&self.admin).await.unwrap();
        uploads
    }

    /// What the permit of a creation says.
    pub(crate) async fn permit(&self, worker: Uuid, job: &Leased, link: Uuid) -> String {
        sqlx::query_scalar(
            "select verdict from queue_permit($1, $2, $3, $4, $5,
               (select epoch from firm_integrations where id = $5), null, null, 0, 0, 0, 0, $6, 1000, null)",
        )
        .bind(worker)
        .bind(&job.lane)
        .bind(job.fence)
        .bind(job.id)
        .bind(connection(0))
        .bind(link)
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    /// A creation was refused. Whether the job still held its link.
    pub(crate) async fn find_nothing(&self, link: Uuid, job: &Leased) -> bool {
        self.find_nothing_after(link, job, 0).await
    }

    /// The same, `ms` milliseconds after the provider was asked.
    pub(crate) async fn find_nothing_after(&self, link: Uuid, job: &Leased, ms: i64) -> bool {
        sqlx::query_scalar("select link_found_nothing($1, $2, $3, $4)")
            .bind(link)
            .bind(&job.lane)
            .bind(job.fence)
            .bind(ms)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// A statement that answers true or false, with a link, a lane and its fence.
    pub(crate) async fn writes_link(
        &self,
        statement: &'static str,
        link: Uuid,
        job: &Leased,
    ) -> bool {
        sqlx::query_scalar(statement)
            .bind(link)
            .bind(&job.lane)
            .bind(job.fence)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    pub(crate) async fn count(&self, statement: &'static str) -> i64 {
        sqlx::query_scalar(statement)
            .fetch_one(&self.admin)
            .await
            .unwrap()
    }

    /// How often an index has been read, where the pool has one session.
    pub(crate) async fn scans(&self, index: &str) -> i64 {
        self.told(
            "select idx_scan from pg_stat_user_indexes where indexrelname = $1",
            index,
        )
        .await
    }

    /// How many rows of a table have been read, where the pool has one session.
    pub(crate) async fn rows_read(&self, table: &str) -> i64 {
        self.told(
            "select idx_tup_fetch + seq_tup_read from pg_stat_user_tables where relname = $1",
            table,
        )
        .await
    }

    /// The pool's session tells its counts when it is asked to.
    async fn told(&self, statement: &'static str, name: &str) -> i64 {
        let tell = self.pool.execute("select pg_stat_force_next_flush()");
        tell.await.unwrap();
        sqlx::query_scalar(statement)
            .bind(name)
            .fetch_one(&self.admin)
            .await
            .unwrap()
    }

    pub(crate) async fn stuck(&self) -> i64 {
        self.count(
            "select count(*) from lanes l where l.worker is null and l.ready_at is null
               and exists (select 1 from jobs j where j.lane = l.key and j.state = 'queued')",
        )
        .await
    }
}

fn leased(row: &PgRow) -> Leased {
    Leased {
        lane: row.get("lane"),
        fence: row.get("fence"),
        id: row.get("id"),
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Leased {
    pub(crate) lane: String,
    pub(crate) fence: i64,
    pub(crate) id: Uuid,
}
