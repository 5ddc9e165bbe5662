//! `casehug-worker batches …`, and `jobs retry-all`.

use anyhow::Context;
use serde_json::json;
use shared::queue::admin::{self, Batch, JobFilter};
use uuid::Uuid;

use super::AdminContext;
use super::arguments::BatchesVerb;
use super::print::{time, time_or_dash};

pub(super) async fn run(context: &AdminContext, verb: BatchesVerb) -> anyhow::Result<()> {
    match verb {
        BatchesVerb::Show { id } => show(context, id).await,
        BatchesVerb::Cancel { id } => cancel(context, id).await,
    }
}

/// Counts; then, unless that was all, begins a batch that the workers work off.
pub(super) async fn retry_all(
    context: &AdminContext,
    filter: &JobFilter,
    dry_run: bool,
) -> anyhow::Result<()> {
    let mut db = context.begin().await?;
    let counted = admin::count_matching(&mut db, filter).await?;
    if dry_run {
        return context.form.show(&json!({ "counted": counted }), |_| {
            vec![vec![format!("{counted} failed jobs match")]]
        });
    }
    anyhow::ensure!(
        counted <= admin::MOST_IN_A_BATCH,
        "{counted} jobs match, more than the {} of one batch: narrow the filter",
        admin::MOST_IN_A_BATCH
    );
    let id = admin::begin_batch(&mut db, filter, &context.author).await?;
    let batch = admin::find_batch(&mut db, context.firm, id).await?;
    db.commit().await?;
    context.form.show(&batch.context("no such batch")?, rows)
}

async fn show(context: &AdminContext, id: Uuid) -> anyhow::Result<()> {
    let mut db = context.begin().await?;
    let batch = admin::find_batch(&mut db, context.firm, id).await?;
    context.form.show(&batch.context("no such batch")?, rows)
}

async fn cancel(context: &AdminContext, id: Uuid) -> anyhow::Result<()> {
    let mut db = context.begin().await?;
    let cancelled = admin::cancel_batch(&mut db, context.firm, id, &context.author).await?;
    let batch = admin::find_batch(&mut db, context.firm, id).await?;
    let batch = batch.context("no such batch")?;
    anyhow::ensure!(cancelled, "the batch is {} already", batch.state);
    db.commit().await?;
    context.form.show(&batch, rows)
}

fn rows(batch: &Batch) -> Vec<Vec<String>> {
    let facts = [
        ("id", batch.id.to_string()),
        ("state", batch.state.clone()),
        ("filter", batch.filter.to_string()),
        ("by", batch.author.clone()),
        ("counted", batch.counted.to_string()),
        ("waiting", batch.waiting.to_string()),
        ("running", batch.running.to_string()),
        ("succeeded", batch.succeeded.to_string()),
        ("failed", batch.failed.to_string()),
        ("skipped", batch.skipped.to_string()),
        ("created", time(batch.created_at)),
        ("finished", time_or_dash(batch.finished_at)),
    ];
    facts
        .map(|(name, value)| vec![name.to_owned(), value])
        .into()
}
