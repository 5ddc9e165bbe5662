//! A request as the played providers see it.

use axum::http::{HeaderMap, request::Parts};
use bytes::Bytes;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::{
    answer::Answer,
    clock, redact,
    storage::{Received, Slot},
};

/// Which of the played hosts a request went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Site {
    Clio,
    Storage,
    Scripted,
}

impl Site {
    fn platform(self) -> &'static str {
        match self {
            Self::Clio => "clio",
            Self::Storage => "storage",
            Self::Scripted => "test",
        }
    }

    fn real_host(self) -> &'static str {
        match self {
            Self::Clio => "https://app.clio.com",
            Self::Storage => "https://clio-uploads.s3.amazonaws.com",
            Self::Scripted => "https://api.test.invalid",
        }
    }

    /// What stands before the provider's own path here.
    fn prefix(self) -> &'static str {
        match self {
            Self::Clio => "/clio",
            Self::Storage => "",
            Self::Scripted => "/test",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) site: Site,
    pub(crate) at_ms: i64,
    pub(crate) method: String,
    /// As at the provider: `/api/v4/…`, `/oauth/…`; for signed transfers `/storage/…`.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    /// `http://127.0.0.1:1234`, as the client wrote it: addresses in answers must lead back here,
    /// also through a proxy.
    pub(crate) origin: String,
    pub(crate) payload: Payload,
}

#[derive(Debug)]
pub(crate) enum Payload {
    Bytes(Bytes),
    Upload {
        slot: Result<Slot, Answer>,
        received: Received,
    },
}

impl Incoming {
    pub(crate) fn new(site: Site, parts: Parts, listening: &str) -> Self {
        let host = parts
            .headers
            .get("host")
            .and_then(|host| host.to_str().ok());
        let path = parts.uri.path();
        Self {
            site,
            at_ms: clock::now_ms(),
            method: parts.method.to_string(),
            path: path.strip_prefix(site.prefix()).unwrap_or(path).to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            origin: format!("http://{}", host.unwrap_or(listening)),
            headers: parts.headers,
            payload: Payload::Bytes(Bytes::new()),
        }
    }

    /// The header's text; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    pub(crate) fn query_pairs(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.query.as_bytes())
            .into_owned()
            .collect()
    }

    pub(crate) fn body(&self) -> &[u8] {
        match &self.payload {
            Payload::Bytes(bytes) => bytes,
            Payload::Upload { .. } => &[],
        }
    }

    pub(crate) fn is_form(&self) -> bool {
        self.header("content-type")
            .starts_with("application/x-www-form-urlencoded")
    }

    /// The record line, without what was answered.
    pub(crate) fn line(&self) -> Value {
        let question = if self.query.is_empty() { "" } else { "?" };
        let query = redact::pairs(&self.query);
        json!({
            "at": clock::rfc3339(self.at_ms),
            "platform": self.site.platform(),
            "method": self.method,
            "url": format!("{}{}{question}{query}", self.site.real_host(), self.path),
            "headers": redact::headers(&self.headers),
            "body": self.shown_body(),
        })
    }

    fn shown_body(&self) -> Value {
        let bytes = match &self.payload {
            Payload::Upload { received, .. } => {
                return json!({"bytes": received.digest.size, "sha256": received.digest.sha256});
            }
            Payload::Bytes(bytes) if bytes.is_empty() => return Value::Null,
            Payload::Bytes(bytes) => bytes,
        };
        let text = String::from_utf8_lossy(bytes);
        match serde_json::from_slice(bytes) {
            Ok(value) => redact::json(value),
            Err(_) if self.is_form() => Value::from(redact::pairs(&text)),
            Err(_) => Value::from(text),
        }
    }
}
