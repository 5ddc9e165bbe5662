//! A TCP proxy that knows the steps of what passes it, and holds one of them on demand.
//!
//! A step is an HTTP request, or a commit of PostgreSQL: the word, or the end of a statement that
//! stands alone. The kill walk holds step n before or after it is passed on and kills the client
//! meanwhile; the chaos run cuts and stalls connections.

mod hold;
mod http;
mod label;
mod link;
mod postgres;
mod record;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use hold::{Held, Hold, Side};
pub use record::Step;

use link::{Ends, Link};
use record::Record;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Postgres,
    Http,
}

/// Ends with the value: its connections are closed.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// Ends with the value, and lets go what no other stall holds.
#[derive(Debug)]
pub struct Stall(Arc<Shared>);

impl Drop for Stall {
    fn drop(&mut self) {
        self.0.stalls.send_modify(|stalls| *stalls -= 1);
    }
}

#[derive(Debug)]
struct Shared {
    protocol: Protocol,
    record: Arc<Record>,
    /// How many stalls stand.
    stalls: watch::Sender<u32>,
    route: Mutex<Route>,
}

/// What new connections meet.
#[derive(Debug)]
struct Route {
    upstream: SocketAddr,
    passes: bool,
    /// Closes all connections made since the last cut.
    closed: CancellationToken,
}

impl Proxy {
    pub async fn start(protocol: Protocol, upstream: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("bind a proxy")?;
        let route = Route {
            upstream,
            passes: true,
            closed: CancellationToken::new(),
        };
        let shared = Arc::new(Shared {
            protocol,
            record: Arc::default(),
            stalls: watch::Sender::new(0),
            route: Mutex::new(route),
        });
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            accepting,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same URL, but through this proxy.
    pub fn through(&self, url: &str) -> Result<String> {
        let mut url: url::Url = url.parse().context("the URL of a proxied server")?;
        url.set_host(Some("127.0.0.1"))?;
        url.set_port(Some(self.address.port()))
            .ok()
            .context("this URL has no port")?;
        Ok(url.into())
    }

    /// All steps so far, in the order of their coming.
    pub fn steps(&self) -> Vec<Step> {
        self.shared.record.steps()
    }

    pub fn hold(&self, hold: Hold) -> Held {
        self.shared.record.arm(hold)
    }

    /// Closes all connections, both directions.
    pub fn cut_all(&self) {
        let mut route = self.shared.route();
        std::mem::take(&mut route.closed).cancel();
    }

    /// While any stall stands, connections stand and nothing passes.
    #[must_use]
    pub fn stall(&self) -> Stall {
        self.shared.stalls.send_modify(|stalls| *stalls += 1);
        Stall(Arc::clone(&self.shared))
    }

    /// While not passing, new connections are closed at once.
    pub fn pass(&self, passes: bool) {
        self.shared.route().passes = passes;
    }

    /// Where new connections go.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        self.shared.route().upstream = upstream;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut_all();
    }
}

impl Shared {
    fn route(&self) -> MutexGuard<'_, Route> {
        self.route.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self, closed: CancellationToken) -> Link {
        Link {
            record: Arc::clone(&self.record),
            stalls: self.stalls.subscribe(),
            closed,
            holding: watch::Sender::new(false),
            delivering: watch::Sender::new(false),
        }
    }

    /// Where a new connection goes, and what will close it; nowhere while nothing passes.
    fn admit(&self) -> Option<(SocketAddr, CancellationToken)> {
        let route = self.route();
        route
            .passes
            .then(|| (route.upstream, route.closed.child_token()))
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        if let Ok((client, _)) = listener.accept().await
            && let Some((upstream, closed)) = shared.admit()
        {
            tokio::spawn(serve(Arc::clone(&shared), client, upstream, closed));
        }
    }
}

async fn serve(
    shared: Arc<Shared>,
    client: TcpStream,
    upstream: SocketAddr,
    closed: CancellationToken,
) {
    let Ok(server) = TcpStream::connect(upstream).await else {
        return;
    };
    let link = shared.link(closed);
    let ends = Ends::new(client, server);
    match shared.protocol {
        Protocol::Postgres => postgres::serve(&link, ends).await,
        Protocol::Http => http::serve(&link, ends).await,
    }
}
