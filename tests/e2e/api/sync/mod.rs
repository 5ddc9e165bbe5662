//! `POST …/sync`: a person's request, waited for or not.

mod refused;
mod waiting;

mod keys;

use harness::app::{Answer, Matter};
use reqwest::Method;
use serde_json::json;

use crate::asking::{SYNC, members};
use crate::support::TestApp;

const ACCEPTED: [&str; 4] = ["success", "run_id", "log_id", "status_url"];

impl TestApp {
    /// A firm admin's request for a matter, with headers.
    async fn request_sync(&self, matter: Matter, headers: &[(&str, &str)]) -> Answer {
        let token = self.tokens.firm_admin(matter.firm).unwrap();
        let body = json!({ "matter_id": matter.id });
        let request = self.ask(Method::POST, SYNC).bearer_auth(token).json(&body);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        self.send(request).await.unwrap()
    }
}

#[track_caller]
fn assert_accepted(answer: &Answer) {
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(members(&answer.body), ACCEPTED.into());
    assert_eq!(answer.body["success"], json!(true));
    let run = answer.body["run_id"].as_str().unwrap();
    let url = format!("{SYNC}?run_id={run}");
    assert_eq!(answer.body["status_url"], json!(url));
}
