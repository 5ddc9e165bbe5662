//! The relay's loop: looks at the inbox when something was appended, and every second anyway.

use std::sync::Arc;
use std::time::Duration;

use shared::db::Database;
use shared::domain::capabilities::Offers;
use shared::inbox::Relay;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::scheduling::slots::Slots;
use crate::watchdog::Watchdog;

const POLL: Duration = Duration::from_secs(1);
/// Between looks at events that came before their records.
const LEAST_REST: Duration = Duration::from_millis(50);
const REST: Duration = Duration::from_millis(250);

pub(crate) struct RelayLoop {
    relay: Relay,
    slots: Arc<Slots>,
    inbox: Arc<Notify>,
}

impl RelayLoop {
    pub(crate) fn new(
        database: Database,
        offers: Offers,
        slots: Arc<Slots>,
        inbox: Arc<Notify>,
    ) -> Self {
        Self {
            relay: Relay::new(database, offers),
            slots,
            inbox,
        }
    }

    pub(crate) async fn run(mut self, stop: CancellationToken, watchdog: Watchdog) {
        let mut rest = Duration::ZERO;
        loop {
            watchdog.feed();
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.inbox.notified() => {}
                () = tokio::time::sleep(rest) => {}
            }
            rest = self.take(&watchdog).await;
        }
    }

    /// Takes a batch, and returns how long to rest: not at all after a full one.
    async fn take(&mut self, watchdog: &Watchdog) -> Duration {
        match watchdog.during(self.relay.run_once()).await {
            Ok(relayed) => {
                metrics::counter!("casehug_events_relayed_total").increment(relayed.events as u64);
                metrics::counter!("casehug_events_rejected_total")
                    .increment(relayed.rejected as u64);
                self.slots.notify_ready(&relayed.ready);
                match relayed.next_look {
                    _ if relayed.more => Duration::ZERO,
                    Some(next) => next.clamp(LEAST_REST, POLL),
                    None => POLL,
                }
            }
            Err(error) => {
                tracing::warn!(error = %error, "relaying failed, trying again");
                REST
            }
        }
    }
}
