//! `rolling`: the previous commit's programs work under a load of approvals while a migration of the newer kind runs beside
//! them (expand, backfill in small steps, index, constraint, as operators are told to write one), and are then replaced by this
//! commit's, one by one. Not one request, job or log line may end in an error.
//! Options: JOBS (old log rows), RATE (approvals a second). PREVIOUS names the folder of the previous commit's programs.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::app::{Matter, Program, Upload};
use serde_json::{Value, json};
use sqlx::{PgPool, raw_sql};
use tokio::sync::RwLock;
use uuid::Uuid;

use crate::clock;
use crate::figures::{percentile, rounded};
use crate::options;
use crate::pgbench;
use crate::report::{Report, say};
use crate::system::{self, BenchSystem};
use crate::uploads;

const AIM: &str = "the previous commit's programs under load while a migration backfills 10,000,000 rows, then replaced: 0 errors";
const MATTERS: u64 = 20;
/// Rows of one step of the backfill.
const STEP: i64 = 5_000;
const SETTLED: Duration = Duration::from_secs(120);
/// A step that waits for a lock longer than this gives way and is tried again: who waits would stop everybody behind it.
const LOCK: &str = "set lock_timeout = '500ms'";

const FILL: &str = "
    insert into integration_sync_logs (id, firm_id, integration_id, matter_id, action, status, run_id, attempts, created_at, finished_at)
    select (overlay('01800000-0000-7000-8000-000000000000' placing lpad(to_hex(n), 12, '0') from 25))::uuid, i.firm_id, i.id, null, 'sync_matter',
      'success', i.id, 1, now() - interval '60 days' + n * interval '100 ms', now() - interval '60 days' + n * interval '100 ms'
    from generate_series($1::bigint, $2::bigint) n cross join (select firm_id, id from firm_integrations limit 1) i";
const EXPAND: [&str; 2] = [
    "alter table integration_sync_logs add column origin text",
    "alter table integration_sync_logs alter column origin set default 'casehug'",
];
const BACKFILL: &str = "
    with part as (select id from integration_sync_logs where id > $1 order by id limit $2),
    filled as (update integration_sync_logs g set origin = 'casehug' from part p where g.id = p.id and g.origin is null)
    select id from part order by id desc limit 1";
const CONTRACT: [&str; 3] = [
    "create index concurrently integration_sync_logs_origin on integration_sync_logs (origin) where origin <> 'casehug'",
    "alter table integration_sync_logs add constraint origin_known check (origin is not null) not valid",
    "alter table integration_sync_logs validate constraint origin_known",
];

pub(crate) async fn run() -> Result<bool> {
    let rows: i64 = options::number("JOBS", 10_000_000)?;
    let rate: f64 = options::number("RATE", 20.0)?;
    let previous = std::env::var("PREVIOUS")
        .context("PREVIOUS must name the folder of the previous commit's programs")?;
    let report = Report::new("rolling");
    let mut settings = system::settings(2, 32);
    settings.programs = Some(PathBuf::from(previous));
    let system = Arc::new(BenchSystem::start(settings).await?);
    report.ran_on(&system.app.admin).await?;
    let limit = pgbench::commits_a_second(&system).await?;
    system.app.limits(&json!({ "mode": "off" })).await?;
    let matters = matters(&system).await?;
    let filled = fill(&system.app.admin, rows).await?;
    report
        .line(json!({ "what": "filled", "rows": rows, "seconds": rounded(filled.as_secs_f64()) }));

    let load = Load::start(&system, matters, rate);
    let migrated = migrate(&system.app.admin).await?;
    report.line(
        json!({ "what": "migrated", "rows": rows, "seconds": rounded(migrated.as_secs_f64()) }),
    );
    let replaced = replace(&system, &load).await?;
    let sent = load.stop().await?;

    system.app.settled(SETTLED).await?;
    uploads::ensure_sent(&system.app, sent.waited_ms.len()).await?;
    system.app.audit().await?;
    let logged = error_lines(&system, &replaced)?;
    let errors = sent.errors.len() + logged.len();
    for error in sent.errors.iter().chain(&logged).take(20) {
        say(error);
    }
    let figures = json!({ "rows": rows, "rows_per_s": rounded(rows as f64 / migrated.as_secs_f64()), "events": sent.waited_ms.len(),
        "errors": errors, "answer_p50_ms": rounded(percentile(&sent.waited_ms, 0.5)), "answer_p99_ms": rounded(percentile(&sent.waited_ms, 0.99)),
        "answer_max_ms": rounded(percentile(&sent.waited_ms, 1.0)), "base_per_s": rounded(limit) });
    drop(replaced);
    Arc::into_inner(system)
        .context("the system is still used")?
        .end()
        .await;
    Ok(report.verdict(errors == 0, AIM, figures))
}

