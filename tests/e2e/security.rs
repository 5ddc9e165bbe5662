//! What no caller may see: another firm's rows, and client data or tokens in any output.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use harness::AppSettings;
use harness::app::Person;
use serde_json::json;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use crate::support::{SOON, TestApp, cluster, start, start_with};

#[tokio::test]
async fn every_table_and_view_with_a_firm_is_guarded() {
    let app = start().await;

    let unguarded: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = 'public' and c.relkind in ('r', 'p')
           and exists (select 1 from pg_attribute a where a.attrelid = c.oid and a.attname = 'firm_id' and not a.attisdropped)
           and (not c.relrowsecurity
             or (select count(*) from pg_policy p where p.polrelid = c.oid) < 2)
         union all
         select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = 'public' and c.relkind in ('v', 'm')
           and not coalesce(c.reloptions @> array['security_invoker=true'], false)",
    )
    .fetch_all(&app.admin)
    .await
    .unwrap();

    assert_eq!(unguarded, Vec::<String>::new());
    app.finish().await;
}

/// But for what the policies themselves ask, and for steps that take up the worker's role themselves.
#[tokio::test]
async fn no_function_of_ours_is_everybodys() {
    let app = start().await;

    let open: Vec<String> = sqlx::query_scalar(
        "select p.proname || case when 'role=casehug_worker' = any(p.proconfig) then ' as the worker' else '' end
         from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         where n.nspname = 'public' and has_function_privilege('casehug_none', p.oid, 'execute') order by 1",
    )
    .fetch_all(&app.admin)
    .await
    .unwrap();

    assert_eq!(
        open,
        [
            "app_firm",
            "app_now",
            "link_claim as the worker",
            "link_complete as the worker",
            "link_find_same_bytes as the worker",
            "link_set_transferred as the worker",
            "queue_begin_transfer as the worker",
            "queue_confirm_permit as the worker",
            "queue_permit as the worker",
        ]
    );
    app.finish().await;
}

/// The order of an operating system's language changes with its updates, and then an index over text no longer finds what it holds: the
/// same effect twice. The keys of lanes are also the order in which lanes are locked, by tables and by functions alike.
#[tokio::test]
async fn indexed_text_and_the_keys_of_lanes_are_compared_by_bytes() {
    let app = start().await;

    let by_language: Vec<String> = sqlx::query_scalar(
        r#"select t.relname || '.' || a.attname from pg_class t
           join pg_namespace n on n.oid = t.relnamespace join pg_attribute a on a.attrelid = t.oid
           where n.nspname = 'public' and a.attcollation not in (0, 'pg_catalog."C"'::regcollation)
             and (exists (select 1 from pg_index i where i.indrelid = t.oid and a.attnum = any(i.indkey::int2[]))
               or t.relkind = 'c' and a.attname in ('lane', 'dedupe_key'))
           order by 1"#,
    )
    .fetch_all(&app.admin)
    .await
    .unwrap();

    assert_eq!(by_language, Vec::<String>::new());
    app.finish().await;
}

#[tokio::test]
async fn the_login_of_the_programs_can_do_nothing_until_it_takes_up_a_role() {
    let app = start().await;
    app.connected_matter().await.unwrap();
    let pool = PgPool::connect(app.database.url()).await.unwrap();
    let mut session = pool.acquire().await.unwrap();

    let login = sqlx::query(
        "select rolsuper, rolbypassrls, rolinherit from pg_roles where rolname = session_user",
    )
    .fetch_one(&mut *session)
    .await
    .unwrap();
    sqlx::query("set role casehug_none")
        .execute(&mut *session)
        .await
        .unwrap();
    let refused = sqlx::query("select * from firm_integrations")
        .fetch_all(&mut *session)
        .await;

    assert_eq!(
        (
            login.get::<bool, _>(0),
            login.get::<bool, _>(1),
            login.get::<bool, _>(2)
        ),
        (false, false, false)
    );
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("permission denied")
    );
    app.finish().await;
}

#[tokio::test]
async fn a_firms_transaction_sees_that_firm_alone_in_every_table() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    app.settled(SOON).await.unwrap();
    let other = app.firm().await.unwrap();
    let pool = PgPool::connect(app.database.url()).await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.columns where table_schema = 'public' and column_name = 'firm_id'",
    )
    .fetch_all(&app.admin)
    .await
    .unwrap();

    let mut seen = BTreeSet::new();
    for table in &tables {
        for (firm, of_own) in [(matter.firm, true), (other, false)] {
            let count = count_as(&pool, table, firm).await;
            assert!(of_own || count == 0, "{table} shows another firm's rows");
            if of_own && count > 0 {
                seen.insert(table.clone());
            }
        }
    }

    for table in [
        "firm_integrations",
        "integration_sync_logs",
        "links",
        "events",
        "matters",
        "uploads",
        "attempts",
    ] {
        assert!(
            seen.contains(table),
            "{table} had no row of the firm's own to see"
        );
    }
    app.finish().await;
}

async fn count_as(pool: &PgPool, table: &str, firm: Uuid) -> i64 {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("set local role casehug_firm")
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query("select set_config('app.firm_id', $1, true)")
        .bind(firm.to_string())
        .execute(&mut *tx)
        .await
        .unwrap();
    let statement = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
    sqlx::query_scalar(statement)
        .fetch_one(&mut *tx)
        .await
        .unwrap()
}

