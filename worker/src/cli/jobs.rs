//! `casehug-worker jobs …`

use anyhow::Context;
use shared::domain::{ConnectionId, ExternalId, JobId};
use shared::queue::admin::{self, Act, Acted, JobDetail, JobFilter, JobPage, JobView, Seek};
use uuid::Uuid;

use super::AdminContext;
use super::arguments::JobsVerb;
use super::batches;
use super::print::{or_dash, time, time_or_dash, words};

/// Short pages are followed up to here: half a million jobs looked at.
const MOST_PAGES: usize = 100;
const PAGE: i32 = 200;

pub(super) async fn run(context: &AdminContext, verb: JobsVerb) -> anyhow::Result<()> {
    match verb {
        JobsVerb::List {
            state,
            filter,
            limit,
            cursor,
        } => list(context, &filter.of(context.firm, state), limit, cursor).await,
        JobsVerb::Show { id } => show(context, id).await,
        JobsVerb::Retry { id } => act(context, Act::Retry, id).await,
        JobsVerb::RetryAll { filter, dry_run } => {
            batches::retry_all(context, &filter.of(context.firm, None), dry_run).await
        }
        JobsVerb::Skip { id } => act(context, Act::Skip, id).await,
        JobsVerb::Cancel { id } => act(context, Act::Cancel, id).await,
        JobsVerb::RunNow { id } => act(context, Act::RunNow, id).await,
        JobsVerb::Adopt { id, external_id } => adopt(context, id, external_id).await,
        JobsVerb::Failures { filter } => failures(context, &filter.of(context.firm, None)).await,
        JobsVerb::Probe {
            connection,
            count,
            lanes,
        } => probe(context, connection, count, lanes).await,
    }
}

async fn list(
    context: &AdminContext,
    filter: &JobFilter,
    limit: i32,
    cursor: Option<String>,
) -> anyhow::Result<()> {
    let mut page = JobPage {
        jobs: Vec::new(),
        next_cursor: cursor,
    };
    for _ in 0..MOST_PAGES {
        let after = match page.next_cursor.as_deref() {
            Some(text) => Some(Seek::read(text).context("the cursor is not of this list")?),
            None => None,
        };
        let left = limit - i32::try_from(page.jobs.len())?;
        let mut db = context.begin().await?;
        let next = admin::list(&mut db, filter, after, left.min(PAGE)).await?;
        page.jobs.extend(next.jobs);
        page.next_cursor = next.next_cursor;
        if page.next_cursor.is_none() || page.jobs.len() >= usize::try_from(limit)? {
            break;
        }
    }
    context.form.show(&page, page_rows)
}

fn page_rows(page: &JobPage) -> Vec<Vec<String>> {
    let mut rows = vec![words([
        "ID", "STATE", "PLATFORM", "KIND", "CREATED", "ATTEMPTS", "CODE", "WAITING",
    ])];
    rows.extend(page.jobs.iter().map(job_row));
    if let Some(cursor) = &page.next_cursor {
        rows.push(vec![format!("more: --cursor {cursor}")]);
    }
    rows
}

fn job_row(job: &JobView) -> Vec<String> {
    vec![
        job.id.to_string(),
        job.state.clone(),
        or_dash(job.platform.as_deref()),
        job.kind.clone(),
        time(job.created_at),
        job.attempts.to_string(),
        or_dash(job.code.as_deref()),
        waiting(job),
    ]
}

fn waiting(job: &JobView) -> String {
    match &job.waiting {
        None => "-".to_owned(),
        Some(waiting) => match waiting.until {
            Some(until) => format!("{} until {}", waiting.why, time(until)),
            None => waiting.why.clone(),
        },
    }
}

async fn show(context: &AdminContext, id: Uuid) -> anyhow::Result<()> {
    let mut db = context.begin().await?;
    let job = admin::find(&mut db, context.firm, JobId(id)).await?;
    context.form.show(&job.context("no such job")?, detail_rows)
}

