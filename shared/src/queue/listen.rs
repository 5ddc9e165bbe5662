//! Notifications of new events and ready lanes through LISTEN, on a connection of its own.
//!
//! A notification only hurries a look: the poll is the truth, and a reconnect counts as a notification of everything.
//! A gateway can drop a connection without a word: a silent one is asked whether it still stands.

use std::time::Duration;

use sqlx::{Executor, postgres::PgListener};
use tokio::time::timeout;

use crate::db::channels::{INBOX_CHANNEL, JOBS_CHANNEL};
use crate::domain::{ConnectionId, WorkerId};
use crate::queue::enqueue::{EVERYTHING, LEFT};

/// Between two tries to connect.
const RECONNECT: Duration = Duration::from_millis(500);
/// After 15 s without a notification the server is asked; it has 5 s to answer.
const SILENCE: Duration = Duration::from_secs(15);
const ANSWER: Duration = Duration::from_secs(5);

/// What there is to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    Events,
    /// Lanes of these connections became ready.
    Jobs(Vec<ConnectionId>),
    /// A worker has ended jobs of these connections and has no free slot for the lanes it leaves ready.
    Left {
        by: WorkerId,
        connections: Vec<ConnectionId>,
    },
    /// Look at every connection.
    AllJobs,
    /// The connection was away meanwhile: look at everything.
    Anything,
}

/// A listening connection. LISTEN does not pass a transaction pooler: it needs the direct address.
#[derive(Debug)]
pub struct Listener {
    direct_url: String,
    connection: Option<PgListener>,
}

impl Listener {
    /// A listener that connects when it is first asked.
    #[must_use]
    pub fn new(direct_url: String) -> Self {
        Self {
            direct_url,
            connection: None,
        }
    }

    /// Waits for a notification, reconnecting for as long as it takes.
    pub async fn next(&mut self) -> Notification {
        loop {
            let Some(connection) = &mut self.connection else {
                match self.connect().await {
                    Ok(()) => return Notification::Anything,
                    Err(error) => {
                        tracing::warn!(error = %error, "listening failed, trying again");
                        tokio::time::sleep(RECONNECT).await;
                        continue;
                    }
                }
            };
            match timeout(SILENCE, connection.try_recv()).await {
                Ok(Ok(Some(note))) if note.channel() == INBOX_CHANNEL => {
                    return Notification::Events;
                }
                Ok(Ok(Some(note))) => return jobs(note.payload()),
                Err(_) if stands(connection).await => {}
                Ok(Ok(None) | Err(_)) | Err(_) => self.connection = None,
            }
        }
    }

    async fn connect(&mut self) -> Result<(), sqlx::Error> {
        let mut connection = PgListener::connect(&self.direct_url).await?;
        connection.eager_reconnect(false);
        connection.listen_all([INBOX_CHANNEL, JOBS_CHANNEL]).await?;
        self.connection = Some(connection);
        Ok(())
    }
}

/// A notification that comes meanwhile is kept for the next call.
async fn stands(connection: &mut PgListener) -> bool {
    matches!(
        timeout(ANSWER, connection.execute("select 1")).await,
        Ok(Ok(_))
    )
}

/// What is not understood means everything: a newer version may say more.
fn jobs(payload: &str) -> Notification {
    if payload == EVERYTHING {
        return Notification::AllJobs;
    }
    let mut words = payload.split_ascii_whitespace().peekable();
    let by = words
        .next_if_eq(&LEFT)
        .map(|_| words.next().unwrap_or_default().parse().map(WorkerId));
    let connections = words
        .map(|id| id.parse().map(ConnectionId))
        .collect::<Result<Vec<_>, _>>();
    match (by, connections) {
        (None, Ok(connections)) => Notification::Jobs(connections),
        (Some(Ok(by)), Ok(connections)) => Notification::Left { by, connections },
        (Some(Err(_)), _) | (_, Err(_)) => Notification::AllJobs,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_a_worker_left_is_told_from_what_became_ready_and_what_is_not_understood_means_all() {
        let (one, worker) = (Uuid::from_u128(1), Uuid::from_u128(9));

        assert_eq!(
            jobs(&one.to_string()),
            Notification::Jobs(vec![ConnectionId(one)])
        );
        let left = Notification::Left {
            by: WorkerId(worker),
            connections: vec![ConnectionId(one)],
        };
        assert_eq!(jobs(&format!("left {worker} {one}")), left);
        for strange in ["*", "left", "left x", "moved a"] {
            assert_eq!(jobs(strange), Notification::AllJobs, "{strange}");
        }
    }
}
