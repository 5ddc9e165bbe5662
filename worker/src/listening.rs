//! The listener's loop: what the listening connection hears goes to the leaser and to the relay. A task of its own, for neither
//! may keep it from hearing, nor from connecting, however long that takes.

use std::sync::Arc;

use shared::domain::WorkerId;
use shared::queue::{Heard, Listener};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::slots::Slots;

pub(crate) struct Listening {
    listener: Listener,
    worker: WorkerId,
    slots: Arc<Slots>,
    /// Rings when the inbox has something.
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
            let heard = tokio::select! {
                () = stop.cancelled() => return,
                heard = self.listener.hear() => heard,
            };
            match heard {
                Heard::Events => self.inbox.notify_one(),
                Heard::Jobs(connections) => self.slots.hear(&connections),
                // What this worker left, its finisher has told the rota.
                Heard::Left { by, .. } if by == self.worker => {}
                Heard::Left { connections, .. } => self.slots.hear_left(&connections),
                Heard::AllJobs => self.slots.hear_of_all(),
                Heard::Anything => {
                    self.slots.hear_again();
                    self.inbox.notify_one();
                }
            }
        }
    }
}
