//! What comes back: an answer read up to a limit, or why there is none.

use bytes::Bytes;
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde::Deserialize;

use super::{CallError, ProviderError};

/// No answer of a provider that we need is longer.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A successful answer with its headers, for lists whose next page is named there.
#[derive(Debug)]
pub struct Reply<T> {
    pub body: T,
    pub headers: HeaderMap,
}

pub(super) async fn read(answer: reqwest::Response) -> Result<Response, CallError> {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = read_bounded(answer, LONGEST_ANSWER).await;
    let body = body.map_err(|broken| match broken {
        Broken::TooLong => ProviderError::Unavailable {
            status: Some(status.as_u16()),
            retry_after: None,
        }
        .into(),
        Broken::Off(error) => unanswered(&error),
    })?;
    Ok(Response {
        status,
        headers,
        body,
    })
}

/// Why a body was not read to its end.
#[derive(Debug)]
pub(in crate::providers) enum Broken {
    TooLong,
    Off(reqwest::Error),
}

/// Reads a body of at most `longest` bytes.
pub(in crate::providers) async fn read_bounded(
    mut answer: reqwest::Response,
    longest: usize,
) -> Result<Bytes, Broken> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(Broken::Off)? {
        if body.len() + chunk.len() > longest {
            return Err(Broken::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

/// Reads a successful answer's JSON.
pub(super) fn parse<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(body).map_err(|_| ProviderError::Unreadable.into())
}

/// No answer came. A connection that was never made carried nothing.
pub(super) fn unanswered(error: &reqwest::Error) -> CallError {
    if error.is_connect() {
        ProviderError::Unreachable.into()
    } else {
        ProviderError::Unavailable {
            status: None,
            retry_after: None,
        }
        .into()
    }
}

/// The method's name in history and metrics.
pub(super) fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "OTHER",
    }
}
