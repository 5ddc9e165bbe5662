//! Documents that must not leave, or cannot, and bytes that leave once.

use crate::support::{SOON, start};

#[tokio::test]
async fn only_approved_documents_leave_and_the_same_bytes_leave_once() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let original = app.upload(matter, "a.pdf", None, b"same").await.unwrap();
    let copy = app
        .upload(matter, "copy of a.pdf", None, b"same")
        .await
        .unwrap();
    let rejected = app.upload(matter, "b.pdf", None, b"other").await.unwrap();
    sqlx::query("update uploads set status = 'rejected' where id = $1")
        .bind(rejected.id)
        .execute(&app.admin)
        .await
        .unwrap();

    app.approve(&[original, copy, rejected]).await.unwrap();
    app.end_patience().await;
    app.settled(SOON).await.unwrap();

    assert_eq!(app.clio_counts().await.unwrap(), (1, 1, 1));
    let same: i64 = app
        .count("select count(*) from integration_sync_logs where details->>'same_as' is not null")
        .await
        .unwrap();
    let refused: i64 = app
        .count("select count(*) from events where status = 'rejected' and reason = 'not_approved'")
        .await
        .unwrap();
    assert_eq!((same, refused), (1, 1));
    app.finish().await;
}

#[tokio::test]
async fn a_file_that_is_missing_or_changed_fails_with_what_to_do() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let missing = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    std::fs::remove_file(app.folder.join("files").join(missing.id.to_string())).unwrap();
    let changed = app.upload(matter, "b.pdf", None, b"b").await.unwrap();
    sqlx::query("update uploads set sha256 = repeat('0', 64) where id = $1")
        .bind(changed.id)
        .execute(&app.admin)
        .await
        .unwrap();

    app.approve(&[missing, changed]).await.unwrap();
    app.settled(SOON).await.unwrap();

    let lines = app.log_lines(matter.firm).await.unwrap();
    assert!(
        lines.contains(&"sync_document failed file_missing".to_owned()),
        "{lines:?}"
    );
    assert!(
        lines.contains(&"sync_document failed file_changed".to_owned()),
        "{lines:?}"
    );
    app.finish().await;
}
