//! Two inboxes as one: the first choice takes events while it is quick, the other one takes them over at once when it is not.
//!
//! The first choice is **used** → **rests** when it failed or took longer than the limit (the other one is then asked first, so
//! that no caller waits for the first) → is used again when it has taken a batch, after the rest or because the other one failed.
//! Each failure doubles the rest.
//! Both are asked before a caller is refused, in either order; the one that is asked last has all its own time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, select_ok};

use super::{Appending, Inbox, InboxError, chain};
use crate::clock::Moment;
use crate::domain::event::NewEvent;

/// Short, so that the inbox is used again soon after its restart.
const FIRST_REST: Duration = Duration::from_millis(500);
/// Each look at an inbox that hangs delays one batch by the limit: at this distance no caller notices.
const LONGEST_REST: Duration = Duration::from_secs(5);

/// An inbox of two.
#[derive(Debug)]
pub struct Failover {
    first: Arc<dyn Inbox>,
    other: Arc<dyn Inbox>,
    limit: Duration,
    rest: Mutex<Option<Rest>>,
}

#[derive(Debug, Clone, Copy)]
struct Rest {
    until: Moment,
    length: Duration,
}

/// Which of the two took a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taker {
    First,
    Other,
}

type Asking<'a> = BoxFuture<'a, Result<(Vec<bool>, Taker), InboxError>>;

impl Failover {
    /// `first` has `limit` for a batch; then `other` is asked too.
    #[must_use]
    pub fn new(first: Arc<dyn Inbox>, other: Arc<dyn Inbox>, limit: Duration) -> Self {
        Self {
            first,
            other,
            limit,
            rest: Mutex::new(None),
        }
    }

    async fn append_to_either(&self, events: &[NewEvent]) -> Result<Vec<bool>, InboxError> {
        let rests = self
            .rest()
            .is_some_and(|rest| !rest.until.remaining().is_zero());
        let order = if rests {
            [Taker::Other, Taker::First]
        } else {
            [Taker::First, Taker::Other]
        };
        let taken = self.try_in_order(order, events).await;
        match &taken {
            Ok((_, Taker::First)) => self.use_first(),
            Ok((_, Taker::Other)) | Err(_) if !rests => self.let_first_rest(),
            Ok(_) | Err(_) => {}
        }
        taken.map(|(new, _)| new)
    }

    /// Asks the second when the first has refused, or has not answered within the limit; that one may still be the quicker.
    async fn try_in_order(
        &self,
        [ahead, behind]: [Taker; 2],
        events: &[NewEvent],
    ) -> Result<(Vec<bool>, Taker), InboxError> {
        let mut first = self.ask(ahead, events);
        let refused = match tokio::time::timeout(self.limit, &mut first).await {
            Ok(Ok(taken)) => return Ok(taken),
            Ok(Err(error)) => {
                tracing::debug!(
                    error = chain(&error),
                    inbox = self.inbox(ahead).name(),
                    "an inbox refused, asking the other one"
                );
                true
            }
            Err(_) => false,
        };
        let second = self.ask(behind, events);
        if refused {
            second.await
        } else {
            select_ok([first, second]).await.map(|(taken, _)| taken)
        }
    }

    fn ask<'a>(&'a self, taker: Taker, events: &'a [NewEvent]) -> Asking<'a> {
        let asked = self.inbox(taker).append(events);
        Box::pin(async move { Ok((asked.await?, taker)) })
    }

    fn inbox(&self, taker: Taker) -> &dyn Inbox {
        match taker {
            Taker::First => &*self.first,
            Taker::Other => &*self.other,
        }
    }

    fn rest(&self) -> Option<Rest> {
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn use_first(&self) {
        let before = self
            .rest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if before.is_some() {
            tracing::info!(
                inbox = self.first.name(),
                "the first inbox takes events again"
            );
        }
    }

    fn let_first_rest(&self) {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        if rest.is_none() {
            tracing::warn!(
                inbox = self.first.name(),
                "the first inbox is away or slow: events go to the other one"
            );
        }
        let length = rest.map_or(FIRST_REST, |rest| (rest.length * 2).min(LONGEST_REST));
        *rest = Some(Rest {
            until: Moment::now() + length,
            length,
        });
    }
}

impl Inbox for Failover {
    fn name(&self) -> &'static str {
        "both"
    }

    fn append<'a>(&'a self, events: &'a [NewEvent]) -> Appending<'a> {
        Box::pin(self.append_to_either(events))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Debug, Clone, Copy)]
    enum Does {
        Take,
        Refuse,
        Hang,
    }

    /// An inbox that does the next of these things at each append, and the last one for ever.
    #[derive(Debug)]
    struct Scripted {
        script: &'static [Does],
        asked: AtomicUsize,
    }

    impl Scripted {
        fn new(script: &'static [Does]) -> Arc<Self> {
            Arc::new(Self {
                script,
                asked: AtomicUsize::new(0),
            })
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::Relaxed)
        }
    }

    impl Inbox for Scripted {
        fn name(&self) -> &'static str {
            "scripted"
        }

        fn append<'a>(&'a self, events: &'a [NewEvent]) -> Appending<'a> {
            let turn = self.asked.fetch_add(1, Ordering::Relaxed);
            let does = self.script[turn.min(self.script.len() - 1)];
            Box::pin(async move {
                match does {
                    Does::Take => Ok(vec![true; events.len()]),
                    Does::Refuse => Err(InboxError::RedisUnusable),
                    Does::Hang => std::future::pending().await,
                }
            })
        }
    }

    fn both(first: &Arc<Scripted>, other: &Arc<Scripted>) -> Failover {
        Failover::new(first.clone(), other.clone(), Duration::from_millis(5))
    }

    #[tokio::test]
    async fn the_first_choice_takes_all_while_it_is_quick() {
        let (first, other) = (Scripted::new(&[Does::Take]), Scripted::new(&[Does::Take]));
        let inbox = both(&first, &other);

        inbox.append(&[]).await.unwrap();
        inbox.append(&[]).await.unwrap();

        assert_eq!((first.asked(), other.asked()), (2, 0));
    }

    #[tokio::test]
    async fn one_that_hangs_or_refuses_is_not_waited_for_again_while_it_rests() {
        for does in [&[Does::Hang], &[Does::Refuse]] {
            let (first, other) = (Scripted::new(does), Scripted::new(&[Does::Take]));
            let inbox = both(&first, &other);

            inbox.append(&[]).await.unwrap();
            inbox.append(&[]).await.unwrap();

            assert_eq!((first.asked(), other.asked()), (1, 2));
        }
    }

    #[tokio::test]
    async fn one_that_rests_is_asked_in_need_and_used_again_when_it_takes() {
        let first = Scripted::new(&[Does::Refuse, Does::Take]);
        let other = Scripted::new(&[Does::Take, Does::Refuse]);
        let inbox = both(&first, &other);

        for _ in 0..3 {
            inbox.append(&[]).await.unwrap();
        }

        assert_eq!((first.asked(), other.asked()), (3, 2));
    }

    #[tokio::test]
    async fn both_are_asked_before_anybody_is_refused() {
        let (first, other) = (
            Scripted::new(&[Does::Refuse]),
            Scripted::new(&[Does::Refuse]),
        );
        let inbox = both(&first, &other);

        inbox.append(&[]).await.unwrap_err();
        inbox.append(&[]).await.unwrap_err();

        assert_eq!((first.asked(), other.asked()), (2, 2));
    }
}
