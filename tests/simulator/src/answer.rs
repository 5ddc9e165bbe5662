//! What goes back to the client, before it becomes an HTTP response.

use axum::{body::Body, http::StatusCode, response::Response};
use serde_json::Value;

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content: Content,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    Empty,
    Json(Value),
    Text {
        content_type: &'static str,
        text: String,
    },
}

impl Answer {
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content: Content::Empty,
        }
    }

    pub(crate) fn json(status: u16, value: Value) -> Self {
        Self {
            content: Content::Json(value),
            ..Self::empty(status)
        }
    }

    pub(crate) fn html(status: u16, text: impl Into<String>) -> Self {
        Self::text(status, "text/html; charset=utf-8", text)
    }

    pub(crate) fn xml(status: u16, text: impl Into<String>) -> Self {
        Self::text(status, "application/xml", text)
    }

    pub(crate) fn text(status: u16, content_type: &'static str, text: impl Into<String>) -> Self {
        Self {
            content: Content::Text {
                content_type,
                text: text.into(),
            },
            ..Self::empty(status)
        }
    }

    pub(crate) fn redirect(to: impl Into<String>) -> Self {
        Self::empty(302).header("Location", to)
    }

    pub(crate) fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The body as a record line shows it.
    pub(crate) fn shown(&self) -> Value {
        match &self.content {
            Content::Empty => Value::Null,
            Content::Json(value) => value.clone(),
            Content::Text { text, .. } => Value::from(text.clone()),
        }
    }

    pub(crate) fn into_response(self) -> Response {
        let mut response = Response::builder().status(self.status);
        let (content_type, body) = match self.content {
            Content::Empty => (None, Body::empty()),
            Content::Json(value) => (
                Some("application/json; charset=utf-8"),
                Body::from(value.to_string()),
            ),
            Content::Text { content_type, text } => (Some(content_type), Body::from(text)),
        };
        let typed = self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if let Some(content_type) = content_type.filter(|_| !typed) {
            response = response.header("Content-Type", content_type);
        }
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        // Only a scripted fault can name an impossible status or header.
        response.body(body).unwrap_or_else(|_| {
            let mut refusal = Response::new(Body::from("the scripted answer is not valid HTTP"));
            *refusal.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            refusal
        })
    }
}
