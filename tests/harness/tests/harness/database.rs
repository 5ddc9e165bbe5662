use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use harness::{Database, template};
use sqlx::{Connection, PgConnection};

use crate::shared_cluster;

async fn migrate(url: String) -> anyhow::Result<()> {
    let mut app = PgConnection::connect(&url).await?;
    sqlx::raw_sql("create table things as select 7 as size")
        .execute(&mut app)
        .await?;
    Ok(())
}

async fn size(url: &str) -> i32 {
    let mut app = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar("select size from things")
        .fetch_one(&mut app)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_database_is_the_apps_own_and_goes_with_its_value() {
    let cluster = shared_cluster();

    let database = Database::create(cluster, "own").await.unwrap();
    let url = database.url().to_owned();
    migrate(url.clone()).await.unwrap();
    let _still_connected = PgConnection::connect(&url).await.unwrap();
    drop(database);

    PgConnection::connect(&url).await.unwrap_err();
}

/// One test, because two templates in one cluster would drop each other.
#[tokio::test]
async fn a_template_is_built_once_and_again_when_a_migration_changes() {
    let cluster = shared_cluster();
    let migrations = tempfile::tempdir().unwrap();
    fs::write(migrations.path().join("1_first.sql"), "one").unwrap();
    let built = AtomicU32::new(0);
    let build = async || {
        template(cluster, migrations.path(), |url| {
            built.fetch_add(1, Ordering::Relaxed);
            migrate(url)
        })
        .await
        .unwrap()
    };

    let names = tokio::join!(build(), build(), build());
    assert_eq!(names.0, names.2);
    assert_eq!(built.load(Ordering::Relaxed), 1);

    let (one, two) = tokio::join!(
        Database::from_template(cluster, &names.0),
        Database::from_template(cluster, &names.0),
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.name(), two.name());
    assert_eq!((size(one.url()).await, size(two.url()).await), (7, 7));

    fs::write(migrations.path().join("1_first.sql"), "two").unwrap();
    let changed = build().await;
    assert_ne!(changed, names.0);
    assert_eq!(built.load(Ordering::Relaxed), 2);
    Database::from_template(cluster, &changed).await.unwrap();
}
