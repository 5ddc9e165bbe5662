use std::net::SocketAddr;

use harness::{Database, Hold, Protocol, Proxy, Side, Step, eventually};
use sqlx::{Connection, PgConnection};
use tokio::task::JoinHandle;

use crate::{SOON, shared_cluster};

/// A database with an empty table `things`, and a proxy before it.
struct Scene {
    proxy: Proxy,
    database: Database,
}

impl Scene {
    async fn set() -> Self {
        let cluster = shared_cluster();
        let database = Database::create(cluster, "proxied").await.unwrap();
        let mut app = PgConnection::connect(database.url()).await.unwrap();
        let table = "create table things (size int); \
            create function queue_things(n int) returns setof int language sql \
            as 'select generate_series(1, n)'";
        sqlx::raw_sql(table).execute(&mut app).await.unwrap();
        let server = SocketAddr::from(([127, 0, 0, 1], cluster.port()));
        Self {
            proxy: Proxy::start(Protocol::Postgres, server).await.unwrap(),
            database,
        }
    }

    async fn connect(&self) -> PgConnection {
        let url = self.proxy.through(self.database.url()).unwrap();
        PgConnection::connect(&url).await.unwrap()
    }

    /// Inserts one row in a transaction, as a client that may be killed (aborted) meanwhile.
    async fn insert_in_background(&self) -> JoinHandle<sqlx::Result<()>> {
        let mut client = self.connect().await;
        tokio::spawn(async move {
            let mut transaction = client.begin().await?;
            let row = "insert into things values ($1) returning size";
            sqlx::query(row).bind(1).execute(&mut *transaction).await?;
            transaction.commit().await
        })
    }

    fn hold(&self, side: Side) -> harness::Held {
        let label = "COMMIT things".to_owned();
        self.proxy.hold(Hold {
            label,
            rows_at_least: 1,
            occurrence: 1,
            side,
        })
    }

    /// As seen past the proxy.
    async fn rows(&self) -> i64 {
        let mut app = PgConnection::connect(self.database.url()).await.unwrap();
        sqlx::query_scalar("select count(*) from things")
            .fetch_one(&mut app)
            .await
            .unwrap()
    }

    async fn no_other_session(&self) {
        let mut admin = PgConnection::connect(self.database.admin_url())
            .await
            .unwrap();
        let others = "select count(*) from pg_stat_activity where datname = current_database() \
            and pid <> pg_backend_pid()";
        let asked = tokio::sync::Mutex::new(&mut admin);
        eventually(SOON, || async {
            let others: i64 = sqlx::query_scalar(others)
                .fetch_one(&mut **asked.lock().await)
                .await
                .unwrap();
            (others == 0).then_some(())
        })
        .await
        .unwrap();
    }
}

