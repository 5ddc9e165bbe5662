//! `schedules`: maintenance tasks that run once across all workers.

use std::time::Duration;

use sqlx::PgConnection;

/// Takes the right to run a task now, when no worker has taken it within `every`.
pub async fn claim(
    db: &mut PgConnection,
    name: &str,
    every: Duration,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        r#"insert into schedules as s (name, ran_at) values ($1, app_now())
           on conflict (name) do update set ran_at = excluded.ran_at where s.ran_at <= app_now() - $2::bigint * interval '1 ms'"#,
        name,
        i64::try_from(every.as_millis()).unwrap_or(i64::MAX),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Where a task that goes through much in small steps goes on; 0 at its beginning.
pub async fn find_place(db: &mut PgConnection, name: &str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!("select place from schedules where name = $1", name)
        .fetch_one(db)
        .await
}

/// Notes where the task goes on.
pub async fn set_place(db: &mut PgConnection, name: &str, place: i64) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update schedules set place = $2 where name = $1",
        name,
        place
    )
    .execute(db)
    .await?;
    Ok(())
}
