//! Clio's two error shapes (providers/clio.md §6): `{"error":{"type","message"}}` and `{"error","error_description"}`.

use serde::Deserialize;
use serde_json::Value;

use crate::providers::Refusal;

#[derive(Deserialize)]
#[serde(untagged)]
enum ErrorBody {
    Api {
        error: ApiError,
    },
    OAuth {
        error: String,
        error_description: String,
    },
}

#[derive(Deserialize)]
struct ApiError {
    #[serde(rename = "type")]
    kind: String,
    message: Option<Value>,
}

/// A proxy's JSON, such as `{"status":404,"error":"Not Found"}`, is neither.
pub(super) fn read_refusal(body: &[u8]) -> Option<Refusal> {
    let (kind, message) = match serde_json::from_slice(body).ok()? {
        ErrorBody::Api { error } => {
            let message = error.message.as_ref().and_then(Value::as_str);
            (error.kind, message.unwrap_or_default().to_owned())
        }
        ErrorBody::OAuth {
            error,
            error_description,
        } => (error, error_description),
    };
    Some(Refusal {
        kind: Some(kind),
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_are_read_and_another_body_is_none_of_them() {
        let nested = read_refusal(br#"{"error":{"type":"ArgumentError","message":"no"}}"#).unwrap();
        let flat =
            read_refusal(br#"{"error":"invalid_token","error_description":"gone"}"#).unwrap();

        assert_eq!(nested.kind.as_deref(), Some("ArgumentError"));
        assert_eq!(nested.message, "no");
        assert_eq!(flat.kind.as_deref(), Some("invalid_token"));
        assert_eq!(flat.message, "gone");
        for other in [
            "<html>nginx</html>",
            "{}",
            "",
            r#"{"message":"Forbidden"}"#,
            r#"{"status":404,"error":"Not Found"}"#,
            r#"{"error":null}"#,
            r#"{"error":{"message":"no type"}}"#,
        ] {
            assert!(read_refusal(other.as_bytes()).is_none(), "{other}");
        }
    }
}
