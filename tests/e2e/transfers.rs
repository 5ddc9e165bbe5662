//! Large files: streamed in parts, with flat memory.

use std::io::{Seek, SeekFrom, Write};
use std::time::Duration;

use harness::app::Person;
use serde_json::json;
use uuid::Uuid;

use crate::support::start;

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
        // Mostly holes, but no two files are equal and their ends count.
        let mut file =
            std::fs::File::create(app.folder.join("files").join(id.to_string())).unwrap();
        file.write_all(format!("file {number}").as_bytes()).unwrap();
        file.seek(SeekFrom::Start(GIB - 4)).unwrap();
        file.write_all(b"end!").unwrap();
        uploads.push(
            app.upload_at(id, matter, "scan.tiff", Some("image/tiff"), &id.to_string())
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
