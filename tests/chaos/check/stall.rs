//! The longest stall: how long no job finished although work waited and Postgres was up, over samples of four a second.
//! A sample without waiting work, or without an answer of Postgres, begins anew.

use crate::ledger::{Ledger, Time};

pub(crate) fn longest_ms(ledger: &Ledger) -> i64 {
    let mut finished: Vec<Time> = ledger
        .ends
        .iter()
        .filter(|end| end.outcome != "lost")
        .map(|end| end.at)
        .collect();
    finished.sort_unstable();
    let mut longest = 0;
    let mut waiting_since = None;
    for sample in &ledger.samples {
        if !sample.up || sample.waiting == Some(0) {
            waiting_since = None;
            continue;
        }
        let since = *waiting_since.get_or_insert(sample.at);
        let last = last_until(&finished, sample.at).map_or(since, |last| last.max(since));
        longest = longest.max((sample.at - last).num_milliseconds());
    }
    longest
}

fn last_until(finished: &[Time], at: Time) -> Option<Time> {
    let count = finished.partition_point(|time| *time <= at);
    count.checked_sub(1).map(|last| finished[last])
}
