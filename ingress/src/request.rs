//! Every request has an id, a log line and a count; every refusal has its body.

use axum::Json;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use shared::clock::{self, Moment};

use crate::error::ErrorBody;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_ID: usize = 64;

/// Gives the request its id, and the answer the same.
pub(crate) async fn identify(request: Request, next: Next) -> Response {
    let id = given_id(&request).unwrap_or_else(|| clock::new_id().to_string());
    let started = Moment::now();
    let method = known(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("(unmatched)".to_owned(), |path| path.as_str().to_owned());
    let mut response = complete(next.run(request).await, &id);
    let status = response.status().as_u16();
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(request.id = %id, http.method = %method, http.route = route, http.status = status, duration_ms = ms, "answered");
    metrics::counter!("casehug_http_requests_total", "route" => route, "status" => status.to_string())
        .increment(1);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// A method goes into our logs only when it is one: a caller may send any word as one.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "(other)",
    }
}

/// A caller's own id is kept when it is short and plain: it goes into our logs.
fn given_id(request: &Request) -> Option<String> {
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let plain = id
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    (plain && !id.is_empty() && id.len() <= LONGEST_ID).then(|| id.to_owned())
}

fn complete(mut response: Response, id: &str) -> Response {
    let Some(mut body) = response.extensions_mut().remove::<ErrorBody>() else {
        return response;
    };
    id.clone_into(&mut body.error.request_id);
    let (parts, _) = response.into_parts();
    let mut complete = (parts.status, Json(body)).into_response();
    complete.headers_mut().extend(
        parts
            .headers
            .into_iter()
            .filter_map(|(name, value)| Some((name?, value))),
    );
    complete
}

/// No answer is guessed at by its bytes, and none is stored unless it says so itself: most of them tell of people.
pub(crate) async fn guard(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}
