//! The listener's loop: passes notifications to the leaser and to the relay. It is a task of its own, because neither of them may keep it
//! from receiving or from connecting, however long that takes.

use std::sync::Arc;

use shared::domain::WorkerId;
use shared::queue::{Listener, Notification};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::scheduling::slots::Slots;

pub(crate) struct Listening {
    listener: Listener,
    worker: WorkerId,
    slots: Arc<Slots>,
    /// Woken when the inbox has something.
    inbox: Arc<Notify>,
}

impl Listening {
    pub(crate) fn new(
        direct_url: String,
        worker: WorkerId,
        slots: Arc<Slots>,
        inbox: Arc<Notify>,
    ) -> Self {
        Self {
            listener: Listener::new(direct_url),
            worker,
            slots,
            inbox,
        }
    }

    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let notification = tokio::select! {
                () = stop.cancelled() => return,
                notification = self.listener.next() => notification,
            };
            match notification {
                Notification::Events => self.inbox.notify_one(),
                Notification::Jobs(connections) => self.slots.notify_ready(&connections),
                // The finisher of this worker has already told the scheduler what this worker left.
                Notification::Left { by, .. } if by == self.worker => {}
                Notification::Left { connections, .. } => self.slots.notify_left(&connections),
                Notification::AllJobs => self.slots.notify_everything(),
                Notification::Anything => {
                    self.slots.notify_reconnected();
                    self.inbox.notify_one();
                }
            }
        }
    }
}
