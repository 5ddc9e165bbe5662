//! The job list, newest first, page by page. A page costs the same whatever lies in the tables.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::show::describe;
use super::{JobFilter, JobView};

/// Rows that a page reads, at most: about 10 ms of work. A filter that fits few of them gives short pages.
const MOST_LOOKED_AT: i32 = 5_000;

/// The row that a page begins behind; callers see it as an opaque cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seek {
    at: DateTime<Utc>,
    id: Uuid,
}

impl Seek {
    /// The cursor's text.
    #[must_use]
    pub fn write(self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{} {}", self.at.timestamp_micros(), self.id))
    }

    /// Reads a cursor; nothing when this list did not make it.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (micros, id) = text.split_once(' ')?;
        let micros = micros.parse().ok().filter(|at| *at >= 0)?;
        Some(Self {
            at: DateTime::from_timestamp_micros(micros)?,
            id: id.parse().ok()?,
        })
    }
}

/// A page. It may be short, and even empty, while `next_cursor` says that there is more to look at.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobPage {
    pub jobs: Vec<JobView>,
    pub next_cursor: Option<String>,
}

/// One page of the jobs that match.
///
/// # Errors
/// The database refused.
pub async fn list(
    db: &mut PgConnection,
    filter: &JobFilter,
    after: Option<Seek>,
    limit: i32,
) -> Result<JobPage, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select id as "id!", created_at as "created_at!", coalesce(found, false) as "found!"
           from queue_list(jsonb_populate_record(null::job_filter, $1), $2, $3, $4, $5)"#,
        filter.to_json()?,
        after.map(|seek| seek.at),
        after.map(|seek| seek.id),
        limit,
        MOST_LOOKED_AT,
    )
    .fetch_all(&mut *db)
    .await?;
    let next_cursor = rows.iter().find(|row| !row.found).map(|row| {
        let seek = Seek {
            at: row.created_at,
            id: row.id,
        };
        seek.write()
    });
    let found: Vec<Uuid> = rows.iter().filter(|r| r.found).map(|r| r.id).collect();
    let jobs = describe(db, filter.firm_id, &found).await?;
    Ok(JobPage {
        jobs: jobs.into_iter().map(JobView::from).collect(),
        next_cursor,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is_one() {
        let seek = Seek {
            at: DateTime::from_timestamp_micros(1_790_000_000_123_456).unwrap(),
            id: Uuid::from_u128(7),
        };

        assert_eq!(Seek::read(&seek.write()), Some(seek));
        for text in [
            "",
            "x",
            "MSAy",
            "LTEgMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAw",
        ] {
            assert_eq!(Seek::read(text), None, "{text}");
        }
    }
}
