//! Request bodies: `{"data":{…}}` with known members of the right kind, and all required ones.

use chrono::{DateTime, NaiveDate};
use serde_json::{Map, Value};

use super::{
    Outcome, not_played, refuse,
    schema::{Kind, Node, Operation},
};
use crate::{answer::Answer, incoming::Incoming};

pub(super) fn read(incoming: &Incoming, operation: &Operation) -> Outcome<Map<String, Value>> {
    if !incoming
        .header("content-type")
        .starts_with("application/json")
    {
        return Err(refuse(
            400,
            "ArgumentError",
            "Content-Type must be application/json",
        ));
    }
    let body: Value = serde_json::from_slice(incoming.body())
        .map_err(|error| refuse(400, "ArgumentError", format!("invalid JSON: {error}")))?;
    let Value::Object(mut body) = body else {
        return Err(missing("data"));
    };
    let data = body.remove("data");
    if let Some(name) = body.keys().next() {
        return Err(unknown(name));
    }
    match data {
        Some(Value::Object(data)) => check(data, operation),
        _ => Err(missing("data")),
    }
}

/// The same for data that did not come in a request.
pub(super) fn check(
    data: Map<String, Value>,
    operation: &Operation,
) -> Outcome<Map<String, Value>> {
    if let Some(name) = data.keys().find(|name| operation.unplayed.contains(name)) {
        return Err(not_played(&format!("member {name}")));
    }
    check_object(&data, &operation.body, "data")?;
    Ok(data)
}

fn check_object(object: &Map<String, Value>, node: &Node, path: &str) -> Outcome<()> {
    for (name, value) in object {
        let path = format!("{path}.{name}");
        let member = node.members.get(name).ok_or_else(|| unknown(&path))?;
        check_value(value, member, &path)?;
    }
    let absent = |name: &&String| match object.get(*name) {
        None | Some(Value::Null) => true,
        Some(value) => value.as_str().is_some_and(|text| text.trim().is_empty()),
    };
    match node.required.iter().find(absent) {
        Some(name) => Err(missing(&format!("{path}.{name}"))),
        None => Ok(()),
    }
}

fn check_value(value: &Value, node: &Node, path: &str) -> Outcome<()> {
    match (node.kind, value) {
        (_, Value::Null) => Ok(()),
        (Kind::Object, Value::Object(object)) => check_object(object, node, path),
        (Kind::Array, Value::Array(items)) => {
            let Some(node) = &node.items else {
                return Ok(());
            };
            items
                .iter()
                .try_for_each(|item| check_value(item, node, path))
        }
        _ if fits(value, node) => Ok(()),
        _ => Err(invalid(&format!("{path} is invalid"))),
    }
}

fn fits(value: &Value, node: &Node) -> bool {
    match (node.kind, value) {
        (Kind::String, Value::String(text)) => {
            node.choices.is_empty() || node.choices.contains(text)
        }
        (Kind::Integer | Kind::Size, Value::Number(number)) => number.is_u64(),
        (Kind::Size, Value::String(text)) => text.parse::<u64>().is_ok(),
        // Clio's own prose sends "true".
        (Kind::Boolean, value) => value.is_boolean() || value == "true" || value == "false",
        (Kind::Date, Value::String(text)) => NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok(),
        (Kind::DateTime, Value::String(text)) => DateTime::parse_from_rfc3339(text).is_ok(),
        _ => false,
    }
}

fn unknown(name: &str) -> Answer {
    refuse(400, "ArgumentError", format!("unknown attribute {name}"))
}

fn missing(name: &str) -> Answer {
    invalid(&format!("{name} is required"))
}

/// A value that cannot be taken.
pub(super) fn invalid(message: &str) -> Answer {
    refuse(422, "ArgumentError", message)
}
