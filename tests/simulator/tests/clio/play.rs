//! A simulator with its folder, and short words for what tests do to it.

use std::path::PathBuf;

use reqwest::{Client, Method, RequestBuilder, header::HeaderMap, redirect::Policy};
use serde_json::{Value, json};
use simulator::{Options, Simulator};
use tempfile::TempDir;
use url::Url;

pub(crate) const REDIRECT: &str = "https://casehug.test/callback";

pub(crate) struct Play {
    pub(crate) simulator: Simulator,
    pub(crate) http: Client,
    pub(crate) folder: TempDir,
}

/// What a consent gave.
pub(crate) struct Grant {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// Null if the body is not JSON.
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn error(&self) -> (u16, &str) {
        (
            self.status,
            self.body["error"]["type"].as_str().unwrap_or_default(),
        )
    }

    pub(crate) fn id(&self) -> u64 {
        self.body["data"]["id"]
            .as_u64()
            .unwrap_or_else(|| panic!("no id in {}", self.text))
    }

    pub(crate) fn ids(&self) -> Vec<u64> {
        let rows = self.body["data"]
            .as_array()
            .unwrap_or_else(|| panic!("no list in {}", self.text));
        rows.iter().map(|row| row["id"].as_u64().unwrap()).collect()
    }
}

impl Play {
    pub(crate) async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    pub(crate) async fn start_in(folder: TempDir) -> Self {
        let mut options = Options::new(folder.path());
        options.record = Some(folder.path().join("record.jsonl"));
        let simulator = Simulator::start(options).await.unwrap();
        let http = Client::builder()
            .user_agent("CaseHugTest/1.0")
            .redirect(Policy::none());
        Self {
            simulator,
            http: http.build().unwrap(),
            folder,
        }
    }

    /// Stops it and starts it anew on the same folder.
    pub(crate) async fn restart(self) -> Self {
        self.simulator.stop().await;
        Self::start_in(self.folder).await
    }

    pub(crate) fn record_file(&self) -> PathBuf {
        self.folder.path().join("record.jsonl")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.simulator.clio_url())
    }

    pub(crate) async fn control(&self, path: &str, body: Value) -> Reply {
        let url = format!("http://{}/_control/clio/{path}", self.simulator.address());
        let reply = send(self.http.post(url).json(&body)).await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply
    }

    pub(crate) async fn shown(&self, path: &str) -> Value {
        let url = format!("http://{}/_control/clio/{path}", self.simulator.address());
        send(self.http.get(url)).await.unwrap().body
    }

    pub(crate) async fn authorize(&self, more: &str) -> Reply {
        let query = format!(
            "response_type=code&client_id=app&redirect_uri={REDIRECT}&state=s%26t&redirect_on_decline=true{more}"
        );
        send(
            self.http
                .get(self.url(&format!("/oauth/authorize?{query}"))),
        )
        .await
        .unwrap()
    }

    pub(crate) async fn code(&self) -> String {
        let reply = self.authorize("").await;
        let landed = Url::parse(reply.header("location")).unwrap();
        let code = landed
            .query_pairs()
            .find(|(name, _)| name == "code")
            .map(|(_, code)| code);
        code.unwrap().into_owned()
    }

    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> Reply {
        let client = [("client_id", "app"), ("client_secret", "secret")];
        let form: Vec<_> = client.iter().chain(form).collect();
        send(self.http.post(self.url("/oauth/token")).form(&form))
            .await
            .unwrap()
    }

    pub(crate) async fn exchange(&self, code: &str) -> Reply {
        let code = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
        ];
        self.token(&code).await
    }

    pub(crate) async fn refresh(&self, refresh: &str) -> Reply {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh)])
            .await
    }

    pub(crate) async fn connect(&self) -> Grant {
        let code = self.code().await;
        let tokens = self.exchange(&code).await.body;
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        Grant {
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }

    pub(crate) fn call(&self, grant: &Grant, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, self.url(&format!("/api/v4/{path}")))
            .bearer_auth(&grant.access)
    }

    pub(crate) async fn get(&self, grant: &Grant, path: &str) -> Reply {
        send(self.call(grant, Method::GET, path)).await.unwrap()
    }

    pub(crate) async fn post(&self, grant: &Grant, path: &str, data: Value) -> Reply {
        send(
            self.call(grant, Method::POST, path)
                .json(&json!({"data": data})),
        )
        .await
        .unwrap()
    }

    pub(crate) async fn patch(&self, grant: &Grant, path: &str, data: Value) -> Reply {
        send(
            self.call(grant, Method::PATCH, path)
                .json(&json!({"data": data})),
        )
        .await
        .unwrap()
    }

    pub(crate) async fn contact(&self, grant: &Grant, first_name: &str, email: &str) -> u64 {
        let emails = json!([{"name": "Work", "address": email, "default_email": true}]);
        let data = json!({"type": "Person", "first_name": first_name, "email_addresses": emails});
        self.post(grant, "contacts.json", data).await.id()
    }

    pub(crate) async fn matter(&self, grant: &Grant, client_id: u64) -> u64 {
        let data = json!({"client": {"id": client_id}, "description": "Divorce"});
        self.post(grant, "matters.json", data).await.id()
    }
}

pub(crate) async fn send(request: RequestBuilder) -> reqwest::Result<Reply> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await?;
    let body = serde_json::from_str(&text).unwrap_or_default();
    Ok(Reply {
        status,
        headers,
        text,
        body,
    })
}
