//! Group commit: requests that arrive while a commit is under way share the next one.
//!
//! A few tasks own the writing: while one waits for its commit, another one gathers. Each takes what has gathered, appends it
//! to the inbox at once, and answers every request whose events are in that commit. An answer of success therefore always
//! means: committed. A caller who waits for an answer before he sends the next event keeps their order.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot};

use crate::domain::event::NewEvent;
use crate::inbox::Inbox;

/// The most events that share a commit.
const LARGEST_BATCH: usize = 2_000;
/// The most requests that may wait for a commit; more are refused, so that memory stays bounded while the database is away.
const WAITING_REQUESTS: usize = 1_024;

const WRITERS: usize = 2;

/// How many events were new, as far as their inbox knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Appended {
    pub accepted: usize,
    pub duplicates: usize,
}

/// Why nothing was appended.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub enum AppendError {
    /// The inbox is away, or too many requests wait for it.
    #[error("the inbox is away")]
    Unavailable,
}

struct Request {
    events: Vec<NewEvent>,
    answer: oneshot::Sender<Result<Appended, AppendError>>,
}

/// The handle that requests append through.
#[derive(Debug, Clone)]
pub struct Appender {
    requests: mpsc::Sender<Request>,
}

impl Appender {
    /// Starts the tasks that write to this inbox; they end when the last handle is dropped.
    #[must_use]
    pub fn start(inbox: Arc<dyn Inbox>) -> Self {
        let (requests, gathered) = mpsc::channel(WAITING_REQUESTS);
        let gathered = Arc::new(Mutex::new(gathered));
        for _ in 0..WRITERS {
            tokio::spawn(write(inbox.clone(), gathered.clone()));
        }
        Self { requests }
    }

    /// Appends events and returns when they are committed. Either all of them are, or none.
    ///
    /// # Errors
    /// [`AppendError::Unavailable`]; the caller may send them again: ids make that harmless.
    pub async fn append(&self, events: Vec<NewEvent>) -> Result<Appended, AppendError> {
        let (answer, answered) = oneshot::channel();
        self.requests
            .try_send(Request { events, answer })
            .map_err(|_| AppendError::Unavailable)?;
        answered.await.unwrap_or(Err(AppendError::Unavailable))
    }
}

async fn write(inbox: Arc<dyn Inbox>, gathered: Arc<Mutex<mpsc::Receiver<Request>>>) {
    loop {
        let batch = gather(&mut *gathered.lock().await).await;
        if batch.is_empty() {
            return;
        }
        answer(&*inbox, batch).await;
    }
}

/// What waits by now, at least one request; nothing when every handle is gone.
async fn gather(gathered: &mut mpsc::Receiver<Request>) -> Vec<Request> {
    let mut batch = Vec::new();
    gathered.recv_many(&mut batch, 64).await;
    let mut events: usize = batch.iter().map(|r: &Request| r.events.len()).sum();
    while events < LARGEST_BATCH {
        let Ok(request) = gathered.try_recv() else {
            break;
        };
        events += request.events.len();
        batch.push(request);
    }
    batch
}

async fn answer(inbox: &dyn Inbox, batch: Vec<Request>) {
    let events: Vec<NewEvent> = batch
        .iter()
        .flat_map(|r| r.events.iter().cloned())
        .collect();
    let committed = inbox.append(&events).await;
    if let Err(error) = &committed {
        tracing::error!(
            error = crate::inbox::chain(error),
            inbox = inbox.name(),
            "events could not be appended"
        );
    }
    let mut new = committed.ok();
    for request in batch {
        let result = match &mut new {
            Some(new) => Ok(count(new.drain(..request.events.len()))),
            None => Err(AppendError::Unavailable),
        };
        // A caller that has gone away has its events all the same; it will send them again as duplicates.
        let _ = request.answer.send(result);
    }
}

fn count(new: impl Iterator<Item = bool>) -> Appended {
    new.fold(Appended::default(), |sum, is_new| {
        if is_new {
            Appended {
                accepted: sum.accepted + 1,
                ..sum
            }
        } else {
            Appended {
                duplicates: sum.duplicates + 1,
                ..sum
            }
        }
    })
}
