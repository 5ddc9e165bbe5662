//! Clio's two error shapes (providers/clio.md §6): `{"error":{"type","message"}}` and `{"error","error_description"}`.

use serde::Deserialize;
use serde_json::Value;

use crate::providers::Refusal;

#[derive(Deserialize)]
struct ErrorBody {
    error: Value,
    error_description: Option<String>,
}

pub(super) fn read_refusal(body: &[u8]) -> Option<Refusal> {
    let ErrorBody {
        error,
        error_description,
    } = serde_json::from_slice(body).ok()?;
    let kind = error.get("type").unwrap_or(&error).as_str();
    let message = error.get("message").and_then(Value::as_str);
    Some(Refusal {
        kind: kind.map(str::to_owned),
        message: message
            .map(str::to_owned)
            .or(error_description)
            .unwrap_or_default(),
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
        for other in ["<html>nginx</html>", "{}", "", r#"{"message":"Forbidden"}"#] {
            assert!(read_refusal(other.as_bytes()).is_none(), "{other}");
        }
    }
}
