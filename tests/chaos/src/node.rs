//! An ingress or a worker of the system, with proxies of its own: a fault on its connections affects it alone.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use harness::app::Program;
use harness::{App, AppSettings, Protocol, Proxy};
use tokio::sync::Mutex;

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Ingress {
        /// Where it appends first.
        inbox: &'static str,
    },
    Worker,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) part: Part,
    /// Locked by the fault that is just breaking the process.
    pub(crate) program: Mutex<Program>,
    pub(crate) url: Option<String>,
    pub(crate) ops_url: String,
    pub(crate) database: Proxy,
    pub(crate) provider: Proxy,
    /// The file that sets its wall clock, where it has one of its own.
    pub(crate) clock: Option<PathBuf>,
}

impl Node {
    /// `clock`: a worker whose wall clock can be set, and nothing but it: leases go by the monotonic one.
    pub(crate) async fn start(
        app: &App,
        part: Part,
        name: &str,
        postgres: SocketAddr,
        clock: Option<&Path>,
    ) -> Result<Self> {
        let database = Proxy::start(Protocol::Postgres, postgres).await?;
        let provider = Proxy::start(Protocol::Http, app.simulator_socket()?).await?;
        let url = named(&database.through(app.database.url())?, name)?;
        let mut settings = AppSettings {
            more: app.settings.more.clone(),
            ..app.settings.clone()
        };
        settings.more.extend([
            ("DATABASE_URL".to_owned(), url.clone()),
            ("DATABASE_DIRECT_URL".to_owned(), url),
            (
                "CLIO_BASE_URL".to_owned(),
                format!("http://{}/clio", provider.address()),
            ),
            (
                "TEST_BASE_URL".to_owned(),
                format!("http://{}/test", provider.address()),
            ),
        ]);
        if let Some(file) = clock {
            std::fs::write(file, "+0")?;
            settings.more.extend(clock_of_its_own(file)?);
        }
        let program = match part {
            Part::Ingress { inbox } => {
                settings.more.push(("INBOX".to_owned(), inbox.to_owned()));
                app.launch_ingress(name, &settings)?
            }
            Part::Worker => app.launch_worker(name, &settings)?,
        };
        app.program_ready(&program).await?;
        Ok(Self {
            name: name.to_owned(),
            part,
            url: program.url(),
            ops_url: program.ops_url(),
            program: Mutex::new(program),
            database,
            provider,
            clock: clock.map(Path::to_path_buf),
        })
    }

    /// The `Host` that the provider sees in this node's requests.
    pub(crate) fn host(&self) -> String {
        self.provider.address().to_string()
    }

    /// Its clock is right. A request that the provider hangs on would last for minutes, and a transfer for
    /// ten: its connections to the provider are cut once.
    pub(crate) fn mend(&self) {
        self.provider.cut_all();
        if let Some(file) = &self.clock {
            std::fs::write(file, "+0").ok();
        }
    }
}

/// Every session says whose it is: the history in the database tells writers apart by it.
fn named(url: &str, name: &str) -> Result<String> {
    let mut url: url::Url = url.parse()?;
    url.query_pairs_mut()
        .append_pair("options[chaos.process]", name);
    Ok(url.into())
}

fn clock_of_its_own(file: &Path) -> Result<Vec<(String, String)>> {
    let library = std::env::var("FAKETIME_LIBRARY")
        .context("FAKETIME_LIBRARY is missing: deploy/faketime.sh finds it")?;
    let pairs = [
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
        ("FAKETIME_CACHE_DURATION", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("FAKETIME_DONT_RESET", "1".to_owned()),
        ("NO_FAKE_STAT", "1".to_owned()),
    ];
    Ok(pairs.map(|(name, value)| (name.to_owned(), value)).to_vec())
}
