use std::path::Path;

use harness::{Cluster, Mode, Process, cluster::FAST, eventually};
use sqlx::{Connection, PgConnection, Row};

use crate::SOON;

#[tokio::test]
async fn the_app_role_is_no_superuser_and_does_not_inherit() {
    let cluster = crate::shared_cluster();

    let mut app = PgConnection::connect(&cluster.app_url("postgres"))
        .await
        .unwrap();
    let role = sqlx::query("select * from pg_roles where rolname = current_user")
        .fetch_one(&mut app)
        .await
        .unwrap();

    assert_eq!(role.get::<String, _>("rolname"), "casehug");
    for (right, expected) in [
        ("rolsuper", false),
        ("rolbypassrls", false),
        ("rolinherit", false),
        ("rolcreaterole", true),
        ("rolcanlogin", true),
    ] {
        assert_eq!(role.get::<bool, _>(right), expected, "{right}");
    }
}

#[tokio::test]
async fn a_stopped_cluster_starts_again_with_its_data_and_address() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(dir.path(), FAST).unwrap();
    let url = cluster.app_url("postgres");

    for mode in [Mode::Smart, Mode::Fast, Mode::Immediate] {
        cluster.stop(mode).unwrap();
        assert_eq!(cluster.pid(), None);
        PgConnection::connect(&url).await.unwrap_err();
        cluster.start_again().unwrap();
        PgConnection::connect(&url)
            .await
            .unwrap()
            .close()
            .await
            .unwrap();
    }
    drop(cluster);

    let again = Cluster::start(dir.path(), FAST).unwrap();
    assert_eq!(again.app_url("postgres"), url);
}

#[tokio::test]
async fn a_second_start_in_the_same_folder_is_a_guest() {
    let dir = tempfile::tempdir().unwrap();
    let owner = Cluster::start(dir.path(), FAST).unwrap();

    let guest = Cluster::start(dir.path(), FAST).unwrap();

    assert_eq!(guest.app_url("postgres"), owner.app_url("postgres"));
    assert_eq!(guest.pid(), owner.pid());
    assert!(guest.stop(Mode::Fast).is_err());
    drop(guest);
    PgConnection::connect(&owner.app_url("postgres"))
        .await
        .unwrap();
}

#[tokio::test]
async fn settings_reach_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(dir.path(), &[("max_connections", "17")]).unwrap();

    let mut admin = PgConnection::connect(&cluster.admin_url("postgres"))
        .await
        .unwrap();
    let shown: String = sqlx::query_scalar("show max_connections")
        .fetch_one(&mut admin)
        .await
        .unwrap();

    assert_eq!(shown, "17");
}

#[tokio::test]
async fn a_refused_row_leaves_no_data_in_the_server_log() {
    let cluster = crate::shared_cluster();
    let mut app = PgConnection::connect(&cluster.app_url("postgres"))
        .await
        .unwrap();

    sqlx::raw_sql("create temp table people (name text primary key)")
        .execute(&mut app)
        .await
        .unwrap();
    for _ in 0..2 {
        sqlx::query("insert into people values ($1)")
            .bind("Planted Name")
            .execute(&mut app)
            .await
            .ok();
    }

    let log = std::fs::read_to_string(cluster.log_path()).unwrap();
    assert!(log.contains("duplicate key value"), "{log}");
    assert!(!log.contains("Planted Name"), "{log}");
    assert!(!log.contains("insert into people"), "{log}");
}

#[tokio::test]
async fn a_killed_owners_server_ends_and_the_next_owner_starts() {
    let dir = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_scratch-postgres"));
    let env = [(
        "TMPDIR".to_owned(),
        dir.path().to_string_lossy().into_owned(),
    )];
    let script = [
        "sh",
        "-c",
        "echo $DATABASE_URL; exec sleep 600 >/dev/null 2>&1",
    ];
    let owner = Process::spawn("owner", program, &script, &env, dir.path()).unwrap();
    let url = owner
        .wait_for_line(|line| line.starts_with("postgres://"), SOON)
        .await
        .unwrap();
    PgConnection::connect(&url).await.unwrap();

    owner.kill9().unwrap();

    eventually(SOON, || async { PgConnection::connect(&url).await.err() })
        .await
        .unwrap();
    let clusters = std::fs::read_dir(dir.path()).unwrap().flatten();
    let left = clusters
        .map(|entry| entry.path())
        .find(|path| path.is_dir())
        .unwrap();
    Cluster::start(&left, FAST).unwrap();
}
