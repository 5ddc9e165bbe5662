//! The simulator's control: what a platform holds, and how it misbehaves.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::App;

/// A platform that the simulator plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    Clio,
    /// The one that only tests know; see `AppSettings::test_platform`.
    Test,
}

impl Platform {
    /// Its name in addresses and in SQL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Clio => "clio",
            Self::Test => "test",
        }
    }

    /// What stands before each path of its API.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Clio => "/api/v4",
            Self::Test => "/v1",
        }
    }
}

impl App {
    /// What a platform holds: `contacts`, `matters`, `documents`, `stats`.
    pub async fn held_by(&self, platform: Platform) -> Result<Value> {
        let url = self.control_url(platform, "state");
        Ok(self.http.get(url).send().await?.json().await?)
    }

    /// How many contacts, matters and documents a platform holds.
    pub async fn counts_of(&self, platform: Platform) -> Result<(usize, usize, usize)> {
        let held = self.held_by(platform).await?;
        let count = |kind: &str| held[kind].as_array().map_or(0, Vec::len);
        Ok((count("contacts"), count("matters"), count("documents")))
    }

    /// Calls to a platform's API so far, without OAuth and signed transfers, as `METHOD path`.
    pub async fn calls_to(&self, platform: Platform) -> Result<Vec<String>> {
        let url = self.control_url(Platform::Clio, "requests");
        let lines: Vec<Value> = self.http.get(url).send().await?.json().await?;
        Ok(lines
            .iter()
            .filter(|line| line["platform"] == platform.word())
            .filter_map(|line| {
                let url = url::Url::parse(line["url"].as_str()?).ok()?;
                let method = line["method"].as_str()?;
                url.path()
                    .starts_with(platform.prefix())
                    .then(|| format!("{method} {}", url.path()))
            })
            .collect())
    }

    /// Scripts a fault: the next `times` requests that match `method` and `path` are treated as `what` says.
    pub async fn fault_at(
        &self,
        platform: Platform,
        method: &str,
        path: &str,
        times: u32,
        what: &Value,
    ) -> Result<()> {
        let fault =
            json!({ "match": { "method": method, "path": path }, "times": times, "do": what });
        self.control(platform, "faults", &fault).await
    }

    /// Acts as a user of the platform would, or changes the simulator's ways.
    pub async fn change_at(&self, platform: Platform, what: &Value) -> Result<()> {
        self.control(platform, "change", what).await
    }

    /// Sets a platform's rate limit.
    pub async fn limits_at(&self, platform: Platform, what: &Value) -> Result<()> {
        self.control(platform, "limits", what).await
    }

    /// What Clio holds.
    pub async fn clio(&self) -> Result<Value> {
        self.held_by(Platform::Clio).await
    }

    /// How many contacts, matters and documents Clio holds.
    pub async fn clio_counts(&self) -> Result<(usize, usize, usize)> {
        self.counts_of(Platform::Clio).await
    }

    /// Calls to Clio's API so far.
    pub async fn clio_calls(&self) -> Result<Vec<String>> {
        self.calls_to(Platform::Clio).await
    }

    /// Forgets the calls so far, of all platforms.
    pub async fn clear_clio_calls(&self) -> Result<()> {
        let url = self.control_url(Platform::Clio, "requests");
        self.http.delete(url).send().await?.error_for_status()?;
        Ok(())
    }

    /// Scripts a fault at Clio.
    pub async fn fault(&self, method: &str, path: &str, times: u32, what: &Value) -> Result<()> {
        self.fault_at(Platform::Clio, method, path, times, what)
            .await
    }

    /// How many calls to Clio the scripted faults will still meet.
    pub async fn faults_left(&self) -> Result<u64> {
        let url = self.control_url(Platform::Clio, "faults");
        let left: Vec<Value> = self.http.get(url).send().await?.json().await?;
        Ok(left
            .iter()
            .filter_map(|fault| fault["times"].as_u64())
            .sum())
    }

    /// Forgets the scripted faults that are left, of all platforms.
    pub async fn clear_faults(&self) -> Result<()> {
        for platform in [Platform::Clio, Platform::Test] {
            let url = self.control_url(platform, "faults");
            self.http.delete(url).send().await?.error_for_status()?;
        }
        Ok(())
    }

    /// Acts as a user of Clio would.
    pub async fn change(&self, what: &Value) -> Result<()> {
        self.change_at(Platform::Clio, what).await
    }

    /// Sets Clio's rate limit.
    pub async fn limits(&self, what: &Value) -> Result<()> {
        self.limits_at(Platform::Clio, what).await
    }

    fn control_url(&self, platform: Platform, what: &str) -> String {
        format!(
            "{}/_control/{}/{what}",
            self.simulator_url(),
            platform.word()
        )
    }

    async fn control(&self, platform: Platform, what: &str, body: &Value) -> Result<()> {
        let url = self.control_url(platform, what);
        let answer = self.http.post(url).json(body).send().await?;
        let status = answer.status();
        ensure!(
            status.is_success(),
            "{what} was answered with {status}: {}",
            answer.text().await?
        );
        Ok(())
    }
}
