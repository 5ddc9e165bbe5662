//! One request to a provider, as its file words it.

use reqwest::Method;
use serde_json::Value;

use crate::domain::link::Creation;
use crate::queue::Ask;

/// What a request carries.
#[derive(Debug, Default)]
pub enum Body {
    #[default]
    Empty,
    Json(Value),
    Form(Vec<(&'static str, String)>),
}

/// One request.
#[derive(Debug)]
pub struct Call {
    pub method: Method,
    /// Below the API's prefix, with ids.
    pub path: String,
    /// The same without ids, for logs and history.
    pub template: &'static str,
    pub query: Vec<(&'static str, String)>,
    /// Beside those that the platform's dialect sends with every call.
    pub headers: Vec<(&'static str, String)>,
    pub body: Body,
    /// The record that this call creates: its link, and what the link keeps of what is sent.
    pub creates: Option<Creation>,
}

impl Call {
    /// A read.
    #[must_use]
    pub fn get(template: &'static str, path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            template,
            query: Vec::new(),
            headers: Vec::new(),
            body: Body::Empty,
            creates: None,
        }
    }

    /// A creation, guarded by its link.
    #[must_use]
    pub fn create(
        template: &'static str,
        path: impl Into<String>,
        creation: Creation,
        body: Value,
    ) -> Self {
        Self {
            creates: Some(creation),
            ..Self::post(template, path, Body::Json(body))
        }
    }

    /// A request that creates nothing, and may be repeated.
    #[must_use]
    pub fn post(template: &'static str, path: impl Into<String>, body: Body) -> Self {
        Self {
            method: Method::POST,
            body,
            ..Self::get(template, path)
        }
    }

    /// A change that may be repeated.
    #[must_use]
    pub fn patch(template: &'static str, path: impl Into<String>, body: Value) -> Self {
        Self {
            method: Method::PATCH,
            body: Body::Json(body),
            ..Self::get(template, path)
        }
    }

    /// A whole record in place of the old one; may be repeated.
    #[must_use]
    pub fn put(template: &'static str, path: impl Into<String>, body: Value) -> Self {
        Self {
            method: Method::PUT,
            ..Self::patch(template, path, body)
        }
    }

    /// The end of a record; may be repeated.
    #[must_use]
    pub fn delete(template: &'static str, path: impl Into<String>) -> Self {
        Self {
            method: Method::DELETE,
            ..Self::get(template, path)
        }
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Adds a header, in lower case.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Refused with 412 where the record has changed since it carried this tag.
    #[must_use]
    pub fn if_match(self, etag: impl Into<String>) -> Self {
        self.header("if-match", etag)
    }

    pub(super) fn ask(&self) -> Ask {
        if self.method == Method::GET {
            Ask::Read
        } else {
            Ask::Write {
                link: self.creates.as_ref().map(|creation| creation.link),
            }
        }
    }
}