async fn matters(system: &BenchSystem) -> Result<Vec<Matter>> {
    let mut matters = Vec::new();
    for number in 0..MATTERS {
        let firm = uploads::connected_firm(&system.app, 30_000 + number).await?;
        matters.push(firm.matter(&system.app, number).await?);
    }
    Ok(matters)
}

/// History of two months, with its indexes, as a firm that has been here for long has it.
async fn fill(admin: &PgPool, rows: i64) -> Result<Duration> {
    let started = clock::now();
    let mut db = admin.acquire().await?;
    raw_sql("set session_replication_role = replica")
        .execute(&mut *db)
        .await?;
    let mut from = 1;
    while from <= rows {
        let until = (from + 499_999).min(rows);
        sqlx::query(FILL)
            .bind(from)
            .bind(until)
            .execute(&mut *db)
            .await?;
        from = until + 1;
    }
    raw_sql("reset session_replication_role")
        .execute(&mut *db)
        .await?;
    raw_sql("vacuum analyze integration_sync_logs")
        .execute(&mut *db)
        .await?;
    Ok(started.elapsed())
}

/// The test's own migration, beside a running system.
async fn migrate(admin: &PgPool) -> Result<Duration> {
    let started = clock::now();
    let mut db = admin.acquire().await?;
    raw_sql(LOCK).execute(&mut *db).await?;
    for statement in EXPAND {
        giving_way(&mut db, statement).await?;
    }
    let mut after = Uuid::nil();
    while let Some(last) = sqlx::query_scalar(BACKFILL)
        .bind(after)
        .bind(STEP)
        .fetch_optional(&mut *db)
        .await?
    {
        after = last;
    }
    for statement in CONTRACT {
        giving_way(&mut db, statement).await?;
    }
    raw_sql("reset lock_timeout").execute(&mut *db).await?;
    Ok(started.elapsed())
}

