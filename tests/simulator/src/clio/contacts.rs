//! Contacts: persons and companies.

use serde_json::{Map, Value, json};

use super::{
    Outcome,
    body::{self, invalid},
    call::Call,
    list::{self, Filter},
    not_found,
    row::{Row, etag},
    schema::SCHEMA,
    single::single,
    tidy,
    world::World,
};
use crate::clock;

/// More e-mail addresses, phone numbers or addresses a contact cannot have, since 4.0.13.
const MAX_ENTRIES: usize = 20;

pub(super) fn list(world: &World, call: &Call<'_>) -> Outcome {
    call.check_query(&SCHEMA.contact.list)?;
    let filter = Filter::new(call, world.settings.search_lag_ms)?;
    let query = call.one("query").map(str::to_lowercase);
    let kind = call.one("type");
    let initial = call.one("initial");
    let (clients, with_email) = (call.flag("client_only")?, call.flag("email_only")?);
    let rows = world
        .tables
        .contacts
        .iter()
        .map(|(_, row)| row)
        .filter(|row| {
            filter.takes(row)
                && query.as_ref().is_none_or(|query| matches(row, query))
                && kind.is_none_or(|kind| row.text("type") == kind)
                && initial.is_none_or(|initial| row.text("initials").starts_with(initial))
                && (clients != Some(true) || row.data["is_client"] == true)
                && (with_email != Some(true) || !row.items("email_addresses").is_empty())
        });
    list::answer(call, &SCHEMA.contact, &["id", "name"], rows.collect(), view)
}

/// A wildcard search: it finds more than what is exactly meant.
fn matches(row: &Row, query: &str) -> bool {
    let has = |text: Option<&Value>| {
        text.and_then(Value::as_str)
            .is_some_and(|text| text.to_lowercase().contains(query))
    };
    let digits = only_digits(query);
    // Phones are found by digits alone.
    let dialled = |text: &Value| {
        digits.len() == query.len() && only_digits(text.as_str().unwrap_or("")).contains(&digits)
    };
    has(row.data.get("name"))
        || has(row.data.get("title"))
        || row
            .items("email_addresses")
            .iter()
            .any(|email| has(email.get("address")))
        || row
            .items("phone_numbers")
            .iter()
            .any(|phone| dialled(&phone["number"]))
}

fn only_digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

pub(super) fn show(world: &World, call: &Call<'_>, id: &str) -> Outcome {
    call.check_query(&SCHEMA.contact.show)?;
    let row = find(world, call.account_id, id)?;
    single(call, &SCHEMA.contact, 200, row, view(row))
}

pub(super) fn create(world: &mut World, call: &Call<'_>) -> Outcome {
    call.check_query(&SCHEMA.contact.create)?;
    call.selection(&SCHEMA.contact)?;
    let data = body::read(call.incoming, &SCHEMA.contact.create)?;
    let row = insert(world, call.account_id, call.now_ms(), data)?;
    single(call, &SCHEMA.contact, 201, &row, view(&row))
}

/// `data` as in a request, its shape checked.
pub(super) fn insert(
    world: &mut World,
    account_id: u64,
    now_ms: i64,
    data: Map<String, Value>,
) -> Outcome<Row> {
    let data = completed(world, now_ms, data)?;
    let row = world.new_row(account_id, now_ms, data);
    world.tables.contacts.put(row.id, row.clone());
    Ok(row)
}

/// As a person corrects it; what is not named stays.
pub(super) fn change(
    world: &mut World,
    mut row: Row,
    now_ms: i64,
    data: Map<String, Value>,
) -> Outcome<()> {
    let mut whole = row.data.clone();
    whole.extend(data);
    row.data = completed(world, now_ms, whole)?;
    row.touch(now_ms);
    world.tables.contacts.put(row.id, row);
    Ok(())
}

/// Its matters go over to the other one, and its id is gone.
pub(super) fn merge(world: &mut World, id: u64, into: u64) -> Outcome<()> {
    if world.tables.contacts.get(&into).is_none() {
        return Err(not_found("contact", into));
    }
    let gone = world.tables.contacts.remove(&id);
    gone.ok_or_else(|| not_found("contact", id))?;
    world.tables.matters.update_all(|matter| {
        if matter.number("client_id") == Some(id) {
            matter.set("client_id", into);
        }
    });
    Ok(())
}

