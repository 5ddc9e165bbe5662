//! Plays the providers' APIs over HTTP, strictly, for tests and the demo.
//!
//! `/clio/…` is Clio Manage, `/storage/…` the object storage its signed addresses lead to,
//! `/_control/{platform}/…` scripts faults, limits and changes and shows what is there.
//! `/test/…` is a platform that only the tests know. Another platform is a folder beside `clio` and two routes.
//!
//! A request's way: `exchange` takes it in, asks the faults, performs it, records it.

mod clio;
mod exchange;
mod scripted;
mod storage;

mod fault;
mod limiter;
mod record;
mod redact;

mod answer;
mod clock;
mod control;
mod incoming;
mod journal;
mod listener;
mod options;
mod program;

use std::{fs, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{Router, routing::any};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};

use self::{
    clio::Clio,
    listener::{Cut, CuttingListener},
    record::Recorder,
    scripted::Scripted,
    storage::Storage,
};
pub use self::{options::Options, program::main};

/// How long open connections may take to end.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// What all requests see.
#[derive(Debug)]
struct Shared {
    options: Options,
    address: SocketAddr,
    clio: Clio,
    scripted: Scripted,
    storage: Storage,
    recorder: Arc<Recorder>,
    stop: watch::Receiver<bool>,
}

/// A running simulator; it ends with [`Simulator::stop`], or at once when dropped.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Simulator {
    /// Listens when this returns.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        fs::create_dir_all(&options.state).context("create the state folder")?;
        let listener = TcpListener::bind(options.listen).await.context("listen")?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared {
            address,
            clio: Clio::open(&options.state, &options)?,
            scripted: Scripted::open(&options.state)?,
            storage: Storage::open(&options.state)?,
            recorder: Arc::new(Recorder::open(options.record.as_deref())?),
            stop: stopped.clone(),
            options,
        });
        let serving = tokio::spawn(serve(CuttingListener(listener), router(shared), stopped));
        Ok(Self {
            address,
            stop,
            serving,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a client of the played Clio takes as its host.
    pub fn clio_url(&self) -> String {
        format!("http://{}/clio", self.address)
    }

    /// Answers what is being answered, then ends; requests that hang are cut.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        timeout(STOP_GRACE, &mut self.serving).await.ok();
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The table of contents.
fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .nest("/_control/clio", clio::control())
        .nest("/_control/test", scripted::control())
        .route("/clio/{*path}", any(exchange::call_clio))
        .route("/storage/{*path}", any(exchange::call_storage))
        .route("/test/{*path}", any(exchange::call_scripted))
        .with_state(shared)
}

async fn serve(listener: CuttingListener, router: Router, mut stop: watch::Receiver<bool>) {
    let service = router.into_make_service_with_connect_info::<Cut>();
    let stopped = async move {
        stop.wait_for(|stop| *stop).await.ok();
    };
    // Serving fails only if the listener does, and ours retries.
    axum::serve(listener, service)
        .with_graceful_shutdown(stopped)
        .await
        .ok();
}
