//! A person's browser on its way through the connect: ingress, the platform's consent, ingress again, dashboard.

use anyhow::{Context, Result, ensure};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::{App, PUBLIC_URL, Platform};

impl App {
    /// Connects the firm to Clio through every redirect, and returns where the browser landed.
    pub async fn connect(&self, firm: Uuid) -> Result<Url> {
        self.connect_to(Platform::Clio, firm).await
    }

    /// The same with another platform.
    pub async fn connect_to(&self, platform: Platform, firm: Uuid) -> Result<Url> {
        let landed = self.try_connect_to(platform, firm).await?;
        ensure!(
            landed.as_str().contains("result=connected"),
            "the connect landed on {landed}"
        );
        Ok(landed)
    }

    /// The same, whatever the result.
    pub async fn try_connect(&self, firm: Uuid) -> Result<Url> {
        self.try_connect_to(Platform::Clio, firm).await
    }

    async fn try_connect_to(&self, platform: Platform, firm: Uuid) -> Result<Url> {
        let url = self.begin_connect_to(platform, firm).await?;
        let (consent, cookie) = self.follow_ticket(&url).await?;
        let back = self.consent(&consent).await?;
        self.come_back(&back, cookie.as_deref()).await
    }

    /// The firm admin's click: an address with a one-time ticket.
    pub async fn begin_connect(&self, firm: Uuid) -> Result<Url> {
        self.begin_connect_to(Platform::Clio, firm).await
    }

    async fn begin_connect_to(&self, platform: Platform, firm: Uuid) -> Result<Url> {
        let token = self.tokens.firm_admin(firm)?;
        let path = format!("/api/v1/integrations/{}/connect", platform.word());
        let answer = self.post(&path, &token, &json!({})).await?;
        let url = answer.body["url"]
            .as_str()
            .with_context(|| format!("{answer:?}"))?;
        Ok(Url::parse(url)?)
    }

    /// Follows the ticket: the provider's address, and the cookie that must come back.
    pub async fn follow_ticket(&self, url: &Url) -> Result<(Url, Option<String>)> {
        let answer = self.http.get(self.own(url)).send().await?;
        let cookie = answer
            .headers()
            .get(SET_COOKIE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map(str::to_owned);
        Ok((location(&answer)?, cookie))
    }

    /// The person consents at the simulator.
    pub async fn consent(&self, consent: &Url) -> Result<Url> {
        let answer = self
            .http
            .get(consent.clone())
            .header("user-agent", "Mozilla/5.0")
            .send()
            .await?;
        location(&answer)
    }

    /// Back at ingress, with the cookie if the browser has it.
    pub async fn come_back(&self, back: &Url, cookie: Option<&str>) -> Result<Url> {
        let mut request = self.http.get(self.own(back));
        if let Some(cookie) = cookie {
            request = request.header(COOKIE, cookie);
        }
        location(&request.send().await?)
    }

    /// The public address, at ingress's own port.
    fn own(&self, url: &Url) -> String {
        url.as_str().replacen(PUBLIC_URL, &self.ingress_url(), 1)
    }
}

fn location(answer: &reqwest::Response) -> Result<Url> {
    let status = answer.status();
    let location = answer
        .headers()
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .with_context(|| format!("no redirect but {status}"))?;
    Ok(Url::parse(location)?)
}
