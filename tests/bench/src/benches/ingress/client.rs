//! One connection that stays open and posts one event after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;

use crate::clock;
use crate::workload::Workload;

pub(crate) struct Caller {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    token: Arc<str>,
}

/// What was sent; latencies and `in_time` are of what was answered in the measured time alone.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) accepted: u64,
    pub(crate) in_time: u64,
    pub(crate) waited_ms: Vec<f64>,
}

impl Sent {
    pub(crate) fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.in_time += other.in_time;
        self.waited_ms.extend(other.waited_ms);
    }
}

impl Caller {
    pub(crate) async fn connect(host: &str, token: Arc<str>) -> Result<Self> {
        let stream = TcpStream::connect(host)
            .await
            .context("connect to ingress")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            host: host.to_owned(),
            token,
        })
    }

    pub(crate) async fn call_until(&mut self, from: Instant, until: Instant) -> Result<Sent> {
        let mut sent = Sent::default();
        loop {
            let began = clock::now();
            if began >= until {
                return Ok(sent);
            }
            self.call().await?;
            sent.accepted += 1;
            let ended = clock::now();
            if began >= from && ended < until {
                sent.in_time += 1;
                sent.waited_ms.push((ended - began).as_secs_f64() * 1000.0);
            }
        }
    }

    /// One event each time, however long the last one took.
    pub(crate) async fn call_at_pace(
        &mut self,
        pace: Duration,
        from: Instant,
        until: Instant,
    ) -> Result<Sent> {
        let mut sent = Sent::default();
        let mut turns = tokio::time::interval(pace);
        while clock::now() < until {
            turns.tick().await;
            let began = clock::now();
            self.call().await?;
            sent.accepted += 1;
            if began >= from {
                sent.in_time += 1;
                sent.waited_ms.push(began.elapsed().as_secs_f64() * 1000.0);
            }
        }
        Ok(sent)
    }

    async fn call(&mut self) -> Result<()> {
        let firm = Workload::new(1, 1).firm(0);
        let event = json!({ "id": clock::new_id(), "type": "intake.started", "firm_id": firm, "data": { "matter_id": firm } });
        let request = Request::builder()
            .method(Method::POST)
            .uri("/api/v1/events")
            .header(HOST, &self.host)
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(event.to_string())))?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(
            status == StatusCode::ACCEPTED,
            "an event was answered with {status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(())
    }
}