async fn giving_way(db: &mut sqlx::PgConnection, statement: &'static str) -> Result<()> {
    loop {
        match raw_sql(statement).execute(&mut *db).await {
            Ok(_) => return Ok(()),
            // lock_not_available
            Err(error)
                if error
                    .as_database_error()
                    .is_some_and(|e| e.code().as_deref() == Some("55P03")) =>
            {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(error).context(statement),
        }
    }
}

/// This commit's programs come beside the previous ones, which are then asked to end.
async fn replace(system: &BenchSystem, load: &Load) -> Result<Vec<Program>> {
    let mut settings = system.app.settings.clone();
    settings.programs = None;
    let ingress = system.app.launch_ingress("ingress-new", &settings)?;
    system.app.program_ready(&ingress).await?;
    *load.ingress.write().await = ingress.url().context("ingress has an address")?;
    end(&system.app.ingress).await?;
    let mut programs = vec![ingress];
    for (number, old) in system.app.workers.iter().enumerate() {
        let worker = system
            .app
            .launch_worker(&format!("worker-new-{number}"), &settings)?;
        system.app.program_ready(&worker).await?;
        end(old).await?;
        programs.push(worker);
    }
    // For a while the new ones are alone.
    tokio::time::sleep(Duration::from_secs(5)).await;
    Ok(programs)
}

async fn end(program: &harness::Process) -> Result<()> {
    program.terminate()?;
    let status = program.wait(Duration::from_secs(30)).await?;
    ensure!(status.success(), "{} ended with {status}", program.name());
    Ok(())
}

/// What the programs logged as an error; client data is in none of it.
fn error_lines(system: &BenchSystem, replaced: &[Program]) -> Result<Vec<String>> {
    let old = system.app.workers.iter().chain([&system.app.ingress]);
    let mut errors = Vec::new();
    for program in old.chain(replaced.iter().map(Program::process)) {
        let lines = program.lines();
        ensure!(!lines.is_empty(), "{} has written nothing", program.name());
        let of = |line: &String| format!("{}: {line}", program.name());
        errors.extend(lines.iter().filter(|line| is_error(line)).map(of));
    }
    Ok(errors)
}

fn is_error(line: &str) -> bool {
    line.contains("panicked")
        || serde_json::from_str::<Value>(line).is_ok_and(|line| line["level"] == "ERROR")
}

/// Approvals at a steady rate, each in a request of its own.
struct Load {
    ingress: Arc<RwLock<String>>,
    stopped: Arc<AtomicBool>,
    sending: tokio::task::JoinHandle<Result<Sent>>,
}

#[derive(Default)]
struct Sent {
    waited_ms: Vec<f64>,
    errors: Vec<String>,
}

impl Load {
    fn start(system: &Arc<BenchSystem>, matters: Vec<Matter>, rate: f64) -> Self {
        let ingress = Arc::new(RwLock::new(system.app.ingress_url()));
        let stopped = Arc::new(AtomicBool::new(false));
        let sending = tokio::spawn(send(
            system.clone(),
            matters,
            rate,
            ingress.clone(),
            stopped.clone(),
        ));
        Self {
            ingress,
            stopped,
            sending,
        }
    }

    async fn stop(self) -> Result<Sent> {
        self.stopped.store(true, Ordering::Release);
        self.sending.await?
    }
}

async fn send(
    system: Arc<BenchSystem>,
    matters: Vec<Matter>,
    rate: f64,
    ingress: Arc<RwLock<String>>,
    stopped: Arc<AtomicBool>,
) -> Result<Sent> {
    let mut sent = Sent::default();
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    let mut number = 0;
    while !stopped.load(Ordering::Acquire) {
        ticks.tick().await;
        let bytes = format!("document {number}");
        let matter = matters[number % matters.len()];
        let upload = system
            .app
            .upload(matter, "document.txt", None, bytes.as_bytes())
            .await?;
        number += 1;
        let asked = clock::now();
        // Held while the request is under way: a balancer takes an ingress out before it ends it.
        let url = ingress.read().await;
        let answer = post(&system, &url, upload).await;
        drop(url);
        sent.waited_ms.push(asked.elapsed().as_secs_f64() * 1000.0);
        match answer {
            Ok(202) => {}
            Ok(status) => sent
                .errors
                .push(format!("an approval was answered with {status}")),
            Err(error) => sent
                .errors
                .push(format!("an approval was not answered: {error:#}")),
        }
    }
    Ok(sent)
}

async fn post(system: &BenchSystem, url: &str, upload: Upload) -> Result<u16> {
    let event = json!({ "id": format!("approved-{}", upload.id), "type": "document.approved", "firm_id": upload.matter.firm,
        "data": { "matter_id": upload.matter.id, "upload_id": upload.id } });
    let request = system.app.http.post(format!("{url}/api/v1/events"));
    let request = request
        .bearer_auth(system.app.tokens.service()?)
        .json(&event);
    Ok(system.app.send(request).await?.status)
}
