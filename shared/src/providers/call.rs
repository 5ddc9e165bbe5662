//! One request to a provider, as its file words it.

use reqwest::Method;
use serde_json::Value;

use crate::domain::LinkId;
use crate::queue::Ask;

/// One request.
#[derive(Debug)]
pub struct Call {
    pub method: Method,
    /// Below the API's base, with ids.
    pub path: String,
    /// The same without ids, for logs and history.
    pub template: &'static str,
    pub query: Vec<(&'static str, String)>,
    pub body: Option<Value>,
    /// The link of the record that this call creates.
    pub creates: Option<LinkId>,
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
            body: None,
            creates: None,
        }
    }

    /// A creation, guarded by its link.
    #[must_use]
    pub fn create(
        template: &'static str,
        path: impl Into<String>,
        link: LinkId,
        body: Value,
    ) -> Self {
        Self {
            method: Method::POST,
            body: Some(body),
            creates: Some(link),
            ..Self::get(template, path)
        }
    }

    /// A change that may be repeated.
    #[must_use]
    pub fn patch(template: &'static str, path: impl Into<String>, body: Value) -> Self {
        Self {
            method: Method::PATCH,
            body: Some(body),
            ..Self::get(template, path)
        }
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn ask(&self) -> Ask {
        if self.method == Method::GET {
            Ask::Read
        } else {
            Ask::Write { link: self.creates }
        }
    }
}