async fn kill(client: JoinHandle<sqlx::Result<()>>) {
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn commits_are_recorded_with_their_subject_and_rows() {
    let scene = Scene::set().await;
    let mut client = scene.connect().await;

    for rows in [0, 3] {
        let mut transaction = client.begin().await.unwrap();
        sqlx::query("set local work_mem = '1MB'")
            .execute(&mut *transaction)
            .await
            .unwrap();
        sqlx::query("insert into things values (1)")
            .execute(&mut *transaction)
            .await
            .unwrap();
        let found = sqlx::query("select * from queue_things($1)").bind(rows);
        found.fetch_all(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
    }
    client.begin().await.unwrap().rollback().await.unwrap();
    sqlx::query("update things set size = 2")
        .execute(&mut client)
        .await
        .unwrap();

    let step = |name: &str, rows, occurrence| Step {
        label: format!("COMMIT {name}"),
        rows,
        occurrence,
    };
    let found = |rows, occurrence| step("queue_things", rows, occurrence);
    assert_eq!(
        scene.proxy.steps(),
        [found(0, 1), found(3, 2), step("things", 0, 1)]
    );
}

#[tokio::test]
async fn a_commit_cut_before_is_not_done() {
    let scene = Scene::set().await;
    let held = scene.hold(Side::Before);

    let client = scene.insert_in_background().await;
    assert!(held.reached_within(SOON).await);
    held.cut();

    client.await.unwrap().unwrap_err();
    scene.no_other_session().await;
    assert_eq!(scene.rows().await, 0);
}

#[tokio::test]
async fn a_commit_released_goes_on_as_if_never_held() {
    let scene = Scene::set().await;

    for side in [Side::Before, Side::After] {
        let held = scene.hold(side);
        let client = scene.insert_in_background().await;
        assert!(held.reached_within(SOON).await);
        held.release();
        client.await.unwrap().unwrap();
    }

    assert_eq!(scene.rows().await, 2);
}

#[tokio::test]
async fn a_commit_held_before_is_not_yet_done_and_held_after_is() {
    let scene = Scene::set().await;

    let held = scene.hold(Side::Before);
    let client = scene.insert_in_background().await;
    assert!(held.reached_within(SOON).await);
    assert_eq!(scene.rows().await, 0);
    held.cut();
    client.await.unwrap().unwrap_err();

    let held = scene.hold(Side::After);
    let client = scene.insert_in_background().await;
    assert!(held.reached_within(SOON).await);
    assert_eq!(scene.rows().await, 1);
    held.cut();
    client.await.unwrap().unwrap_err();
    assert_eq!(scene.rows().await, 1);
}

#[tokio::test]
async fn a_statement_that_stands_alone_is_held_at_its_end() {
    let scene = Scene::set().await;
    let any = |side| Hold {
        label: "COMMIT things".to_owned(),
        rows_at_least: 0,
        occurrence: 1,
        side,
    };

    for (side, rows_meanwhile, rows_after) in [(Side::Before, 0, 0), (Side::After, 1, 1)] {
        let held = scene.proxy.hold(any(side));
        let mut client = scene.connect().await;
        let client = tokio::spawn(async move {
            let row = "insert into things values ($1) returning size";
            sqlx::query(row).bind(1).fetch_all(&mut client).await
        });
        assert!(held.reached_within(SOON).await);
        assert_eq!(scene.rows().await, rows_meanwhile);
        held.cut();
        client.await.unwrap().unwrap_err();
        scene.no_other_session().await;
        assert_eq!(scene.rows().await, rows_after);
    }
}

#[tokio::test]
async fn a_dead_clients_commit_is_delivered_late_when_told() {
    let scene = Scene::set().await;
    let held = scene.hold(Side::Before);

    kill_when_reached(&scene, &held).await;
    assert_eq!(scene.rows().await, 0);
    held.deliver_then_cut().await.unwrap();

    assert_eq!(scene.rows().await, 1);
    scene.no_other_session().await;
}

#[tokio::test]
async fn a_dead_clients_commit_never_passes_by_itself() {
    let scene = Scene::set().await;

    for side in [Side::Before, Side::Before, Side::After] {
        let held = scene.hold(side);
        kill_when_reached(&scene, &held).await;
        drop(held);
    }

    scene.no_other_session().await;
    assert_eq!(scene.rows().await, 1, "only the one held after");
}

async fn kill_when_reached(scene: &Scene, held: &harness::Held) {
    let client = scene.insert_in_background().await;
    assert!(held.reached_within(SOON).await);
    kill(client).await;
}

#[tokio::test]
async fn only_the_named_occurrence_with_enough_rows_is_held() {
    let scene = Scene::set().await;
    let label = "COMMIT things".to_owned();
    let held = scene.proxy.hold(Hold {
        label,
        rows_at_least: 1,
        occurrence: 2,
        side: Side::After,
    });
    let mut client = scene.connect().await;
    let mut empty = client.begin().await.unwrap();
    sqlx::query("delete from things where false")
        .execute(&mut *empty)
        .await
        .unwrap();
    empty.commit().await.unwrap();

    scene.insert_in_background().await.await.unwrap().unwrap();
    let second = scene.insert_in_background().await;

    assert!(held.reached_within(SOON).await);
    assert_eq!(scene.rows().await, 2);
    held.release();
    second.await.unwrap().unwrap();
}

#[tokio::test]
async fn other_connections_pass_while_one_is_held() {
    let scene = Scene::set().await;
    let held = scene.hold(Side::Before);

    let first = scene.insert_in_background().await;
    assert!(held.reached_within(SOON).await);
    scene.insert_in_background().await.await.unwrap().unwrap();

    assert_eq!(scene.rows().await, 1);
    held.release();
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_are_cut_refused_and_stalled() {
    let scene = Scene::set().await;
    let mut client = scene.connect().await;

    scene.proxy.cut_all();
    client.ping().await.unwrap_err();
    let mut client = scene.connect().await;

    scene.proxy.pass(false);
    let url = scene.proxy.through(scene.database.url()).unwrap();
    PgConnection::connect(&url).await.unwrap_err();
    client.ping().await.unwrap();
    scene.proxy.pass(true);

    let stall = scene.proxy.stall();
    let ping = tokio::spawn(async move { client.ping().await });
    let quick = std::time::Duration::from_millis(100);
    assert!(tokio::time::timeout(quick, scene.connect()).await.is_err());
    assert!(!ping.is_finished());
    drop(stall);
    ping.await.unwrap().unwrap();
}
