//! The server loop: HTTP/1 with an end to everything that a client can leave open.
//!
//! A client that sends nothing, half a request, or nothing more is cut off; so is one that does not read its answer. The number of connections is bounded, below the process's
//! limit of open files: what is beyond waits in the kernel's queue, and the ops port and the database keep their files. At the end each
//! connection ends after its answer, and all end with the grace.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;
use tower::Service;

/// A request's head has to come within this, counted from the end of the request before it: a connection may idle as long.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that reads nothing of its answer for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
const LONGEST_HEAD: usize = 16 * 1024;
const MOST_HEADERS: usize = 64;
/// After an error of the listener itself, such as no more files.
const REST: Duration = Duration::from_millis(100);
/// Files that connections leave to the ops port, the databases and the providers.
const KEPT_FILES: usize = 256;
/// Where the process's own limit cannot be read.
const USUAL_FILES: usize = 1024;

/// How a port serves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Serving {
    /// Connections at a time.
    pub(crate) most: usize,
    /// How long answers may take once the end has begun.
    pub(crate) grace: Duration,
}

/// The connections that fit below the process's limit of open files, `wanted` at most.
pub(crate) fn connections_that_fit(wanted: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = files.and_then(|rest| rest.split_whitespace().next());
    let files = match soft {
        Some("unlimited") => usize::MAX,
        soft => soft
            .and_then(|text| text.parse().ok())
            .unwrap_or(USUAL_FILES),
    };
    wanted.min(files.saturating_sub(KEPT_FILES)).max(1)
}

/// Serves until `stop`, then ends every connection.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Router,
    serving: Serving,
    stop: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(serving.most));
    let connections = GracefulShutdown::new();
    let cut = CancellationToken::new();
    // Also where this future is dropped before its end.
    let _cut = cut.clone().drop_guard();
    while let Some((slot, stream, peer)) = accept(&listener, &slots, &stop).await {
        let mut service = app
            .clone()
            .into_make_service_with_connect_info::<SocketAddr>();
        let Ok(service) = service.call(peer).await;
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(LONGEST_HEAD)
            .max_headers(MOST_HEADERS)
            .serve_connection(
                TokioIo::new(patient(stream)),
                TowerToHyperService::new(service),
            );
        // A client that breaks off, or was cut off, has had its answer.
        let watched = cut
            .clone()
            .run_until_cancelled_owned(connections.watch(connection));
        tokio::spawn(async move {
            let _ = watched.await;
            drop(slot);
        });
    }
    drop(listener);
    if tokio::time::timeout(serving.grace, connections.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("connections that were still open were cut off");
    }
}

/// The stream, with an end to a write that makes no progress.
fn patient(stream: TcpStream) -> Pin<Box<TimeoutWriter<TcpStream>>> {
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(WRITE_TIMEOUT));
    Box::pin(stream)
}

/// The next connection, once there is room for it; nothing at the end.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let accepting = async {
        let slot = slots.clone().acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let _ = stream.set_nodelay(true);
                    return Some((slot, stream, peer));
                }
                Err(error) => {
                    tracing::warn!(error = %error, "a connection was not accepted");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        accepted = accepting => accepted,
    }
}
