//! Documents that must not leave, or cannot, and bytes that leave once.

use harness::app::Person;

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
async fn a_file_that_is_missing_or_changed_or_another_firms_fails_before_a_byte_leaves() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let stranger = app
        .firm_with_matter(4100, &Person::new("Bo", "Xi", None))
        .await;
    let theirs = app
        .upload(stranger, "theirs.pdf", None, b"c")
        .await
        .unwrap();
    let stolen = app.upload(matter, "c.pdf", None, b"d").await.unwrap();
    sqlx::query("update uploads set storage_path = $1 where id = $2")
        .bind(theirs.storage_path())
        .bind(stolen.id)
        .execute(&app.admin)
        .await
        .unwrap();
    let linked = app.upload(matter, "d.pdf", None, b"e").await.unwrap();
    let link = app.file_of(&linked).unwrap();
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &link).unwrap();
    let missing = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    std::fs::remove_file(app.file_of(&missing).unwrap()).unwrap();
    let changed = app.upload(matter, "b.pdf", None, b"b").await.unwrap();
    sqlx::query("update uploads set sha256 = repeat('0', 64) where id = $1")
        .bind(changed.id)
        .execute(&app.admin)
        .await
        .unwrap();

    app.approve(&[missing, changed, stolen, linked])
        .await
        .unwrap();
    app.settled(SOON).await.unwrap();

    let lines = app.log_lines(matter.firm).await.unwrap();
    for (line, times) in [
        ("sync_document failed file_missing", 2),
        ("sync_document failed file_changed", 1),
        ("sync_document failed path_unusable", 1),
    ] {
        let found = lines.iter().filter(|said| *said == line).count();
        assert_eq!(found, times, "{line}: {lines:?}");
    }
    let (_, _, documents) = app.clio_counts().await.unwrap();
    assert_eq!(documents, 0);
    let sent = std::fs::read_to_string(app.record()).unwrap();
    assert!(!sent.contains("\"storage\""), "bytes left");
    app.finish().await;
}
