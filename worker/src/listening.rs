//! The listener's loop: what the listening connection hears goes to the leaser and to the relay. A task of its own, for neither
//! may keep it from hearing, nor from connecting, however long that takes.

use std::sync::Arc;

use shared::queue::{Heard, Listener};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::slots::Slots;

pub(crate) struct Listening {
    listener: Listener,
    slots: Arc<Slots>,
    /// Rings when the inbox has something.
    inbox: Arc<Notify>,
}

impl Listening {
    pub(crate) fn new(direct_url: String, slots: Arc<Slots>, inbox: Arc<Notify>) -> Self {
        Self {
            listener: Listener::new(direct_url),
            slots,
            inbox,
        }
    }

    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let heard = tokio::select! {
                () = stop.cancelled() => return,
                heard = self.listener.hear() => heard,
            };
            match heard {
                Heard::Events => self.inbox.notify_one(),
                Heard::Jobs(connections) => self.slots.hear(&connections),
                Heard::AllJobs => self.slots.hear_of_all(),
                Heard::Anything => {
                    self.slots.hear_of_all();
                    self.inbox.notify_one();
                }
            }
        }
    }
}
