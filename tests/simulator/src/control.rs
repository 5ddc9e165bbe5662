//! What the control routes of all platforms share.

use axum::{
    extract::{FromRequest, Request, rejection::JsonRejection},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::answer::Answer;

/// A body that is refused with words, whatever is wrong with it.
pub(crate) struct Given<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Given<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let refused = |rejection: JsonRejection| {
            let error = json!({ "type": "ControlError", "message": rejection.body_text() });
            Answer::json(422, json!({ "error": error })).into_response()
        };
        let axum::Json(given) = axum::Json::from_request(request, state)
            .await
            .map_err(refused)?;
        Ok(Self(given))
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        Answer::into_response(self)
    }
}
