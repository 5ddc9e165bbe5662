//! Slots: how many more jobs this worker may hold. The leaser takes them, the executor gives them back.

use std::sync::atomic::{AtomicI32, Ordering};

use tokio::sync::Notify;

/// A count of free slots, and a bell that rings when one comes free or something may have become ready.
#[derive(Debug)]
pub(crate) struct Slots {
    free: AtomicI32,
    bell: Notify,
}

impl Slots {
    pub(crate) fn new(count: u16) -> Self {
        Self {
            free: AtomicI32::new(i32::from(count)),
            bell: Notify::new(),
        }
    }

    pub(crate) fn free(&self) -> i32 {
        self.free.load(Ordering::Acquire)
    }

    pub(crate) fn take(&self, count: usize) {
        self.free
            .fetch_sub(i32::try_from(count).unwrap_or(i32::MAX), Ordering::AcqRel);
    }

    pub(crate) fn give_back(&self) {
        self.free.fetch_add(1, Ordering::AcqRel);
        self.bell.notify_one();
    }

    /// Something may have become ready: the leaser should look. A ring while it looks is kept.
    pub(crate) fn ring(&self) {
        self.bell.notify_one();
    }

    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }
}
