//! What the program and the tests may set.

use std::{net::SocketAddr, path::PathBuf};

/// Settings of one simulator.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "simulator", about = "Plays the providers' APIs over HTTP")]
pub struct Options {
    /// Address to listen on; port 0 takes any free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// File that gets one JSON line per request.
    #[arg(long)]
    pub record: Option<PathBuf>,
    /// Folder that keeps the providers' data between two runs.
    #[arg(long)]
    pub state: PathBuf,
    /// Address that webhooks are delivered to.
    #[arg(long)]
    pub callback_to: Option<String>,
    /// How long a new record stays out of lists.
    #[arg(long, default_value_t = 0)]
    pub search_lag_ms: i64,
    /// How long a signed upload address is good for.
    #[arg(long, default_value_t = 600)]
    pub put_url_ttl_secs: i64,
    /// The developer application's id; without it any is taken.
    #[arg(long)]
    pub client_id: Option<String>,
    /// The developer application's secret; without it any is taken.
    #[arg(long)]
    pub client_secret: Option<String>,
    /// The developer application's registered redirect; without it any http(s) address is taken.
    #[arg(long)]
    pub redirect_uri: Option<String>,
}

impl Options {
    /// Any free port, data under `state`, no record file, all else as the program's defaults.
    pub fn new(state: impl Into<PathBuf>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            record: None,
            state: state.into(),
            callback_to: None,
            search_lag_ms: 0,
            put_url_ttl_secs: 600,
            client_id: None,
            client_secret: None,
            redirect_uri: None,
        }
    }
}
