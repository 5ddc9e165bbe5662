//! Holding one message: what to wait for, and what then becomes of it.
//!
//! armed → reached (the message has come and stands still) → decided (released, cut, delivered).
//! A [`Held`] that is dropped undecided disarms, or cuts what it holds: nothing passes silently.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::watch;

use super::record::Record;

/// How long an answer may take that a delivered message waits for.
const ANSWER: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The request or COMMIT has not reached the other side.
    Before,
    /// The other side has done it; its answer is held.
    After,
}

/// Which message to hold.
#[derive(Debug, Clone)]
pub struct Hold {
    pub label: String,
    /// Steps with fewer rows are not counted (empty polls).
    pub rows_at_least: u64,
    /// Which of the matching steps since arming, counted from 1.
    pub occurrence: u64,
    pub side: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Release,
    Cut,
    Deliver,
}

/// The meeting point of a held message and the test that decides about it.
#[derive(Debug)]
pub(super) struct Gate {
    reached: watch::Sender<bool>,
    decision: watch::Sender<Option<Decision>>,
    delivered: watch::Sender<bool>,
}

impl Gate {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            reached: watch::Sender::new(false),
            decision: watch::Sender::new(None),
            delivered: watch::Sender::new(false),
        })
    }

    /// The message's side: stands still until there is a decision.
    pub(super) async fn decision(&self) -> Decision {
        self.reached.send_replace(true);
        let mut decision = self.decision.subscribe();
        let decided = decision.wait_for(Option::is_some).await;
        decided
            .ok()
            .and_then(|decision| *decision)
            .unwrap_or(Decision::Cut)
    }

    pub(super) fn delivered(&self) {
        self.delivered.send_replace(true);
    }
}

/// A hold that is armed or reached.
#[derive(Debug)]
pub struct Held {
    pub(super) gate: Arc<Gate>,
    pub(super) record: Arc<Record>,
}

impl Held {
    /// Waits until the message stands still.
    pub async fn reached(&self) {
        self.gate
            .reached
            .subscribe()
            .wait_for(|reached| *reached)
            .await
            .ok();
    }

    pub async fn reached_within(&self, timeout: Duration) -> bool {
        tokio::time::timeout(timeout, self.reached()).await.is_ok()
    }

    /// The message goes on, and the connection with it.
    /// A peer that is gone by then makes the rest of the connection end as it would without us;
    /// to be sure of the effect after the client has died, use [`Held::deliver_then_cut`].
    pub fn release(self) {
        self.decide(Decision::Release);
    }

    /// The message is dropped and its connection closed in both directions.
    pub fn cut(self) {
        self.decide(Decision::Cut);
    }

    /// The message is passed on even if its sender is dead; the connection is closed once the other
    /// side has answered, and the answer is dropped. With [`Side::After`] it is a cut.
    pub async fn deliver_then_cut(self) -> Result<()> {
        self.decide(Decision::Deliver);
        let mut delivered = self.gate.delivered.subscribe();
        let answered = tokio::time::timeout(ANSWER, delivered.wait_for(|done| *done)).await;
        answered.context("the delivered message got no answer")??;
        Ok(())
    }

    fn decide(&self, decision: Decision) {
        self.gate.decision.send_if_modified(|decided| {
            let first = decided.is_none();
            decided.get_or_insert(decision);
            first
        });
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.record.disarm(&self.gate);
        self.decide(Decision::Cut);
    }
}
