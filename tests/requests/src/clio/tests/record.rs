//! A record as a whole: whose lines are checked, and what is no record.

use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::{get, post};
use crate::{check, violations};

#[test]
fn requests_to_a_storage_are_not_checked_and_unknown_platforms_are_found() {
    let mut storage = get("/nowhere");
    storage["platform"] = json!("storage");
    let mut other = get("/users/who_am_i");
    other["platform"] = json!("mycase");
    let mut cut = post("/contacts", json!({}));
    cut["body"] = Value::Null;
    cut["fault"] = json!("client_left");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for line in [storage, get("/users/who_am_i"), other, cut] {
        writeln!(file, "{line}").unwrap();
    }

    let report = violations(file.path()).unwrap();

    assert_eq!(report.requests_checked, 2);
    assert_eq!(
        report.violations,
        ["line 3: nothing is known of the platform"]
    );
}

#[test]
fn a_line_that_is_no_record_line_is_an_error() {
    assert!(check("{\"platform\":\"clio\"}").is_err());
    assert!(violations(Path::new("/nonexistent/record.jsonl")).is_err());
}
