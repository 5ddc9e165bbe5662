//! Connecting a firm to Clio: ticket, cookie, state, account.

mod start;

mod callback;
mod cookie;

mod account;

use std::collections::HashMap;

use reqwest::header::{LOCATION, SET_COOKIE};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use crate::asking::STATUS;
use crate::support::TestApp;

const CONNECTED: &str =
    "https://app.casehug.test/settings/integrations?platform=clio&result=connected";

/// Where a connect lands that ended with this code.
fn failed(code: &str) -> String {
    format!("https://app.casehug.test/settings/integrations?platform=clio&result=error&code={code}")
}

fn query(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}

impl TestApp {
    /// At Clio's door, and back with a code: the address to come back to, and the cookie.
    async fn consented(&self, firm: Uuid) -> (Url, String) {
        let ticket = self.begin_connect(firm).await.unwrap();
        let (consent, cookie) = self.follow_ticket(&ticket).await.unwrap();
        (self.consent(&consent).await.unwrap(), cookie.unwrap())
    }

    async fn is_connected(&self, firm: Uuid) -> bool {
        let token = self.tokens.firm_admin(firm).unwrap();
        self.get(STATUS, &token).await.unwrap().body["connected"] == json!(true)
    }

    async fn connections(&self) -> i64 {
        self.count("select count(*) from firm_integrations")
            .await
            .unwrap()
    }

    /// Where ingress sends the browser from this URL, and the cookie that it sets.
    async fn redirected(&self, url: &str) -> (Url, Option<String>) {
        let answer = self.http.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 302);
        let text = |name| Some(answer.headers().get(name)?.to_str().unwrap().to_owned());
        (
            Url::parse(&text(LOCATION).unwrap()).unwrap(),
            text(SET_COOKIE),
        )
    }
}
