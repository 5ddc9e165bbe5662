//! The auditor's loop: each minute what changed, each night everything, part after part; each by one worker at a time.

use std::time::Duration;

use shared::clock::Moment;
use shared::db::{Database, DbError};
use shared::queue::auditor::{self, Breach, Full, Pace};
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_mins(1);
/// Between two looks whether there is something to audit.
const TICK: Duration = Duration::from_secs(2);
/// After each part an audit rests 19 times as long as the part took: it takes at most a twentieth of one core.
const REST_SHARE: u32 = 19;

pub(crate) struct Auditor {
    database: Database,
    lease: Duration,
    next_look: Moment,
}

impl Auditor {
    pub(crate) fn new(database: Database, lease: Duration) -> Self {
        Self {
            database,
            lease,
            next_look: Moment::now(),
        }
    }

    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let pace = Pace {
            rest_share: REST_SHARE,
            stop: stop.clone(),
        };
        for rule in auditor::RULES {
            // A counter that appears with its first breach has no rate to alert on.
            metrics::counter!("casehug_auditor_breaches_total", "rule" => rule).increment(0);
        }
        loop {
            let rest = self.run_once(&pace).await.unwrap_or_else(|error| {
                tracing::warn!(error = %error, "auditing failed, trying again");
                TICK
            });
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    async fn run_once(&mut self, pace: &Pace) -> Result<Duration, DbError> {
        if self.next_look <= Moment::now() {
            self.next_look = Moment::now() + TICK;
            // A takeover comes within a lease of the holder's end; one more is patience.
            let audited = auditor::audit_changed(&self.database, EVERY, self.lease, pace).await?;
            count(&audited.unwrap_or_default());
        }
        let started = Moment::now();
        Ok(match auditor::audit_next_part(&self.database).await? {
            Full::NotNow => self.next_look.remaining().max(TICK),
            Full::More(breaches) => {
                count(&breaches);
                started.elapsed() * REST_SHARE
            }
            Full::Ended(breaches) => {
                count(&breaches);
                tracing::info!("everything was audited");
                TICK
            }
        })
    }
}

fn count(breaches: &[Breach]) {
    for breach in breaches {
        metrics::counter!("casehug_auditor_breaches_total", "rule" => breach.rule.clone())
            .increment(1);
    }
}
