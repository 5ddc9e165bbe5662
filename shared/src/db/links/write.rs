//! What a job writes on a link, each under its running fence.

use std::time::Duration;

use sqlx::PgConnection;

use super::milliseconds;
use crate::clock::Moment;
use crate::db::Database;
use crate::domain::{
    LinkId,
    job::LeasedJob,
    link::{Bytes, Completed, Superseded},
};

/// Writes the end of a creation, or a record that was found. False: the caller's lease does not hold the link any more.
pub async fn complete(
    database: &Database,
    link: LinkId,
    job: &LeasedJob,
    completed: Completed<'_>,
) -> Result<bool, sqlx::Error> {
    let (state, external_id, version, visible) = match completed {
        Completed::Linked(id) => ("linked", id, None, true),
        Completed::NotSeen(id) => ("accepted", id, None, false),
        Completed::Unfinished {
            id,
            version,
            visible,
        } => ("accepted", id, version, visible),
    };
    sqlx::query_scalar!(
        r#"select link_complete($1, $2, $3, $4, $5, $6, $7) as "held!""#,
        link.0,
        job.lane,
        job.fence,
        state,
        external_id.0,
        version,
        visible,
    )
    .fetch_one(database.single())
    .await
}

/// What was sent is not at the provider; the caller keeps its claim on the key. `searched` is when a search, or the provider's refusal, said
/// so. It is none when only what was sent was looked for: a search may then still find a record that already stands for CaseHug's.
pub async fn found_nothing(
    db: &mut PgConnection,
    link: LinkId,
    job: &LeasedJob,
    searched: Option<Moment>,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select link_found_nothing($1, $2, $3, $4) as "held!""#,
        link.0,
        job.lane,
        job.fence,
        searched.map(|at| i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX)),
    )
    .fetch_one(db)
    .await
}

/// A create was refused, or was never sent. False: the caller's lease does not hold the link any more.
pub async fn not_sent(
    db: &mut PgConnection,
    link: LinkId,
    job: &LeasedJob,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select link_not_sent($1, $2, $3) as "held!""#,
        link.0,
        job.lane,
        job.fence
    )
    .fetch_one(db)
    .await
}

/// Notes where the bytes of a document, whose hash is `sha256`, are: a later execution need not send them again, or must.
pub async fn set_bytes(
    database: &Database,
    link: LinkId,
    job: &LeasedJob,
    sha256: &str,
    bytes: Bytes,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select link_set_transferred($1, $2, $3, $4, $5, $6) as "held!""#,
        link.0,
        job.lane,
        job.fence,
        bytes != Bytes::Missing,
        sha256,
        bytes != Bytes::TransferredNotSeen,
    )
    .fetch_one(database.single())
    .await
}

/// Notes whether a read, begun at `read_at`, found a linked record. Returns how long to wait for the second answer that proves a record
/// missing: zero when this is it, or when the record was found. None: the caller's lease is gone.
pub async fn note_missing(
    db: &mut PgConnection,
    link: LinkId,
    job: &LeasedJob,
    missing: bool,
    read_at: Moment,
    between: Duration,
) -> Result<Option<Duration>, sqlx::Error> {
    let noted = sqlx::query!(
        r#"select held as "held!", wait_ms from link_note_missing($1, $2, $3, $4, $5, $6)"#,
        link.0,
        job.lane,
        job.fence,
        missing,
        i64::try_from(read_at.elapsed().as_millis()).unwrap_or(i64::MAX),
        i32::try_from(between.as_millis()).unwrap_or(i32::MAX),
    )
    .fetch_one(db)
    .await?;
    let wait = noted.wait_ms.map_or(0, i64::from);
    Ok(noted.held.then(|| milliseconds(wait)))
}

/// Retires a link, with its children; all are kept as history. False: the caller's lease is gone.
pub async fn supersede(
    db: &mut PgConnection,
    link: LinkId,
    job: &LeasedJob,
    reason: Superseded,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select link_supersede($1, $2, $3, $4) as "held!""#,
        link.0,
        job.lane,
        job.fence,
        reason.as_str(),
    )
    .fetch_one(db)
    .await
}
