//! One proxied connection: two pumps, one per direction, and the state that both must obey.

use std::sync::Arc;

use tokio::io::{AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::hold::{Decision, Gate};
use super::record::{Record, Stops};

pub(super) type Inlet = BufReader<OwnedReadHalf>;
pub(super) type Upstream = BufWriter<OwnedWriteHalf>;

#[derive(Debug)]
pub(super) struct Link {
    pub(super) record: Arc<Record>,
    pub(super) stalls: watch::Receiver<u32>,
    pub(super) closed: CancellationToken,
    /// A message on its way up stands still, so the connection must outlive its peers.
    pub(super) holding: watch::Sender<bool>,
    /// A message was passed on for a sender who may be dead; only its answer ends the connection.
    pub(super) delivering: watch::Sender<bool>,
}

/// What becomes of the answer to a step.
#[derive(Debug)]
pub(super) enum Answer {
    Hold(Arc<Gate>),
    Drop(Arc<Gate>),
}

/// The connection is to be closed at once.
#[derive(Debug)]
pub(super) struct Closed;

impl Link {
    /// Waits until the connection does not stand still. What stood when it was cut never goes on: it would arrive at any time later,
    /// as if a network had kept it.
    pub(super) async fn unstalled(&self) {
        self.stalls
            .clone()
            .wait_for(|stalls| *stalls == 0)
            .await
            .ok();
        if self.closed.is_cancelled() {
            std::future::pending::<()>().await;
        }
    }

    /// Holds a step on its way up where that is wanted; answers what its answer must meet.
    pub(super) async fn hold_up(&self, stops: Stops) -> Result<Option<Answer>, Closed> {
        let after = stops.after.map(Answer::Hold);
        let Some(gate) = stops.before else {
            return Ok(after);
        };
        self.holding.send_replace(true);
        let decision = gate.decision().await;
        let answer = match decision {
            Decision::Release => Ok(after),
            Decision::Cut => Err(self.close()),
            Decision::Deliver => {
                self.delivering.send_replace(true);
                Ok(Some(Answer::Drop(gate)))
            }
        };
        self.holding.send_replace(false);
        answer
    }

    /// Holds an answer where that is wanted.
    pub(super) async fn hold_down(&self, answer: Answer) -> Result<(), Closed> {
        let gate = match answer {
            Answer::Hold(gate) if gate.decision().await == Decision::Release => return Ok(()),
            Answer::Hold(gate) | Answer::Drop(gate) => gate,
        };
        gate.delivered();
        Err(self.close())
    }

    fn close(&self) -> Closed {
        self.closed.cancel();
        Closed
    }

    /// Runs both pumps until the connection is over.
    pub(super) async fn run(&self, up: impl Future<Output = ()>, down: impl Future<Output = ()>) {
        let pumps = async {
            tokio::pin!(up, down);
            tokio::select! {
                () = &mut up => down.await,
                () = &mut down => tokio::select! { () = up => {}, () = self.nothing_held() => {} },
            }
        };
        tokio::select! { () = self.closed.cancelled() => {}, () = pumps => {} }
    }

    async fn nothing_held(&self) {
        self.holding
            .subscribe()
            .wait_for(|holding| !holding)
            .await
            .ok();
    }

    /// The client has said its last word, or died.
    pub(super) async fn end_up(&self, mut upstream: Upstream) {
        if *self.delivering.borrow() {
            upstream.flush().await.ok();
            self.closed.cancelled().await;
        }
        upstream.shutdown().await.ok();
    }
}

/// The way to a client that may die while a message is held: then its answers go nowhere, and the
/// pump lives on.
#[derive(Debug)]
pub(super) struct Outlet {
    writer: BufWriter<OwnedWriteHalf>,
    gone: bool,
}

impl Outlet {
    pub(super) async fn write(&mut self, bytes: &[u8]) {
        self.gone = self.gone || self.writer.write_all(bytes).await.is_err();
    }

    pub(super) async fn flush(&mut self) {
        self.gone = self.gone || self.writer.flush().await.is_err();
    }

    pub(super) async fn shutdown(&mut self) {
        self.writer.shutdown().await.ok();
    }
}

/// Where a pump writes to; both directions copy bodies the same way.
pub(super) trait Sink {
    async fn put(&mut self, bytes: &[u8]) -> std::io::Result<()>;
    async fn push(&mut self) -> std::io::Result<()>;
}

impl Sink for Outlet {
    async fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.write(bytes).await;
        Ok(())
    }

    async fn push(&mut self) -> std::io::Result<()> {
        self.flush().await;
        Ok(())
    }
}

impl<W: AsyncWrite + Unpin> Sink for BufWriter<W> {
    async fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.write_all(bytes).await
    }

    async fn push(&mut self) -> std::io::Result<()> {
        self.flush().await
    }
}

/// Both sides of a connection, as the pumps need them.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) from_client: Inlet,
    pub(super) to_client: Outlet,
    pub(super) from_server: Inlet,
    pub(super) to_server: Upstream,
}

impl Ends {
    pub(super) fn new(client: TcpStream, server: TcpStream) -> Self {
        client.set_nodelay(true).ok();
        server.set_nodelay(true).ok();
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        Self {
            from_client: BufReader::with_capacity(64 * 1024, from_client),
            to_client: Outlet {
                writer: BufWriter::new(to_client),
                gone: false,
            },
            from_server: BufReader::with_capacity(64 * 1024, from_server),
            to_server: BufWriter::new(to_server),
        }
    }
}