/// Marked values: nothing else contains them.
const NAME: &str = "Zyxwhistle";
const SURNAME: &str = "Quombarrow";
const EMAIL: &str = "zyxwhistle.quombarrow@example.com";
const PHONE: &str = "+1 555 8675309";
const TITLE: &str = "Vexillology of Marmalade";
const FILE: &str = "plinthorama-scan.pdf";
const CONTENT: &str = "grimblewort contents of the file";

#[tokio::test]
async fn a_clients_data_and_tokens_are_in_no_output_of_any_process() {
    let visibility_delay = Duration::from_secs(1);
    let app = start_with(AppSettings {
        visibility_delay,
        ..AppSettings::default()
    })
    .await;
    let firm = app.firm().await.unwrap();
    let person = Person {
        first_name: Some(NAME.into()),
        last_name: Some(SURNAME.into()),
        email: Some(EMAIL.into()),
        phone: Some(PHONE.into()),
    };
    let client = app.client(firm, &person).await.unwrap();
    let matter = app
        .matter(firm, client, TITLE, Some("custody_only"))
        .await
        .unwrap();
    app.connect(firm).await.unwrap();
    let upload = app
        .upload(matter, FILE, Some("application/pdf"), CONTENT.as_bytes())
        .await
        .unwrap();
    // Errors talk the most: a validation that repeats what was sent, a lost answer, HTML, a refused token.
    let words = format!("{NAME} {SURNAME} at {EMAIL} ({PHONE}) is not acceptable");
    let invalid = json!({ "status": 422, "body": { "error": { "type": "ArgumentError", "message": words } } });
    app.fault("POST", "/api/v4/contacts.json", 1, &invalid)
        .await
        .unwrap();
    app.approve(&[upload]).await.unwrap();
    app.settled(SOON).await.unwrap();
    let sealed = "select count(*) from integration_sync_logs where details->'provider_words'->>'sealed' like 'v1.k1.%'";
    let kept = app.count(sealed).await.unwrap();
    assert_eq!(kept, 1, "the provider's words are kept, sealed");
    app.fault(
        "POST",
        "/api/v4/matters.json",
        1,
        &json!({ "status": 503, "body": words }),
    )
    .await
    .unwrap();
    app.change(&json!({ "expire_tokens": true })).await.unwrap();
    let bad = app
        .post_events(
            &json!({ "id": EMAIL, "type": NAME, "firm_id": SURNAME, "data": { "x": TITLE } }),
        )
        .await
        .unwrap();
    assert_eq!(bad.status, 422);
    let failed = app.sync(matter).await.unwrap();
    assert_eq!(failed.status, 200, "{failed:?}");

    let tokens = stored_secrets(&app).await;
    let mut marks: Vec<String> = [
        NAME,
        SURNAME,
        "zyxwhistle",
        "8675309",
        "Vexillology",
        "plinthorama",
        "grimblewort",
    ]
    .map(str::to_owned)
    .to_vec();
    marks.extend(tokens);
    for worker in &app.workers {
        worker.terminate().unwrap();
        worker.wait(SOON).await.unwrap();
    }
    let metrics = app
        .http
        .get(format!("{}/metrics", app.ingress_ops_url()))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();

    let mut outputs = vec![("metrics".to_owned(), metrics)];
    outputs.extend(read_all(&app.folder.join("logs")));
    outputs.push((
        "postgres".into(),
        std::fs::read_to_string(cluster().log_path()).unwrap(),
    ));
    outputs.push((
        "sync log".into(),
        database_text(
            &app,
            "select coalesce(json_agg(g), '[]')::text from integration_sync_logs g",
        )
        .await,
    ));
    outputs.push((
        "attempts".into(),
        database_text(
            &app,
            "select coalesce(json_agg(g), '[]')::text from attempts g",
        )
        .await,
    ));
    assert!(
        outputs.iter().filter(|(_, text)| text.len() > 100).count() >= 6,
        "too little was searched"
    );
    for (name, text) in &outputs {
        for mark in &marks {
            assert!(
                !text.to_lowercase().contains(&mark.to_lowercase()),
                "{mark} is in {name}"
            );
        }
    }
}

async fn database_text(app: &TestApp, statement: &'static str) -> String {
    sqlx::query_scalar(statement)
        .fetch_one(&app.admin)
        .await
        .unwrap()
}

/// The simulator's tokens in clear, and our own JWTs.
async fn stored_secrets(app: &TestApp) -> Vec<String> {
    let state =
        std::fs::read_to_string(app.folder.join("simulator/clio.jsonl")).unwrap_or_default();
    let mut secrets: Vec<String> = Vec::new();
    for word in state.split(['"', ',', ':', '{', '}']) {
        if word.len() >= 32
            && word
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        {
            secrets.push(word.to_owned());
        }
    }
    secrets.retain(|word| Uuid::parse_str(word).is_err());
    secrets.push("casehug-app-secret".into());
    secrets
}

fn read_all(folder: &Path) -> Vec<(String, String)> {
    std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((
                path.display().to_string(),
                std::fs::read_to_string(&path).ok()?,
            ))
        })
        .collect()
}
