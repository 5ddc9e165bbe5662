//! Its one error shape: `{"type","title","status","detail"}` (RFC 9457).

use serde::Deserialize;
use shared::providers::Refusal;

#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    detail: Option<String>,
}

pub(crate) fn read_refusal(body: &[u8]) -> Option<Refusal> {
    let problem: Problem = serde_json::from_slice(body).ok()?;
    Some(Refusal {
        kind: Some(problem.kind),
        message: problem.detail.unwrap_or(problem.title),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_read_and_another_body_is_none() {
        let body = br#"{"type":"not-found","title":"Not found","status":404}"#;
        let refusal = read_refusal(body).unwrap();

        assert_eq!(refusal.kind.as_deref(), Some("not-found"));
        assert_eq!(refusal.message, "Not found");
        for other in ["<html>", "{}", r#"{"error":{"type":"a","message":"b"}}"#] {
            assert!(read_refusal(other.as_bytes()).is_none(), "{other}");
        }
    }
}
