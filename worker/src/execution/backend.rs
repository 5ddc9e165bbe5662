//! Our queue as apalis sees it: a channel that the leaser fills.
//!
//! apalis drives handlers and shutdown. Leasing, renewing and finishing are tasks of our own: they must
//! go on while apalis drains, and survive every database error, which the stock storages do not.

use std::task::{Context, Poll, ready};

use apalis_core::backend::{Backend, BackendConfig, finalize::Ephemeral};
use apalis_core::task::{Task, builder::TaskBuilder, task_id::TaskId};
use apalis_core::worker::context::WorkerContext;
use tokio::sync::mpsc;

use shared::domain::job::LeasedJob;

/// The errors that apalis sees: none, because every error is handled where it happens.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueueError {}

/// A source of leased jobs. It ends when the leaser drops its side of the channel.
#[derive(Debug)]
pub(crate) struct LaneBackend {
    leased: mpsc::Receiver<LeasedJob>,
}

impl LaneBackend {
    /// Emits what the leaser sends.
    #[must_use]
    pub(crate) fn new(leased: mpsc::Receiver<LeasedJob>) -> Self {
        Self { leased }
    }
}

impl Backend for LaneBackend {
    type Task = Task<LeasedJob>;
    type Error = QueueError;

    fn poll_ready(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), QueueError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, QueueError>>> {
        let job = ready!(self.leased.poll_recv(cx));
        if job.is_none() {
            // An exhausted source alone does not end an apalis worker: it must be stopped too. What was leased has been emitted.
            let _ = worker.stop();
        }
        Poll::Ready(job.map(|job| {
            let id = TaskId::from_string(job.id.to_string());
            Ok(TaskBuilder::new(job).task_id(id).build())
        }))
    }

    fn poll_close(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), QueueError>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for LaneBackend {
    type Args = LeasedJob;
    type Id = String;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = tower_layer::Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Self::Layer {
        tower_layer::Identity::new()
    }
}
