//! `reordered`: documents at the provider, jobs in a lane, and approvals that have no order.

use super::{FIRST, SECOND, append, at, document, failed, verdict};
use crate::ledger::Ledger;

#[test]
fn a_later_approval_whose_document_was_made_first_is_reordered() {
    let swapped =
        |it: &mut Ledger| it.state().documents = vec![document(4, FIRST), document(3, SECOND)];

    assert_eq!(verdict(swapped).reordered, 1);
    let at_once = verdict(|it| {
        swapped(it);
        it.posts[2].sent = at(2);
    });
    assert_eq!(at_once.reordered, 0);
    let put_back = verdict(|it| {
        swapped(it);
        it.database
            .logs
            .push(failed(Some(FIRST), "provider_refused"));
    });
    assert_eq!(put_back.reordered, 0);
}

#[test]
fn approvals_through_different_inboxes_have_no_order() {
    let swapped = |it: &mut Ledger, second: &[&str]| {
        it.state().documents = vec![document(4, FIRST), document(3, SECOND)];
        it.appends.truncate(2);
        it.appends.extend(second.iter().map(|by| append(2, by)));
    };

    let across = verdict(|it| swapped(it, &["worker-1"]));
    let through_both = verdict(|it| swapped(it, &["ingress-2", "worker-1"]));
    let within_redis = verdict(|it| {
        swapped(it, &["worker-1"]);
        it.appends[1] = append(1, "worker-2");
    });

    assert_eq!((across.reordered, through_both.reordered), (0, 0));
    assert_eq!(within_redis.reordered, 1);
}

#[test]
fn a_job_taken_up_before_an_older_one_is_reordered() {
    assert_eq!(verdict(|it| it.holds[0].overtaken = 1).reordered, 1);
}
