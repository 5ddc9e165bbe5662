//! One bucket for many processes: a platform that counts by client and region is shared by all firms and all workers. Whatever
//! their clocks say, and though the database dies in between, no window ever holds more calls than the budget.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use harness::{Cluster, Database, Mode, Process, eventually};
use sqlx::{Executor, PgPool};
use uuid::Uuid;

use crate::support::SOON;
use crate::test_queue::{TestQueue, connection};

const PROCESSES: usize = 8;
const FIRMS: usize = 4;
const BUDGET: i64 = 20;
/// The calls that arrive before the database dies, and again after it.
const CALLS: usize = 60;
/// A killed server keeps its commits without these settings, because the machine stays up. Commits must still be waited for.
const POSTGRES: &[(&str, &str)] = &[("fsync", "off"), ("full_page_writes", "off")];

/// A provider that counts.
#[derive(Clone, Default)]
struct Provider {
    arrived: Arc<AtomicUsize>,
    enough: Arc<AtomicUsize>,
}

impl Provider {
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        self.enough.store(usize::MAX, Ordering::SeqCst);
        let provider = self.clone();
        let answer = move || {
            let arrived = provider.arrived.fetch_add(1, Ordering::SeqCst);
            let enough = provider.enough.load(Ordering::SeqCst);
            async move {
                match arrived < enough {
                    true => StatusCode::OK,
                    false => StatusCode::GONE,
                }
            }
        };
        let routes = Router::new().route("/", get(answer));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        format!("http://{address}/")
    }

    async fn reached(&self, calls: usize) {
        eventually(SOON, || async {
            (self.arrived.load(Ordering::SeqCst) >= calls).then_some(())
        })
        .await
        .unwrap();
    }
}

/// Writes down each send time that the bucket grants, in the commit that grants it.
const WATCH: &str = "
    create table grants (at timestamptz not null);
    create function note_grant() returns trigger language plpgsql security definer as $$
    begin
      if tg_op = 'INSERT' or new.sent is distinct from old.sent then
        insert into public.grants select new.sent[cardinality(new.sent)] where cardinality(new.sent) > 0;
      end if;
      return null;
    end $$;
    create trigger note_grant after insert or update on buckets for each row execute function note_grant();";

/// The least time within which one more call was granted than the budget allows, in milliseconds.
const TIGHTEST: &str = "
    select (extract(epoch from min(g.later - g.at)) * 1000)::bigint
    from (select at, lead(at, $1::integer) over (order by at) as later from grants) g where g.later is not null";

struct Seat {
    worker: Uuid,
    lane: String,
    job: Uuid,
    firm: Uuid,
    connection: Uuid,
}

/// A firm's connection to a platform that counts by client, and a held lane for each process.
async fn seats(admin: &PgPool) -> Vec<Seat> {
    let mut seats = Vec::new();
    for number in 0..PROCESSES {
        let id = |kind: u128| Uuid::from_u128(kind << 64 | number as u128);
        let firm = Uuid::from_u128(1 << 64 | (number % FIRMS) as u128);
        let connection = Uuid::from_u128(2 << 64 | (number % FIRMS) as u128);
        let (worker, job, lane) = (id(3), id(4), format!("lane {number}"));
        let statement = "
            with firm as (insert into firms (id, name) values ($1, 'firm') on conflict do nothing)
            insert into firm_integrations (id, firm_id, platform, region, account_id, account_label, connected_at)
            values ($2, $1, 'smokeball', 'us', $2::text, 'account', now()) on conflict do nothing";
        sqlx::query(statement)
            .bind(firm)
            .bind(connection)
            .execute(admin)
            .await
            .unwrap();
        let statement = "
            with worker as (
              insert into workers (id, name, started_at, alive_until, lease_ms) values ($3, 'caller', now(), now() + interval '1 h', 3600000)),
            job as (
              insert into jobs (id, firm_id, connection_id, lane, seq, kind, run_id, run_at, created_at) values ($4, $1, $2, $5, 1, 'probe', $4, now(), now()))
            insert into lanes (key, firm_id, connection_id, worker, running_job, fence, tail) values ($5, $1, $2, $3, $4, 1, 1)";
        sqlx::query(statement)
            .bind(firm)
            .bind(connection)
            .bind(worker)
            .bind(job)
            .bind(&lane)
            .execute(admin)
            .await
            .unwrap();
        seats.push(Seat {
            worker,
            lane,
            job,
            firm,
            connection,
        });
    }
    seats
}