/// With all that a stored contact has.
fn completed(
    world: &mut World,
    now_ms: i64,
    data: Map<String, Value>,
) -> Outcome<Map<String, Value>> {
    let mut data = tidy::tidied(world, data);
    name_it(&mut data)?;
    for (list, write_flag) in [
        ("email_addresses", "default_email"),
        ("phone_numbers", "default_number"),
        ("addresses", ""),
    ] {
        let entries = data.remove(list).unwrap_or_default();
        data.insert(
            list.into(),
            entries_of(world, now_ms, entries, list, write_flag)?,
        );
    }
    data.insert(
        "primary_email_address".into(),
        primary(&data, "email_addresses", "address"),
    );
    data.insert(
        "primary_phone_number".into(),
        primary(&data, "phone_numbers", "number"),
    );
    data.entry("is_client").or_insert(json!(false));
    Ok(data)
}

fn name_it(data: &mut Map<String, Value>) -> Outcome<()> {
    let text = |data: &Map<String, Value>, name: &str| {
        data.get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let given = text(data, "name");
    if data["type"] == "Company" {
        return match given.is_empty() {
            true => Err(invalid("Name can't be blank")),
            false => Ok(()),
        };
    }
    let (first, last) = (text(data, "first_name"), text(data, "last_name"));
    if !first.is_empty() || !last.is_empty() {
        let parts = [first.clone(), text(data, "middle_name"), last.clone()];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        data.insert("name".into(), json!(parts.join(" ")));
    } else if given.is_empty() {
        return Err(invalid(
            "At least one of first name or last name must be provided",
        ));
    } else {
        // Clio guesses the parts.
        let (first, last) = given.rsplit_once(' ').unwrap_or(("", &given));
        data.insert("first_name".into(), json!(first));
        data.insert("last_name".into(), json!(last));
    }
    let initial = |name: &str| text(data, name).chars().take(1).collect::<String>();
    let initials = format!("{}{}", initial("first_name"), initial("last_name"));
    data.insert("initials".into(), json!(initials));
    Ok(())
}

/// Gives each entry what it has when read; the first is the primary one if none is named.
fn entries_of(
    world: &mut World,
    now_ms: i64,
    entries: Value,
    list: &str,
    write_flag: &str,
) -> Outcome<Value> {
    let Value::Array(mut entries) = entries else {
        return Ok(json!([]));
    };
    if entries.len() > MAX_ENTRIES {
        return Err(invalid(&format!(
            "{list}: at most {MAX_ENTRIES} are allowed"
        )));
    }
    let is_default = |entry: &Value| entry.get(write_flag).is_some_and(|flag| flag == true);
    let primary = entries.iter().position(is_default).unwrap_or(0);
    for (index, entry) in entries.iter_mut().enumerate() {
        let value = ["address", "number"]
            .iter()
            .find_map(|name| entry.get(*name)?.as_str());
        if list != "addresses" && value.is_none_or(|value| value.trim().is_empty()) {
            return Err(invalid(&format!("{list}: a value can't be blank")));
        }
        let id = world.next_id();
        if let Value::Object(entry) = entry {
            entry.remove(write_flag);
            entry.entry("name").or_insert_with(|| json!("Other"));
            entry.insert("id".into(), json!(id));
            entry.insert("etag".into(), json!(etag(id, 1)));
            entry.insert("primary".into(), json!(index == primary));
            entry.insert("created_at".into(), json!(clock::rfc3339(now_ms)));
            entry.insert("updated_at".into(), json!(clock::rfc3339(now_ms)));
        }
    }
    Ok(Value::Array(entries))
}

fn primary(data: &Map<String, Value>, list: &str, member: &str) -> Value {
    let entries = data[list].as_array().into_iter().flatten();
    let primary = entries.into_iter().find(|entry| entry["primary"] == true);
    primary.map_or(Value::Null, |entry| entry[member].clone())
}

pub(super) fn find<'a>(world: &'a World, account_id: u64, id: &str) -> Outcome<&'a Row> {
    let row = id
        .parse()
        .ok()
        .and_then(|id| world.tables.contacts.get(&id));
    row.filter(|row| row.account_id == account_id)
        .ok_or_else(|| not_found("contact", id))
}

pub(super) fn view(row: &Row) -> Value {
    row.view()
}
