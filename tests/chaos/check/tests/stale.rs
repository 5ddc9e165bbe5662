//! `stale_effects`: outcomes and writes of a worker that no longer held the lane.

use serde_json::{Value, json};

use super::{FIRST, MATTER, at, create, document, end, verdict};
use crate::ledger::{Call, Fault, Ledger};

#[test]
fn an_outcome_under_anothers_hold_is_a_stale_effect() {
    let late = |it: &mut Ledger| it.ends[1].process = Some("worker-1".into());

    assert_eq!(verdict(late).stale_effects, 1);
    let lost = verdict(|it| {
        late(it);
        it.ends[1].outcome = "lost".into();
    });
    assert_eq!(lost.stale_effects, 0);
}

#[test]
fn an_outcome_that_freed_no_lane_is_a_stale_effect() {
    assert_eq!(
        verdict(|it| it.ends.push(end(40, "worker-1"))).stale_effects,
        1
    );
}

#[test]
fn a_write_after_the_lane_was_taken_over_is_a_stale_effect() {
    let late = |it: &mut Ledger| it.calls.push(create(25, "worker-1"));

    assert_eq!(verdict(late).stale_effects, 1);
    let held_up = verdict(|it| {
        late(it);
        it.faults.push(Fault {
            kind: "stall_provider".into(),
            process: Some("worker-1".into()),
            at: at(19),
            until: at(25),
        });
    });
    assert_eq!(held_up.stale_effects, 0);
}

#[test]
fn a_write_for_a_document_or_contact_is_judged_by_the_lane_it_is_for() {
    let write = |method: &str, path: &str, data: Value| {
        let (method, url) = (
            method.to_owned(),
            format!("https://app.clio.com/api/v4/{path}"),
        );
        verdict(move |it| {
            it.calls.push(Call {
                method,
                url,
                body: json!({ "data": data }),
                ..create(25, "worker-1")
            });
        })
        .stale_effects
    };

    assert_eq!(write("POST", "documents.json", document(0, FIRST)), 1);
    assert_eq!(write("PATCH", "documents/3.json", json!({})), 1);
    let contact = json!({ "email_addresses": [{ "address": "a@example.com" }] });
    assert_eq!(write("POST", "contacts.json", contact), 1);
}

#[test]
fn a_write_to_any_platform_is_a_write() {
    let write = |path: &str, body: Value| {
        let url = format!("https://api.test.invalid/v1/{path}");
        verdict(move |it| {
            it.calls.push(Call {
                platform: "test".into(),
                url,
                body,
                ..create(25, "worker-1")
            });
        })
        .stale_effects
    };

    assert_eq!(write("contacts", json!({ "email": "A@example.com" })), 1);
    assert_eq!(write("matters", json!({ "reference": MATTER })), 1);
    assert_eq!(write("matters/9/files", json!({ "reference": FIRST })), 1);
    assert_eq!(write("contacts/9", Value::Null), 0);
}
