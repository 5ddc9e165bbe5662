//! The ops port: health, readiness, metrics, and nothing else.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::json;

use crate::asking::{assert_error_body, start_without_workers};
use crate::support::{SOON, TestApp, start};

impl TestApp {
    async fn ops(&self, url: &str) -> (u16, String) {
        let answer = self.http.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// The worker's own ops port, as its environment says.
    fn worker_ops_url(&self) -> String {
        let file = PathBuf::from(format!("/proc/{}/environ", self.workers[0].pid()));
        let environment = std::fs::read_to_string(file).unwrap();
        let address = environment
            .split('\0')
            .find_map(|pair| pair.strip_prefix("OPS_LISTEN="));
        format!("http://{}", address.unwrap())
    }

    /// The sum of a counter of the worker.
    pub(crate) async fn worker_metric(&self, name: &str) -> f64 {
        let (_, text) = self
            .ops(&format!("{}/metrics", self.worker_ops_url()))
            .await;
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && line.starts_with(name));
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}

#[tokio::test]
async fn both_programs_say_that_they_live_and_are_ready() {
    let app = start().await;

    for program in [app.ingress_ops_url(), app.worker_ops_url()] {
        for path in ["healthz", "readyz"] {
            let (status, _) = app.ops(&format!("{program}/{path}")).await;
            assert_eq!(status, 200, "{program}/{path}");
        }
        assert_eq!(app.ops(&format!("{program}/metrics")).await.0, 200);
    }
}

#[tokio::test]
async fn neither_program_is_ready_on_a_schema_that_needs_newer_code() {
    let app = start().await;

    sqlx::query("update schema_info set min_code_version = 1000000")
        .execute(&app.admin)
        .await
        .unwrap();

    for program in [app.ingress_ops_url(), app.worker_ops_url()] {
        assert_eq!(
            app.ops(&format!("{program}/readyz")).await.0,
            503,
            "{program}"
        );
        assert_eq!(
            app.ops(&format!("{program}/healthz")).await.0,
            200,
            "{program}"
        );
    }
}

#[tokio::test]
async fn the_metrics_count_and_name_nobody() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let upload = app.upload(matter, "a.pdf", None, b"a").await.unwrap();
    app.approve(&[upload]).await.unwrap();
    app.settled(SOON).await.unwrap();
    let unknown = format!("/api/v1/integrations/{}/status", matter.firm);
    app.send(app.ask(Method::GET, &unknown)).await.unwrap();

    for program in [app.ingress_ops_url(), app.worker_ops_url()] {
        let (_, text) = app.ops(&format!("{program}/metrics")).await;
        assert!(
            text.lines().any(|line| line.starts_with("casehug_")),
            "{text}"
        );
        for id in [matter.firm, matter.id, matter.client, upload.id] {
            assert!(!text.contains(&id.to_string()) && !text.contains(&id.simple().to_string()));
        }
        assert!(!text.contains("ann.lee") && !text.contains("Lee"), "{text}");
    }
    app.finish().await;
}

#[tokio::test]
async fn the_two_ports_share_no_route() {
    let app = start_without_workers().await;

    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = app.send(app.ask(Method::GET, path)).await.unwrap();
        assert_eq!(answer.status, 404, "{path} on the public port");
        assert_error_body(&answer);
    }
    let url = format!("{}/api/v1/events", app.ingress_ops_url());
    let answer = app.send(app.http.post(url).json(&json!([]))).await.unwrap();
    assert_eq!(answer.status, 404, "{answer:?}");
}