/// A process whose clock is 5 s from the next one's.
fn call(number: usize, seat: &Seat, database: &Database, provider: &str, logs: &Path) -> Process {
    let library = std::env::var("FAKETIME_LIBRARY")
        .expect("FAKETIME_LIBRARY is missing: deploy/faketime.sh finds it");
    let seconds = 5 * i64::try_from(number).unwrap() - 20;
    let environment = [
        ("DATABASE_URL", database.url().to_owned()),
        ("PROVIDER", provider.to_owned()),
        ("BUDGET", format!("{BUDGET}/1s")),
        ("WORKER", seat.worker.to_string()),
        ("LANE", seat.lane.clone()),
        ("JOB", seat.job.to_string()),
        ("FIRM", seat.firm.to_string()),
        ("CONNECTION", seat.connection.to_string()),
        ("LD_PRELOAD", library),
        ("FAKETIME", format!("{seconds:+}s")),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let program = Path::new(env!("CARGO_BIN_EXE_bucket-caller"));
    let arguments: [&str; 0] = [];
    let name = format!("caller-{number}");
    Process::spawn(&name, program, &arguments, &environment, logs).unwrap()
}

#[tokio::test]
async fn eight_processes_never_exceed_a_shared_budget_through_a_crash_of_the_database() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let cluster = Cluster::start(&folder.path().join("postgres"), POSTGRES).unwrap();
    let template = harness::app::migrated(&cluster).await.unwrap();
    let database = Database::from_template(&cluster, &template).await.unwrap();
    let admin = PgPool::connect(database.admin_url()).await.unwrap();
    sqlx::raw_sql(WATCH).execute(&admin).await.unwrap();
    let provider = Provider::default();
    let address = provider.start().await;

    let seats = seats(&admin).await;
    let logs = folder.path().join("logs");
    let callers: Vec<_> = (0..)
        .zip(&seats)
        .map(|(number, seat)| call(number, seat, &database, &address, &logs))
        .collect();
    provider.reached(CALLS).await;
    cluster.stop(Mode::Immediate).unwrap();
    cluster.start_again().unwrap();
    let before = provider.arrived.load(Ordering::SeqCst);
    provider.reached(before + CALLS).await;
    provider.enough.store(0, Ordering::SeqCst);
    for caller in callers {
        let status = caller.wait(SOON).await.unwrap();
        assert!(status.success(), "{status}: {:?}", caller.lines());
    }

    let admin = PgPool::connect(database.admin_url()).await.unwrap();
    let granted: i64 = sqlx::query_scalar("select count(*) from grants")
        .fetch_one(&admin)
        .await
        .unwrap();
    let tightest: i64 = sqlx::query_scalar(TIGHTEST)
        .bind(BUDGET)
        .fetch_one(&admin)
        .await
        .unwrap();
    let arrived = i64::try_from(provider.arrived.load(Ordering::SeqCst)).unwrap();
    assert!(arrived <= granted, "{arrived} calls for {granted} grants");
    assert!(
        tightest >= 1_020,
        "{} calls within {tightest} ms",
        BUDGET + 1
    );
    let buckets: i64 = sqlx::query_scalar("select count(*) from buckets")
        .fetch_one(&admin)
        .await
        .unwrap();
    assert_eq!(buckets, 1, "all firms share it");
}

