//! The simulator's control: what Clio holds, and how it misbehaves.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::App;

impl App {
    /// What Clio holds: `contacts`, `matters`, `documents`, `stats`.
    pub async fn clio(&self) -> Result<Value> {
        let url = format!("{}/_control/clio/state", self.simulator_url());
        Ok(self.http.get(url).send().await?.json().await?)
    }

    /// How many contacts, matters and documents Clio holds.
    pub async fn clio_counts(&self) -> Result<(usize, usize, usize)> {
        let clio = self.clio().await?;
        let count = |kind: &str| clio[kind].as_array().map_or(0, Vec::len);
        Ok((count("contacts"), count("matters"), count("documents")))
    }

    /// Calls to the API so far, without OAuth and signed transfers, as `METHOD path`.
    pub async fn clio_calls(&self) -> Result<Vec<String>> {
        let url = format!("{}/_control/clio/requests", self.simulator_url());
        let lines: Vec<Value> = self.http.get(url).send().await?.json().await?;
        Ok(lines
            .iter()
            .filter(|line| line["platform"] == "clio")
            .filter_map(|line| {
                let url = url::Url::parse(line["url"].as_str()?).ok()?;
                let method = line["method"].as_str()?;
                url.path()
                    .starts_with("/api/")
                    .then(|| format!("{method} {}", url.path()))
            })
            .collect())
    }

    /// Forgets the calls so far.
    pub async fn clear_clio_calls(&self) -> Result<()> {
        let url = format!("{}/_control/clio/requests", self.simulator_url());
        self.http.delete(url).send().await?.error_for_status()?;
        Ok(())
    }

    /// Scripts a fault: requests that match `method` and `path` do `what`, so many times.
    pub async fn fault(&self, method: &str, path: &str, times: u32, what: &Value) -> Result<()> {
        self.control(
            "faults",
            &json!({ "match": { "method": method, "path": path }, "times": times, "do": what }),
        )
        .await
    }

    /// Forgets the scripted faults that are left.
    pub async fn clear_faults(&self) -> Result<()> {
        let url = format!("{}/_control/clio/faults", self.simulator_url());
        self.http.delete(url).send().await?.error_for_status()?;
        Ok(())
    }

    /// Acts as a user of Clio would, or changes the simulator's ways.
    pub async fn change(&self, what: &Value) -> Result<()> {
        self.control("change", what).await
    }

    /// Sets the rate limit.
    pub async fn limits(&self, what: &Value) -> Result<()> {
        self.control("limits", what).await
    }

    async fn control(&self, what: &str, body: &Value) -> Result<()> {
        let url = format!("{}/_control/clio/{what}", self.simulator_url());
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
