//! The relay's loop: looks at the inbox when something was appended, and every second anyway. It also passes on what the
//! listening connection hears about ready lanes.

use std::sync::Arc;
use std::time::Duration;

use shared::db::Database;
use shared::inbox::Relay;
use shared::queue::{Heard, Listener};
use tokio_util::sync::CancellationToken;

use crate::pulse::Pulse;
use crate::slots::Slots;

const POLL: Duration = Duration::from_secs(1);
const REST: Duration = Duration::from_millis(250);

pub(crate) struct RelayLoop {
    relay: Relay,
    listener: Listener,
    slots: Arc<Slots>,
}

impl RelayLoop {
    pub(crate) fn new(database: Database, direct_url: String, slots: Arc<Slots>) -> Self {
        Self {
            relay: Relay::new(database),
            listener: Listener::new(direct_url),
            slots,
        }
    }

    pub(crate) async fn run(mut self, stop: CancellationToken, pulse: Pulse) {
        let mut rest = Duration::ZERO;
        loop {
            pulse.beat();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
                heard = self.listener.hear() => {
                    match heard {
                        Heard::Events => {}
                        Heard::Jobs(connections) => {
                            self.slots.hear(&connections);
                            continue;
                        }
                        Heard::AllJobs => {
                            self.slots.hear_of_all();
                            continue;
                        }
                        Heard::Anything => self.slots.hear_of_all(),
                    }
                }
            }
            rest = pulse.during(self.take()).await;
        }
    }

    /// Takes batches until there is no full one, and returns how long to rest.
    async fn take(&mut self) -> Duration {
        loop {
            match self.relay.run_once().await {
                Ok(relayed) => {
                    metrics::counter!("casehug_events_relayed_total")
                        .increment(relayed.events as u64);
                    metrics::counter!("casehug_events_rejected_total")
                        .increment(relayed.rejected as u64);
                    self.slots.hear(&relayed.ready);
                    if !relayed.more {
                        return POLL;
                    }
                }
                Err(error) => {
                    tracing::warn!(error = %error, "relaying failed, trying again");
                    return REST;
                }
            }
        }
    }
}
