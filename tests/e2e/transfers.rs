//! Large files: streamed in parts, with flat memory.

use std::io::{Seek, SeekFrom, Write};
use std::time::Duration;

use harness::app::{Person, Upload};
use serde_json::json;
use uuid::Uuid;

use crate::support::{SOON, start};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
/// Above idle: 64 MiB, and 8 for each transfer.
const MOST_ABOVE_IDLE: u64 = (64 + 4 * 8) * MIB;
const WITHIN: Duration = Duration::from_secs(400);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_files_of_a_gibibyte_at_once_leave_the_workers_memory_flat() {
    let app = start().await;
    let mut uploads = Vec::new();
    for number in 0..4 {
        let firm = app.firm().await.unwrap();
        let login = json!({ "login": { "account_id": 7000 + number, "account_name": "Firm" } });
        app.change(&login).await.unwrap();
        app.connect(firm).await.unwrap();
        let client = app
            .client(firm, &Person::new("Ann", "Lee", None))
            .await
            .unwrap();
        let matter = app.matter(firm, client, "Lee v. Lee", None).await.unwrap();
        let id = Uuid::from_u128(0xfeed_0000 + number);
        let large = Upload { id, matter };
        // Mostly holes, but no two files are equal and their ends count.
        let mut file = std::fs::File::create(app.file_of(&large).unwrap()).unwrap();
        file.write_all(format!("file {number}").as_bytes()).unwrap();
        file.seek(SeekFrom::Start(GIB - 4)).unwrap();
        file.write_all(b"end!").unwrap();
        uploads.push(
            app.upload_at(
                id,
                matter,
                "scan.tiff",
                Some("image/tiff"),
                &large.storage_path(),
            )
            .await
            .unwrap(),
        );
    }
    let idle = app.workers[0].rss().unwrap();

    app.approve(&uploads).await.unwrap();
    app.settled(WITHIN).await.unwrap();

    let above = app.workers[0].peak_rss().unwrap().saturating_sub(idle);
    harness::say(&json!({ "bench": "transfers", "files": 4, "bytes_each": GIB, "peak_above_idle_bytes": above, "idle_bytes": idle }).to_string());
    let clio = app.clio().await.unwrap();
    let documents = clio["documents"].as_array().unwrap();
    assert_eq!(documents.len(), 4);
    assert!(
        documents
            .iter()
            .all(|d| d["size"] == json!(GIB) && d["fully_uploaded"] == json!(true)),
        "{documents:#?}"
    );
    assert!(above < MOST_ABOVE_IDLE, "{} MiB above idle", above / MIB);
    app.finish().await;
}

#[tokio::test]
async fn storage_that_takes_bytes_and_never_answers_is_given_up() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    app.fault("PUT", "/storage/", 1, &json!({ "hang": true }))
        .await
        .unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    app.counted(
        "select count(*) from jobs where waiting_for = 'retry' and code is null",
        1,
    )
    .await;

    let said = "select count(*) from integration_sync_logs where code = 'storage_unavailable'";
    assert_eq!(app.count(said).await.unwrap(), 1);
    // The platform itself has no trouble.
    assert_eq!(
        app.count("select count(*) from firm_integrations where troubled_at is not null")
            .await
            .unwrap(),
        0
    );
    app.settled(SOON).await.unwrap();
    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    app.finish().await;
}

#[tokio::test]
async fn storage_that_takes_nothing_of_several_firms_is_tried_by_one_job_at_a_time() {
    const FIRMS: usize = 6;
    let app = start().await;
    app.fault("PUT", "/storage/", 1_000, &json!({ "status": 503 }))
        .await
        .unwrap();
    let mut uploads = Vec::new();
    for number in 0..FIRMS {
        let person = Person::new("Ann", "Lee", None);
        let matter = app.firm_with_matter(6000 + number, &person).await;
        uploads.push(app.upload(matter, "a.pdf", None, b"a").await.unwrap());
    }
    app.approve(&uploads[..3]).await.unwrap();
    app.counted("select count(*) from storages where try_at is not null", 1)
        .await;

    // From now on a document waits before its first call.
    let left = app.faults_left().await.unwrap();
    app.approve(&uploads[3..]).await.unwrap();
    app.counted("select count(*) from jobs where waiting_for = 'storage'", 3)
        .await;
    assert_eq!(app.faults_left().await.unwrap(), left);
    let made = app.clio_counts().await.unwrap();
    assert_eq!(made, (FIRMS, FIRMS, 3), "matters wait for no storage");

    // One of them tries, and it is no attempt of its own.
    let attempts = app.count("select sum(attempts) from jobs").await.unwrap();
    app.end_waits().await;
    app.counted("select count(*) from storages where tries = 1", 1)
        .await;
    assert_eq!(app.faults_left().await.unwrap(), left - 1);
    assert_eq!(
        app.count("select sum(attempts) from jobs").await.unwrap(),
        attempts
    );

    app.clear_faults().await.unwrap();
    app.done().await;
    assert_eq!(app.clio_counts().await.unwrap(), (FIRMS, FIRMS, FIRMS));
    assert_eq!(app.count("select count(*) from storages").await.unwrap(), 0);
    app.finish().await;
}

#[tokio::test]
async fn a_matter_of_many_documents_is_synced_in_pages() {
    const DOCUMENTS: usize = 700;
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    for number in 0..DOCUMENTS {
        let name = format!("{number}.pdf");
        app.upload(matter, &name, None, name.as_bytes())
            .await
            .unwrap();
    }

    app.sync(matter).await.unwrap();
    app.settled(2 * SOON).await.unwrap();

    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, DOCUMENTS));
    let pages = "select count(*) from integration_sync_logs where action = 'sync_matter' and details->>'matter' = 'continued'";
    assert_eq!(app.count(pages).await.unwrap(), 2);
    let doubled = "select count(*) - count(distinct upload_id) from integration_sync_logs where action = 'sync_document'";
    assert_eq!(app.count(doubled).await.unwrap(), 0);
    let peak = app.workers[0].peak_rss().unwrap();
    assert!(peak < 256 * MIB, "{} MiB", peak / MIB);
    app.finish().await;
}
