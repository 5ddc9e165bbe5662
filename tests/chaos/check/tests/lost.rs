//! `lost`: what counts as such, and what answers for it.

use serde_json::json;

use super::{MATTER, SECOND, failed, verdict};

#[test]
fn an_accepted_approval_without_its_document_is_lost() {
    assert_eq!(verdict(|it| it.state().documents.truncate(1)).lost, 1);
    assert_eq!(
        verdict(|it| it.state().documents[1]["sha256"] = json!("other")).lost,
        1
    );
    assert_eq!(
        verdict(|it| it.state().documents[1]["fully_uploaded"] = json!(false)).lost,
        1
    );
    assert_eq!(verdict(|it| it.state().matters.clear()).lost, 1);
}

#[test]
fn what_was_never_accepted_is_not_lost() {
    let refused = verdict(|it| {
        it.state().documents.truncate(1);
        it.posts[2].status = Some(503);
    });

    assert_eq!((refused.lost, refused.events_accepted), (0, 2));
}

#[test]
fn an_event_that_the_inbox_does_not_know_is_lost_whatever_stands() {
    assert_eq!(verdict(|it| it.database.events.truncate(2)).lost, 1);
    assert_eq!(
        verdict(|it| it.database.events[0].status = "rejected".into()).lost,
        1
    );
}

#[test]
fn a_failed_log_answers_but_worker_lost_only_for_the_marked_matter() {
    let failed_with = |code: &'static str, marked: bool| {
        verdict(move |it| {
            it.state().documents.truncate(1);
            it.database.logs.push(failed(Some(SECOND), code));
            it.run.poisoned = marked.then_some(MATTER);
        })
    };

    assert_eq!(failed_with("provider_refused", false).lost, 0);
    assert_eq!(failed_with("worker_lost", false).lost, 1);
    assert_eq!(failed_with("worker_lost", true).lost, 0);
}
