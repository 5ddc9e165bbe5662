//! The schema: functions that are replaced as a whole, their settings, and what SQL knows of platforms.

use std::collections::BTreeMap;

use harness::app::migrate;
use shared::limit::CountedBy;
use shared::providers::registry;
use sqlx::Row;

use crate::support::{TestApp, start};

/// A lost `plan_cache_mode` or `enable_seqscan` shows only at ten million rows, and a lost role refuses every permit: `create or replace`
/// takes a function's settings from its text alone.
#[tokio::test]
async fn the_settings_of_functions_are_as_written_down() {
    let app = start().await;

    let settings: Vec<String> = sqlx::query_scalar(
        "select p.proname || ': ' || array_to_string(p.proconfig, ', ')
         from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         where n.nspname = 'public' and p.proconfig is not null order by p.proname",
    )
    .fetch_all(&app.admin)
    .await
    .unwrap();

    let written: Vec<&str> = include_str!("function_settings.txt").lines().collect();
    assert_eq!(settings, written, "tests/e2e/function_settings.txt");
    app.finish().await;
}

#[tokio::test]
async fn the_table_of_platforms_is_equal_to_the_profiles() {
    let app = start().await;
    let rows = sqlx::query("select platform, cap, counted_by, pace from platforms")
        .fetch_all(&app.admin)
        .await
        .unwrap();
    let rows: BTreeMap<String, (i32, String, i32)> = rows
        .iter()
        .map(|row| {
            (
                row.get("platform"),
                (row.get("cap"), row.get("counted_by"), row.get("pace")),
            )
        })
        .collect();

    for entry in registry::shipped() {
        let profile = entry.profile;
        let counted_by = match profile.counted_by {
            CountedBy::Token => "token",
            CountedBy::Firm => "firm",
            CountedBy::Client => "client",
        };
        let windows = 60_000 / u64::try_from(profile.budget.window.as_millis()).unwrap();
        let pace = profile.budget.calls * i32::try_from(windows).unwrap();
        let expected = (profile.cap, counted_by.to_owned(), pace);
        assert_eq!(
            rows.get(profile.platform.as_str()),
            Some(&expected),
            "{}",
            profile.platform
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn functions_that_differ_are_replaced_and_taken_back_from_everybody() {
    let app = start().await;
    change_a_function(&app).await;
    sqlx::query("update schema_info set functions_hash = 'of another release'")
        .execute(&app.admin)
        .await
        .unwrap();

    migrate(app.database.admin_url().to_owned()).await.unwrap();

    assert_eq!(cap(&app).await, 1);
    let open: bool = sqlx::query_scalar(
        "select has_function_privilege('casehug_none', 'queue_cap(text)', 'execute')",
    )
    .fetch_one(&app.admin)
    .await
    .unwrap();
    assert!(!open);
    app.finish().await;
}

#[tokio::test]
async fn after_a_rollback_the_older_program_leaves_a_newer_schema_as_it_is() {
    let app = start().await;
    change_a_function(&app).await;
    sqlx::raw_sql(
        "update schema_info set functions_hash = 'of a newer release';
         insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (99990101000000, 'of a newer release', true, '', 0)",
    )
    .execute(&app.admin)
    .await
    .unwrap();

    migrate(app.database.admin_url().to_owned()).await.unwrap();

    assert_eq!(cap(&app).await, 9);
    change_back(&app).await;
    app.finish().await;
}

async fn change_a_function(app: &TestApp) {
    sqlx::raw_sql(
        "drop function queue_cap(text);
         create function queue_cap(p_platform text) returns integer language sql stable as 'select 9'",
    )
    .execute(&app.admin)
    .await
    .unwrap();
}

/// The audit at a test's end counts by the cap.
async fn change_back(app: &TestApp) {
    sqlx::raw_sql(
        "create or replace function queue_cap(p_platform text) returns integer language sql stable as 'select 1'",
    )
    .execute(&app.admin)
    .await
    .unwrap();
}

async fn cap(app: &TestApp) -> i32 {
    sqlx::query_scalar("select queue_cap('clio')")
        .fetch_one(&app.admin)
        .await
        .unwrap()
}