/// One call of a bucket; returns its budget.
async fn take(queue: &TestQueue, budget: i32) -> i32 {
    sqlx::query_scalar(
        "select budget from bucket_take('b', '00000000-0000-0000-0000-000000000001', $1, 60000, 100, 2000)",
    )
    .bind(budget)
    .fetch_one(&queue.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_newly_configured_budget_replaces_what_stood_in_the_bucket() {
    let queue = TestQueue::start(1, 1).await;
    take(&queue, 50).await;
    queue
        .pool
        .execute("select bucket_correct('b', 80)")
        .await
        .unwrap();

    assert_eq!(
        take(&queue, 50).await,
        55,
        "what the provider says stays, a tenth a minute"
    );
    assert_eq!(take(&queue, 20).await, 20);
    assert_eq!(take(&queue, 100).await, 100);
}

#[tokio::test]
async fn a_late_call_moves_no_other_that_stands_under_the_same_time() {
    let queue = TestQueue::start(1, 1).await;
    take(&queue, 50).await;
    let twins = "update buckets set sent = array_fill(timestamptz '2026-01-01', array[2])";
    queue.admin.execute(twins).await.unwrap();

    let late = "select bucket_late('b', '2026-01-01', 1000)";
    queue.pool.execute(late).await.unwrap();

    let moved = "select count(*) from buckets, unnest(sent) s where s > '2026-01-01'";
    assert_eq!(queue.count(moved).await, 1);
}

#[tokio::test]
async fn what_we_used_up_ourselves_rests_for_nobodys_reset() {
    let queue = TestQueue::start(1, 1).await;
    take(&queue, 3).await;
    // The first of three calls reached the provider a little late: it counts them all in one minute.
    let fill = "update buckets set paused_until = '-infinity', sent = array[
        timestamptz '2026-01-01 00:00:00' - interval '2 s', '2026-01-01 00:00:30', '2026-01-01 00:01:00']";
    queue.admin.execute(fill).await.unwrap();
    let rests = async |sent_at: &'static str| -> i64 {
        queue.pool.execute(sent_at).await.unwrap();
        queue
            .count("select count(*) from buckets where paused_until > app_now() + interval '50 s'")
            .await
    };

    let ours = rests("select bucket_used_up('b', '2026-01-01 00:01:00', 60000)").await;
    let others = rests("select bucket_used_up('b', '2026-01-01 00:01:10', 60000)").await;

    assert_eq!((ours, others), (0, 1));
}

#[tokio::test]
async fn a_call_that_has_waited_is_withdrawn_where_its_bucket_was_paused_meanwhile() {
    let queue = TestQueue::start(1, 1).await;
    let (me, id) = (Uuid::from_u128(10), Uuid::from_u128(11));
    queue.register(me).await;
    queue.connect().await;
    queue.enqueue(&[queue.job("lane", id)]).await;
    let leased = &queue.lease(me, 1).await[0];
    take(&queue, 1).await;
    let confirm = async |before: &'static str| -> String {
        queue.admin.execute(before).await.unwrap();
        let asked = sqlx::query_scalar(
            "select verdict from queue_confirm_permit($1, 'lane', $2, $3, $4, (select epoch from firm_integrations where id = $4), 'b', 10)",
        );
        let asked = asked.bind(me).bind(leased.fence).bind(id);
        asked
            .bind(connection(0))
            .fetch_one(&queue.pool)
            .await
            .unwrap()
    };

    let due = confirm("update buckets set paused_until = app_now() + interval '5 ms'").await;
    let rest = "insert into pauses (scope, reason, until, author, created_at)
        select 'connection:' || id, 'retry_after', app_now() + interval '1 minute', 'worker', app_now() from firm_integrations";
    let rested = confirm(rest).await;
    let paused = confirm("select bucket_pause('b', 3000)").await;
    let cancelled = confirm("update jobs set cancelled_at = app_now()").await;

    assert_eq!([due, rested, paused, cancelled], ["go", "go", "at", "stop"]);
}
