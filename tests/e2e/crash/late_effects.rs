//! Effects that show only after the call: applied late, or with a lost answer.

use harness::eventually;
use serde_json::json;

use super::CLIO;
use super::walker::Walker;
use crate::support::SOON;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_an_effect_that_is_applied_late_is_found_and_adopted() {
    let mut walker = Walker::start(CLIO).await;
    for (number, path) in (1..).zip(["contacts", "matters", "documents"]) {
        for (offset, what) in [
            (0, json!({ "apply_after_ms": 1000 })),
            (100, json!({ "lose_answer": true })),
        ] {
            let number = number + offset;
            let matter = walker.matter(number).await;
            let upload = walker
                .app
                .upload(matter, "intake.pdf", None, b"%PDF-1.7")
                .await
                .unwrap();
            walker
                .app
                .fault("POST", &format!("/api/v4/{path}.json"), 1, &what)
                .await
                .unwrap();

            walker.app.approve(&[upload]).await.unwrap();
            walker.wait_until_done().await.unwrap();

            walker.check(matter, number).await.unwrap();
        }
    }
    let doubted = eventually(SOON, || async {
        let count = walker
            .app
            .count("select count(*) from links where doubted_at is not null")
            .await
            .ok()?;
        (count == 6).then_some(())
    });
    doubted.await.unwrap();
    walker.app.workers.clear();
    walker.app.start_worker().await.unwrap();
    walker.app.finish().await;
}
