//! One connection to Redis, kept up in the background and looked at before it is used.
//!
//! States: away → usable or unfit → away (the connection broke). Only the keeper moves it. While a connection stands, its
//! server is looked at again now and then, since settings change under a running server too.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::sync::{Notify, watch};

use super::address::RedisAddress;
use super::durability::{self, Answer, Durability};

const FIRST_REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// The connection that appends go through.
#[derive(Debug, Clone)]
pub(super) struct Session {
    state: watch::Receiver<State>,
    broken: Arc<Notify>,
}

#[derive(Clone)]
enum State {
    /// Redis was not looked at yet.
    Unknown,
    Away,
    Unfit(String),
    Usable(MultiplexedConnection, Answer),
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unknown => "Unknown",
            Self::Away => "Away",
            Self::Unfit(_) => "Unfit",
            Self::Usable(..) => "Usable",
        })
    }
}

impl Session {
    /// Starts the keeper; it ends when the last handle is dropped. Returns when it has looked once.
    pub(super) async fn start(address: RedisAddress) -> Self {
        let (told, mut state) = watch::channel(State::Unknown);
        let broken = Arc::new(Notify::new());
        let keeper = Keeper {
            address,
            told,
            broken: broken.clone(),
        };
        tokio::spawn(keeper.run());
        let _ = state
            .wait_for(|state| !matches!(state, State::Unknown))
            .await;
        Self { state, broken }
    }

    /// The connection, while it may be used.
    pub(super) fn usable(&self) -> Option<(MultiplexedConnection, Answer)> {
        match &*self.state.borrow() {
            State::Usable(connection, answer) => Some((connection.clone(), *answer)),
            State::Unknown | State::Away | State::Unfit(_) => None,
        }
    }

    /// Waits until it may be used.
    pub(super) async fn wait_until_usable(&self) {
        let mut state = self.state.clone();
        let usable = state.wait_for(|state| matches!(state, State::Usable(..)));
        if usable.await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Tells the keeper that the connection broke.
    pub(super) fn note_broken(&self) {
        self.broken.notify_one();
    }
}

struct Keeper {
    address: RedisAddress,
    told: watch::Sender<State>,
    broken: Arc<Notify>,
}

impl Keeper {
    async fn run(self) {
        let mut rest = FIRST_REST;
        while !self.told.is_closed() {
            match self.address.connect().await {
                Ok(connection) => {
                    rest = FIRST_REST;
                    self.look_after(connection).await;
                    self.report_away("the connection broke");
                }
                Err(error) => self.report_away(&error.to_string()),
            }
            tokio::select! {
                () = self.told.closed() => return,
                () = tokio::time::sleep(rest) => rest = (rest * 2).min(LONGEST_REST),
            }
        }
    }

    /// Returns when the connection has broken, or when the last `Session` is gone.
    async fn look_after(&self, mut connection: MultiplexedConnection) {
        loop {
            match durability::check(&mut connection).await {
                Ok(durability) => self.report_durability(&connection, durability),
                Err(_) => return,
            }
            tokio::select! {
                () = self.told.closed() => return,
                () = self.broken.notified() => return,
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    fn report_durability(&self, connection: &MultiplexedConnection, durability: Durability) {
        let before = self.told.borrow().clone();
        match &durability {
            Durability::Fit(answer) => {
                if !matches!(&before, State::Usable(_, known) if known == answer) {
                    say_usable(*answer);
                }
            }
            Durability::Unfit(why) => {
                if !matches!(&before, State::Unfit(known) if known == why) {
                    tracing::error!(
                        reason = why,
                        "Redis would not keep what it takes and is not used"
                    );
                }
            }
        }
        self.report(match durability {
            Durability::Fit(answer) => State::Usable(connection.clone(), answer),
            Durability::Unfit(why) => State::Unfit(why),
        });
    }

    fn report_away(&self, why: &str) {
        if !matches!(*self.told.borrow(), State::Away) {
            tracing::warn!(reason = why, "Redis is away");
        }
        self.report(State::Away);
    }

    fn report(&self, state: State) {
        let usable = matches!(state, State::Usable(..));
        metrics::gauge!("casehug_redis_inbox_usable").set(f64::from(u8::from(usable)));
        self.told.send_replace(state);
    }
}

fn say_usable(answer: Answer) {
    match answer {
        Answer::Synced => tracing::info!("the Redis inbox is usable"),
        Answer::Taken => tracing::warn!(
            "the Redis inbox is usable; without appendfsync always a power failure of its machine can lose the last seconds"
        ),
    }
}
