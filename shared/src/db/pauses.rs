//! `pauses`, as people set, lift and read them. Workers write theirs where they learn of them (`connections`).

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::db::{activity, connections};
use crate::domain::{ConnectionId, FirmId, Platform};

/// What a pause holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseScope {
    All,
    Platform(Platform),
    Connection(ConnectionId),
}

impl PauseScope {
    /// Reads `all`, `platform:clio` or `connection:<id>`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "all" => Some(Self::All),
            Some(("platform", name)) => name.parse().ok().map(Self::Platform),
            Some(("connection", id)) => {
                let id = id.parse().ok()?;
                Some(Self::Connection(ConnectionId(id)))
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for PauseScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Platform(platform) => write!(f, "platform:{platform}"),
            Self::Connection(id) => write!(f, "connection:{id}"),
        }
    }
}

/// One pause that holds now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Pause {
    /// `all`, `platform:clio`, `region:clio:us` or `connection:<id>`.
    pub scope: String,
    /// `paused` by a firm's admin, `operator` by an operator; `retry_after`, `breaker`, `needs_reconnect` or `misconfigured` by a worker.
    pub kind: String,
    /// A person's words. An operator's are not shown to firms.
    pub reason: Option<String>,
    /// To firms an operator is `operator`.
    pub author: String,
    /// Null when it holds until it is lifted.
    pub until: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// Why a pause was neither set nor lifted.
#[derive(Debug, thiserror::Error)]
pub enum PauseError {
    #[error("no such connection or pause")]
    NotFound,
    #[error("until must lie ahead")]
    Past,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The kind of a person's pause.
fn kind_of(firm: Option<FirmId>) -> &'static str {
    if firm.is_some() { "paused" } else { "operator" }
}

/// Pauses; an earlier pause of the same scope and kind is replaced. `firm` is the caller's, or none for an operator.
/// Recorded in the activity log; the caller commits.
pub async fn insert(
    db: &mut PgConnection,
    firm: Option<FirmId>,
    scope: PauseScope,
    until: Option<DateTime<Utc>>,
    reason: &str,
    author: &str,
) -> Result<(), PauseError> {
    let kind = kind_of(firm);
    let firm = firm_of(db, firm, scope).await?;
    let done = sqlx::query!(
        r#"insert into pauses as p (scope, reason, firm_id, until, author, note, created_at)
           select $1, $6, $2, coalesce($3::timestamptz, 'infinity'), $4, $5, app_now()
           where $3::timestamptz is null or $3 > app_now()
           on conflict (scope, reason) do update
             set until = excluded.until, author = excluded.author, note = excluded.note, created_at = excluded.created_at"#,
        scope.to_string(),
        firm.map(|firm| firm.0),
        until,
        author,
        reason,
        kind,
    )
    .execute(&mut *db)
    .await?;
    if done.rows_affected() == 0 {
        return Err(PauseError::Past);
    }
    let details = json!({ "scope": scope.to_string(), "until": until, "reason": reason });
    record(db, firm, scope, "add_pause", author, details).await
}

/// Lifts a person's pause: a firm its own, an operator any. What a provider asked for, and a lost authorisation, are not lifted by wishing.
/// Recorded in the activity log; the caller commits, and tells the workers to look at everything.
pub async fn delete(
    db: &mut PgConnection,
    firm: Option<FirmId>,
    scope: PauseScope,
    author: &str,
) -> Result<(), PauseError> {
    let is_operator = firm.is_none();
    let firm = firm_of(db, firm, scope).await?;
    let done = sqlx::query!(
        "delete from pauses where scope = $1 and until > app_now() and (reason = 'paused' or $2 and reason = 'operator')",
        scope.to_string(),
        is_operator
    )
    .execute(&mut *db)
    .await?;
    if done.rows_affected() == 0 {
        return Err(PauseError::NotFound);
    }
    let details = json!({ "scope": scope.to_string() });
    record(db, firm, scope, "remove_pause", author, details).await
}

/// The pauses that hold now, by scope, behind `after`; with a firm, its own and those that concern everybody.
pub async fn list(
    db: &mut PgConnection,
    firm: Option<FirmId>,
    after: Option<(&str, &str)>,
    limit: i64,
) -> Result<Vec<Pause>, sqlx::Error> {
    sqlx::query_as!(
        Pause,
        r#"select scope, reason as kind, case when not (by.operator and $1::uuid is not null) then note end as reason,
             case when by.operator and $1::uuid is not null then 'operator' else author end as "author!",
             nullif(until, 'infinity') as until, created_at
           from pauses
           -- An older release wrote operators' pauses of everything as 'paused'.
           cross join lateral (select reason = 'operator' or reason = 'paused' and firm_id is null as operator) by
           where until > app_now() and ($1::uuid is null or firm_id = $1 or firm_id is null)
             and ($2::text is null or (scope, reason) > ($2, $3))
           order by scope, reason limit $4"#,
        firm.map(|firm| firm.0),
        after.map(|(scope, _)| scope),
        after.map(|(_, kind)| kind),
        limit,
    )
    .fetch_all(db)
    .await
}

/// Whose pause it is: the connection's firm. A pause of a platform or of everything belongs to no firm.
async fn firm_of(
    db: &mut PgConnection,
    firm: Option<FirmId>,
    scope: PauseScope,
) -> Result<Option<FirmId>, PauseError> {
    let PauseScope::Connection(id) = scope else {
        return Ok(None);
    };
    let owner = connections::find_firm(db, id).await?;
    match owner {
        Some(owner) if firm.is_none_or(|firm| firm == owner) => Ok(Some(owner)),
        _ => Err(PauseError::NotFound),
    }
}

async fn record(
    db: &mut PgConnection,
    firm_id: Option<FirmId>,
    scope: PauseScope,
    act: &'static str,
    author: &str,
    details: serde_json::Value,
) -> Result<(), PauseError> {
    let connection_id = match scope {
        PauseScope::Connection(id) => Some(id),
        PauseScope::All | PauseScope::Platform(_) => None,
    };
    let entry = activity::Entry {
        firm_id,
        connection_id,
        act,
        author,
        subject: connection_id.map(|id| id.0),
        details,
    };
    Ok(activity::insert(db, &entry).await?)
}

/// Deletes pauses that have ended.
pub async fn delete_ended(db: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!("delete from pauses where until < app_now()")
        .execute(db)
        .await?;
    Ok(done.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_read_as_it_is_written_and_nothing_else_is_one() {
        for text in [
            "all",
            "platform:clio",
            "connection:00000000-0000-0000-0000-000000000007",
        ] {
            assert_eq!(PauseScope::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "everything",
            "platform:",
            "platform:word",
            "connection:7",
            "all:",
        ] {
            assert_eq!(PauseScope::parse(text), None, "{text}");
        }
    }
}
