//! The main job: what was approved stands in Clio, once.

use serde_json::json;

use crate::support::{SOON, start};

#[tokio::test]
async fn an_approved_document_stands_in_clio_with_its_contact_and_matter() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let pdf = app
        .upload(
            matter,
            "intake.pdf",
            Some("application/pdf"),
            b"%PDF-1.7 intake",
        )
        .await
        .unwrap();

    app.approve(&[pdf]).await.unwrap();
    app.settled(SOON).await.unwrap();

    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    assert_eq!(
        app.log_lines(matter.firm).await.unwrap(),
        ["sync_matter success", "sync_document success"]
    );
    app.finish().await;
}

#[tokio::test]
async fn a_first_sync_takes_the_fewest_calls_and_a_second_reads_each_record_once() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let mut uploads = Vec::new();
    for name in ["a.pdf", "b.png", "c.docx"] {
        uploads.push(
            app.upload(matter, name, None, name.as_bytes())
                .await
                .unwrap(),
        );
    }
    app.clear_clio_calls().await.unwrap();

    app.approve(&uploads).await.unwrap();
    app.settled(SOON).await.unwrap();
    let first = app.clio_calls().await.unwrap();
    app.clear_clio_calls().await.unwrap();
    let again = app.sync(matter).await.unwrap();
    let second = app.clio_calls().await.unwrap();

    assert_eq!(first.len(), 4 + 3 * 2, "{first:#?}");
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(again.body["success"], json!(true));
    assert_eq!(again.body["documentsUploaded"], json!(0));
    assert!(again.body["clioMatterId"].is_i64());
    assert!(
        second.iter().all(|call| call.starts_with("GET ")),
        "{second:#?}"
    );
    assert_eq!(second.len(), 1 + 3, "{second:#?}");
    app.finish().await;
}
