//! Answers with one record, and what ETags are good for.

use serde_json::{Value, json};

use super::{Outcome, call::Call, refuse, row::Row, schema::Resource};
use crate::{answer::Answer, clock};

/// The answer with one record, and nothing if the client has it already.
pub(super) fn single(
    call: &Call<'_>,
    resource: &Resource,
    status: u16,
    row: &Row,
    view: Value,
) -> Outcome {
    let selection = call.selection(resource)?;
    let is_read = call.incoming.method == "GET";
    let answer = match is_read && is_known(call, row) {
        true => Answer::empty(304),
        false => Answer::json(status, json!({"data": selection.of(&view)})),
    };
    Ok(answer
        .header("ETag", row.etag())
        .header("Last-Modified", clock::http_date(row.updated_ms)))
}

fn is_known(call: &Call<'_>, row: &Row) -> bool {
    let (none_match, since) = (
        call.incoming.header("if-none-match"),
        call.incoming.header("if-modified-since"),
    );
    match none_match.is_empty() {
        false => none_match == row.etag(),
        true => chrono::DateTime::parse_from_rfc2822(since)
            .is_ok_and(|since| since.timestamp() >= row.updated_ms / 1000),
    }
}

/// Refuses a change to a record that another caller has changed in between.
pub(super) fn if_match(call: &Call<'_>, row: &Row) -> Outcome<()> {
    let wanted = call.incoming.header("if-match");
    match wanted.is_empty() || wanted == row.etag() {
        true => Ok(()),
        false => Err(refuse(
            412,
            "PreconditionFailed",
            "the record was changed in between",
        )),
    }
}
