//! Where a browser lands after a connect: the dashboard's integrations page, with the result in the query.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use shared::domain::Platform;

use crate::state::AppState;

/// How a connect ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landing {
    Connected,
    Error(&'static str),
}

impl AppState {
    /// 302 to the dashboard.
    pub(crate) fn land(&self, platform: Platform, landing: Landing) -> Response {
        let mut url = self.dashboard_url.clone();
        let path = format!("{}/settings/integrations", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url.query_pairs_mut()
            .append_pair("platform", platform.as_str());
        let (result, code) = match landing {
            Landing::Connected => ("connected", None),
            Landing::Error(code) => ("error", Some(code)),
        };
        url.query_pairs_mut().append_pair("result", result);
        if let Some(code) = code {
            url.query_pairs_mut().append_pair("code", code);
        }
        redirect(url.as_str())
    }
}

/// 302, never stored, and with no word of where it came from.
pub(crate) fn redirect(to: &str) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(to) {
        headers.insert(header::LOCATION, location);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    response
}
