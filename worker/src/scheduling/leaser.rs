//! The leaser: one task that visits connections, takes their lanes for as many slots as are free, and hands the jobs on.
//!
//! It is never dropped and never ends on a database error. It looks when it is woken (a notification, a job that ended), when
//! a connection becomes due, and every second at a part of all connections anyway: that full scan is the truth.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use shared::clock::{self, Moment};
use shared::db::{Database, DbError};
use shared::domain::{ConnectionId, WorkerId, job::LeasedJob};
use shared::queue::{self, Leased, Visit};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::scheduling::slots::Slots;
use crate::watchdog::Watchdog;

/// Connections in one visit, at most.
const VISITS: i32 = 128;
/// Connections looked at in one second.
const SLICE: i32 = 2_000;
const POLL: Duration = Duration::from_secs(1);
/// Looking costs at most this part of the time: with an old transaction in its way a look may take long.
const LOOK_SHARE: u32 = 20;
/// Lanes that a lost answer left behind are looked for anyway, now and then.
const RECONCILE: Duration = Duration::from_secs(60);
/// After a database error.
const REST: Duration = Duration::from_millis(250);

pub(crate) struct Leaser {
    database: Database,
    worker: WorkerId,
    slots: Arc<Slots>,
    leased: mpsc::Sender<LeasedJob>,
    looked_through: ConnectionId,
    next_look: Moment,
    next_reconcile: Moment,
}

impl Leaser {
    pub(crate) fn new(
        database: Database,
        worker: WorkerId,
        slots: Arc<Slots>,
        leased: mpsc::Sender<LeasedJob>,
    ) -> Self {
        Self {
            database,
            worker,
            slots,
            leased,
            looked_through: ConnectionId(Uuid::nil()),
            next_look: Moment::now(),
            next_reconcile: Moment::now() + RECONCILE,
        }
    }

    /// Ends when it is stopped; apalis's source ends with it.
    pub(crate) async fn run(mut self, stop: CancellationToken, watchdog: Watchdog) {
        while !stop.is_cancelled() {
            watchdog.feed();
            let rest = match self.run_once(&watchdog).await {
                Ok(rest) => rest,
                Err(error) => {
                    tracing::warn!(error = %error, "leasing failed, trying again");
                    self.slots.doubt();
                    // A wakeup now would only meet the same error.
                    tokio::time::sleep(REST).await;
                    Duration::ZERO
                }
            };
            if rest.is_zero() {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.slots.woken() => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// One round of visits. Returns how long there is nothing to do unless the leaser is woken.
    async fn run_once(&mut self, watchdog: &Watchdog) -> Result<Duration, DbError> {
        watchdog.during(self.reconcile()).await?;
        watchdog.during(self.look()).await?;
        let Some((capacity, visits)) = self.slots.take_visits(VISITS) else {
            return Ok(self.rest());
        };
        let asked = Moment::now();
        let asking = queue::lease(&self.database, self.worker, capacity, &visits);
        let leased = watchdog.during(asking).await;
        metrics::histogram!("casehug_lease_seconds").record(asked.elapsed().as_secs_f64());
        match leased {
            Ok(leased) => self.take(leased, &visits).await,
            Err(error) => {
                self.slots
                    .with_scheduler(|scheduler| scheduler.not_visited(&visits));
                return Err(error);
            }
        }
        Ok(Duration::ZERO)
    }

    async fn take(&self, leased: Leased, visits: &[Visit]) {
        let served: HashSet<_> = leased.jobs.iter().map(|job| job.connection_id).collect();
        let now = Moment::now();
        self.slots.hold(&leased.jobs);
        self.slots.with_scheduler(|scheduler| {
            scheduler.visited(&leased.visits, &served, now);
            if leased.visits.is_empty() {
                // Our own lease has lapsed: nothing was looked at.
                scheduler.not_visited(visits);
            }
        });
        for job in leased.jobs {
            // The channel has a place for every slot. It is closed only when apalis has ended: the lease then ends by itself.
            let _ = self.leased.send(job).await;
        }
        if leased.visits.is_empty() {
            tokio::time::sleep(REST).await;
        }
    }

    async fn reconcile(&mut self) -> Result<(), DbError> {
        if self.slots.take_doubt() || self.next_reconcile <= Moment::now() {
            give_back_unknown(&self.database, self.worker, &self.slots).await?;
            self.next_reconcile = Moment::now() + RECONCILE;
        }
        Ok(())
    }

    /// Looks at the next part of all connections, at its time; at all of them when anything may have become ready.
    async fn look(&mut self) -> Result<(), DbError> {
        let all = self.slots.take_look_at_all();
        if all {
            self.looked_through = ConnectionId(Uuid::nil());
        } else if self.next_look > Moment::now() {
            return Ok(());
        }
        let started = Moment::now();
        let looked = self.look_at_slices(all).await;
        if looked.is_err() && all {
            // What the look was for has not been seen yet.
            self.slots.notify_everything();
        }
        let rest = POLL.mul_f64(0.75 + clock::random_fraction() / 2.0);
        self.next_look = Moment::now() + rest.max(started.elapsed() * LOOK_SHARE);
        looked
    }

    /// The next slice, or all of them.
    async fn look_at_slices(&mut self, all: bool) -> Result<(), DbError> {
        loop {
            let ready =
                queue::list_ready_connections(&self.database, self.looked_through, SLICE).await?;
            self.slots.refresh(&ready);
            let is_last = i32::try_from(ready.len()).is_ok_and(|count| count < SLICE);
            self.looked_through = match ready.last() {
                Some(last) if !is_last => last.connection,
                _ => ConnectionId(Uuid::nil()),
            };
            if !all || is_last {
                return Ok(());
            }
        }
    }

    /// Until the next look, or the next connection that becomes due.
    fn rest(&self) -> Duration {
        let due = self.slots.next_due();
        let next = due.map_or(self.next_look, |due| due.min(self.next_look));
        next.remaining().max(Duration::from_millis(1))
    }
}

/// Gives back lanes that the database holds for us and that we know nothing of: the answer that named them got lost.
pub(super) async fn give_back_unknown(
    database: &Database,
    worker: WorkerId,
    slots: &Slots,
) -> Result<(), DbError> {
    let unknown = match queue::list_held(database, worker).await {
        Ok(held) => slots.unknown(held),
        Err(error) => {
            slots.doubt();
            return Err(error);
        }
    };
    // Most of them have ended since they were listed.
    let given = queue::give_back(database, worker, &unknown).await?;
    if given > 0 {
        tracing::warn!(
            lanes = given,
            "gave lanes back whose lease was never answered"
        );
    }
    Ok(())
}
