//! External properties: up to five names and values that an application hangs on a document.

use serde_json::{Value, json};

use super::{
    Outcome,
    body::invalid,
    not_found,
    row::{Row, etag},
    world::World,
};
use crate::clock;

const MAX: usize = 5;

/// Whether one property has both this name and this value.
pub(super) fn has(row: &Row, name: Option<&str>, value: Option<&str>) -> bool {
    let fits = |property: &Value, member: &str, wanted: Option<&str>| {
        wanted.is_none_or(|wanted| property[member] == wanted)
    };
    (name.is_none() && value.is_none())
        || row
            .items("external_properties")
            .iter()
            .any(|property| fits(property, "name", name) && fits(property, "value", value))
}

/// Entries with an id change or remove, entries without add.
pub(super) fn change(
    world: &mut World,
    row: &mut Row,
    given: Option<&Vec<Value>>,
    now_ms: i64,
) -> Outcome<()> {
    let mut properties = row.items("external_properties").to_vec();
    for entry in given.into_iter().flatten() {
        match entry["id"].as_u64() {
            Some(id) => change_one(&mut properties, id, entry, now_ms)?,
            None => properties.push(new(world, entry, now_ms)?),
        }
    }
    if properties.len() > MAX {
        return Err(invalid("external_properties: at most 5 are allowed"));
    }
    row.set("external_properties", properties);
    Ok(())
}

fn change_one(properties: &mut Vec<Value>, id: u64, entry: &Value, now_ms: i64) -> Outcome<()> {
    let index = properties.iter().position(|property| property["id"] == id);
    let index = index.ok_or_else(|| not_found("external property", id))?;
    if entry["_destroy"] == true {
        properties.remove(index);
        return Ok(());
    }
    for member in ["name", "value"] {
        if let Some(value) = entry.get(member) {
            properties[index][member] = value.clone();
        }
    }
    properties[index]["updated_at"] = json!(clock::rfc3339(now_ms));
    Ok(())
}

fn new(world: &mut World, entry: &Value, now_ms: i64) -> Outcome<Value> {
    let text = |member: &str| entry[member].as_str().filter(|text| !text.is_empty());
    let (Some(name), Some(value)) = (text("name"), text("value")) else {
        return Err(invalid(
            "external_properties: name and value can't be blank",
        ));
    };
    let id = world.next_id();
    let at = clock::rfc3339(now_ms);
    Ok(json!({
        "id": id, "etag": etag(id, 1), "name": name, "value": value,
        "created_at": at, "updated_at": at,
    }))
}
