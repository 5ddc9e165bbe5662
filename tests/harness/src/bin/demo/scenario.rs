//! The scenario as it happens: each call to Clio and each change of a log row, in the order of time.

use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail};
use chrono::{DateTime, Utc};
use harness::App;
use sqlx::Row;
use uuid::Uuid;

use crate::calls::Calls;
use crate::log_rows::LogRows;
use crate::sample::Sample;
use crate::say;

/// Between two looks while the scenario is told.
const LOOK: Duration = Duration::from_millis(20);
/// Looks without news after which the scenario says what is waited for, every ten seconds.
const QUIET: u32 = 100;
const QUIET_AGAIN: u32 = 500;
/// Two minutes: longer than the waits of a sync that an earlier run was killed in.
const TOO_QUIET: u32 = 6_000;

/// Between two looks while the demo stays up.
const GLANCE: Duration = Duration::from_millis(250);
/// Forty-five minutes: a token is good for fifty.
const TOKEN_GLANCES: u32 = 45 * 60 * 4;

/// Something that happened.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) at: DateTime<Utc>,
    pub(crate) text: String,
}

/// Why the telling of a sync ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing is left to do.
    Done,
    /// Clio has withdrawn the firm's consent meanwhile: a person must connect again.
    NeedsReconnect,
}

#[derive(Debug)]
pub(crate) struct Scenario<'a> {
    app: &'a App,
    firm: Uuid,
    calls: Calls,
    log: LogRows,
}

impl<'a> Scenario<'a> {
    /// Calls are told from the start of the simulator, log rows from now on.
    pub(crate) async fn begin(app: &'a App, sample: &Sample) -> Result<Self> {
        let firm = sample.matter.firm;
        Ok(Self {
            app,
            firm,
            calls: Calls::new(app.record()),
            log: LogRows::new(app, sample).await?,
        })
    }

    /// Calls to Clio so far, without OAuth and signed transfers.
    pub(crate) fn provider_calls(&self) -> usize {
        self.calls.to_api
    }

    /// Tells what happens while something is done.
    pub(crate) async fn during<T>(&mut self, doing: impl Future<Output = Result<T>>) -> Result<T> {
        let mut doing = pin!(doing);
        loop {
            tokio::select! {
                done = &mut doing => {
                    self.tell().await?;
                    return done;
                }
                () = tokio::time::sleep(LOOK) => self.tell().await?,
            };
        }
    }

    /// Tells what happens until nothing is left to do, or nothing can be done.
    pub(crate) async fn until_settled(&mut self) -> Result<Rest> {
        let mut quiet = 0;
        loop {
            let settled = self.is_settled().await?;
            quiet = if self.tell().await? { 0 } else { quiet + 1 };
            if settled {
                return Ok(Rest::Done);
            }
            self.ensure_running()?;
            if quiet % QUIET_AGAIN == QUIET && self.tell_waits().await? {
                return Ok(Rest::NeedsReconnect);
            }
            if quiet == TOO_QUIET {
                bail!("nothing has happened for two minutes, and the sync is not done");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Goes on telling, with a new token in time, until something breaks.
    pub(crate) async fn follow(&mut self, print_token: impl Fn() -> Result<()>) -> Error {
        loop {
            for _ in 0..TOKEN_GLANCES {
                if let Err(error) = self.tell().await.and_then(|_| self.ensure_running()) {
                    return error;
                }
                tokio::time::sleep(GLANCE).await;
            }
            if let Err(error) = print_token() {
                return error;
            }
        }
    }

    /// True when there was something to tell.
    async fn tell(&mut self) -> Result<bool> {
        let mut news = self.calls.news()?;
        news.extend(self.log.news(self.app).await?);
        news.sort_by_key(|one| one.at);
        for News { at, text } in &news {
            say(format!("  {}  {text}", at.format("%H:%M:%S%.3f")))?;
        }
        Ok(!news.is_empty())
    }

    async fn is_settled(&self) -> Result<bool> {
        let left = sqlx::query(
            "select exists(select from events where firm_id = $1 and status = 'waiting')
               or exists(select from integration_sync_logs where firm_id = $1 and status = 'pending') as is_left",
        );
        let row = left.bind(self.firm).fetch_one(&self.app.admin).await?;
        Ok(!row.get::<bool, _>("is_left"))
    }

    /// What the service says that its pending jobs wait for, but for those behind another one.
    /// True when it is a person who connects again.
    async fn tell_waits(&self) -> Result<bool> {
        let token = self.app.tokens.firm_admin(self.firm)?;
        let path = "/api/v1/integrations/clio/sync?limit=200";
        let answer = self.app.get(path, &token).await?;
        let mut needs_reconnect = false;
        let logs = answer.body["logs"].as_array();
        let logs = logs.context("the service lists no logs")?.iter().rev();
        for log in logs.filter(|log| log["status"] == "pending") {
            let upload = log["upload_id"].as_str().and_then(|id| id.parse().ok());
            let name = self
                .log
                .name(log["action"].as_str().unwrap_or_default(), upload);
            let why = log["waiting"]["why"].as_str().unwrap_or("held by a worker");
            let until = log["waiting"]["until"].as_str();
            let until = until.map_or_else(String::new, |until| format!(" until {until}"));
            needs_reconnect |= why == "needs_reconnect";
            if !why.starts_with("behind:") {
                say(format!("                waiting: {name}: {why}{until}"))?;
            }
        }
        Ok(needs_reconnect)
    }

    fn ensure_running(&self) -> Result<()> {
        let app = self.app;
        for program in [&app.simulator, &app.ingress]
            .into_iter()
            .chain(&app.workers)
        {
            if !program.is_running() {
                let lines = program.lines();
                let last = lines.last().map_or("nothing", String::as_str);
                bail!("{} has ended; it wrote last: {last}", program.name());
            }
        }
        Ok(())
    }
}
