//! Contacts and matters.

use chrono::DateTime;
use serde_json::{Map, Value, json};

use super::{
    Outcome,
    api::Call,
    invalid, not_found,
    world::{Kind, Record, World},
};
use crate::answer::Answer;

const PAGE: usize = 50;

pub(super) fn list_contacts(world: &World, call: &Call<'_>) -> Outcome {
    call.check_query(&["email", "created_since", "page"])?;
    let email = call.one("email").map(str::to_lowercase);
    list(world, call, Kind::Contact, |record| {
        let stored = record.text("email").to_lowercase();
        email.as_ref().is_none_or(|email| stored.contains(email))
    })
}

pub(super) fn list_matters(world: &World, call: &Call<'_>) -> Outcome {
    call.check_query(&["contact_id", "created_since", "page"])?;
    let contact = call.one("contact_id");
    list(world, call, Kind::Matter, |record| {
        contact.is_none_or(|contact| record.text("contact_id") == contact)
    })
}

/// What shows by now, page by page; the next page's name stands in a header.
pub(super) fn list(
    world: &World,
    call: &Call<'_>,
    kind: Kind,
    takes: impl Fn(&Record) -> bool,
) -> Outcome {
    let since = call.one("created_since").map(DateTime::parse_from_rfc3339);
    let since = since.transpose();
    let since = since.map_err(|_| invalid("created_since must be a time"))?;
    let since_ms = since.map_or(i64::MIN, |since| since.timestamp_millis());
    let after: u64 = match call.one("page") {
        Some(page) => page.parse().map_err(|_| invalid("no such page"))?,
        None => 0,
    };
    let found: Vec<&Record> = world
        .records
        .iter()
        .map(|(_, record)| record)
        .filter(|record| {
            record.kind == kind
                && record.account == call.account
                && record.rejected.is_none()
                && record.shows(call.now_ms())
                && record.created_ms >= since_ms
                && record.id > after
                && takes(record)
        })
        .collect();
    let page: Vec<Value> = found.iter().take(PAGE).map(|record| view(record)).collect();
    let answer = Answer::json(200, json!(page));
    Ok(match found.get(PAGE - 1).filter(|_| found.len() > PAGE) {
        Some(last) => answer.header("X-Next-Page", last.id.to_string()),
        None => answer,
    })
}

pub(super) fn show(world: &World, call: &Call<'_>, kind: Kind, id: &str) -> Outcome {
    call.check_query(&[])?;
    let record = find(world, call, kind, id)?;
    Ok(Answer::json(200, view(record)))
}

/// A record that shows by now.
pub(super) fn find<'a>(
    world: &'a World,
    call: &Call<'_>,
    kind: Kind,
    id: &str,
) -> Outcome<&'a Record> {
    let record = id.parse().ok().and_then(|id| world.records.get(&id));
    record
        .filter(|record| {
            record.kind == kind && record.account == call.account && record.shows(call.now_ms())
        })
        .ok_or_else(not_found)
}

fn view(record: &Record) -> Value {
    let mut view = Value::Object(record.data.clone());
    view["id"] = json!(record.id.to_string());
    view["state"] = json!(if record.rejected.is_some() {
        "rejected"
    } else {
        "active"
    });
    view["reason"] = json!(record.rejected);
    view
}

pub(super) fn create_contact(world: &mut World, call: &Call<'_>) -> Outcome {
    let data = body(call, &["first_name", "last_name", "email", "phone"])?;
    accept(world, call, Kind::Contact, data)
}

/// Under a contact that does not show yet a matter is refused.
pub(super) fn create_matter(world: &mut World, call: &Call<'_>) -> Outcome {
    let data = body(call, &["title", "reference", "contact_id"])?;
    let contact = data.get("contact_id").and_then(Value::as_str);
    let contact = find(world, call, Kind::Contact, contact.unwrap_or_default())?;
    if contact.rejected.is_some() {
        return Err(not_found());
    }
    accept(world, call, Kind::Matter, data)
}

fn accept(world: &mut World, call: &Call<'_>, kind: Kind, data: Map<String, Value>) -> Outcome {
    let record = world.accept(kind, &call.account, None, call.now_ms(), data);
    Ok(Answer::json(202, json!({ "id": record.id.to_string() })))
}

/// A JSON object with no other members than these.
pub(super) fn body(call: &Call<'_>, known: &[&str]) -> Outcome<Map<String, Value>> {
    call.check_query(&[])?;
    let data: Map<String, Value> = serde_json::from_slice(call.incoming.body())
        .map_err(|_| invalid("the body must be a JSON object"))?;
    match data.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(invalid(&format!("unknown member {name}"))),
        None => Ok(data),
    }
}