fn detail_rows(detail: &JobDetail) -> Vec<Vec<String>> {
    let job = &detail.job;
    let facts = [
        ("id", job.id.to_string()),
        ("firm", job.firm_id.to_string()),
        ("connection", or_dash(job.connection_id)),
        ("platform", or_dash(job.platform.as_deref())),
        ("kind", job.kind.clone()),
        ("state", job.state.clone()),
        ("matter", or_dash(job.matter_id)),
        ("upload", or_dash(job.upload_id)),
        ("run", or_dash(job.run_id)),
        ("created", time(job.created_at)),
        ("finished", time_or_dash(job.finished_at)),
        ("external id", or_dash(job.external_id.as_deref())),
        ("code", or_dash(job.code.as_deref())),
        ("message", or_dash(job.message.as_deref())),
        ("resolution", or_dash(job.resolution.as_deref())),
        ("waiting", waiting(job)),
    ];
    let facts = facts.map(|(name, value)| vec![name.to_owned(), value]);
    let executions = detail.executions.iter().map(|execution| {
        let calls = execution.calls.as_array().map_or(0, Vec::len);
        let (outcome, code) = (&execution.outcome, or_dash(execution.code.as_deref()));
        let ms = execution.duration_ms;
        let told = format!(
            "{}  {outcome} {code}  {ms} ms  {calls} calls",
            time(execution.started_at)
        );
        vec![format!("execution {}", execution.number), told]
    });
    let acts = detail.acts.iter().map(|act| {
        vec![
            act.act.clone(),
            format!("{}  by {}", time(act.at), act.author),
        ]
    });
    facts.into_iter().chain(executions).chain(acts).collect()
}

async fn act(context: &AdminContext, act: Act, id: Uuid) -> anyhow::Result<()> {
    let mut db = context.begin().await?;
    let acted = admin::act(&mut db, context.firm, act, JobId(id), &context.author).await?;
    db.commit().await?;
    show_acted(context, &acted)
}

async fn adopt(context: &AdminContext, id: Uuid, external_id: String) -> anyhow::Result<()> {
    let mut db = context.begin().await?;
    let chosen = ExternalId(external_id);
    let acted = admin::adopt(&mut db, context.firm, JobId(id), &chosen, &context.author).await?;
    db.commit().await?;
    show_acted(context, &acted)
}

fn show_acted(context: &AdminContext, acted: &Acted) -> anyhow::Result<()> {
    context.form.show(acted, |acted| {
        let joined = acted.joined.map(|duplicate| format!(" job {duplicate}"));
        vec![vec![format!(
            "{}{}",
            acted.outcome,
            joined.unwrap_or_default()
        )]]
    })
}

async fn failures(context: &AdminContext, filter: &JobFilter) -> anyhow::Result<()> {
    let mut db = context.begin().await?;
    let failures = admin::failures(&mut db, filter).await?;
    context.form.show(&failures, |failures| {
        let mut rows = vec![words([
            "JOBS", "PLATFORM", "CODE", "LAST", "EXAMPLE", "MESSAGE",
        ])];
        rows.extend(failures.causes.iter().map(|cause| {
            vec![
                cause.jobs.to_string(),
                cause.platform.clone(),
                or_dash(cause.code.as_deref()),
                time_or_dash(cause.last_failed_at),
                cause.example_id.to_string(),
                or_dash(cause.message.as_deref()),
            ]
        }));
        if !failures.complete {
            rows.push(vec!["of the newest failures alone".to_owned()]);
        }
        rows
    })
}

async fn probe(
    context: &AdminContext,
    connection: Uuid,
    count: u32,
    lanes: u32,
) -> anyhow::Result<()> {
    let firm = context.firm.context("--firm is missing")?;
    // As over HTTP: only the worker's role appends jobs.
    let mut db = context.database.worker().await?;
    let probes =
        admin::enqueue_probes(&mut db, firm, ConnectionId(connection), count, lanes).await?;
    let probes = probes.context("no such connection of this firm")?;
    db.commit().await?;
    context.form.show(&probes, |probes| {
        vec![vec![format!("{} jobs, run {}", probes.jobs, probes.run_id)]]
    })
}
