//! Matters.

use serde_json::{Map, Value, json};

use super::{
    Outcome,
    body::{self, invalid},
    call::Call,
    contacts,
    list::{self, Filter},
    not_found,
    row::{Row, etag},
    schema::SCHEMA,
    single::{if_match, single},
    tidy, users,
    world::World,
};
use crate::clock;

/// Members that name another record, and where its id is kept.
const REFERENCES: [(&str, &str); 5] = [
    ("client", "client_id"),
    ("practice_area", "practice_area_id"),
    ("originating_attorney", "originating_attorney_id"),
    ("responsible_attorney", "responsible_attorney_id"),
    ("responsible_staff", "responsible_staff_id"),
];
const ORDERS: [&str; 6] = [
    "id",
    "created_at",
    "updated_at",
    "display_number",
    "open_date",
    "close_date",
];

pub(super) fn list(world: &World, call: &Call<'_>) -> Outcome {
    call.check_query(&SCHEMA.matter.list)?;
    let filter = Filter::new(call, world.settings.search_lag_ms)?;
    let numbers = ["client_id", "practice_area_id", "responsible_attorney_id"];
    let numbers = numbers.map(|name| call.number(name).map(|number| (name, number)));
    let numbers = numbers.into_iter().collect::<Outcome<Vec<_>>>()?;
    let statuses = statuses(call)?;
    let query = call.one("query").map(str::to_lowercase);
    let rows = world
        .tables
        .matters
        .iter()
        .map(|(_, row)| row)
        .filter(|row| {
            filter.takes(row)
                && numbers
                    .iter()
                    .all(|(name, id)| id.is_none() || row.number(name) == *id)
                && (statuses.is_empty() || statuses.contains(&row.text("status")))
                && query
                    .as_ref()
                    .is_none_or(|query| matches(world, row, query))
        });
    list::answer(call, &SCHEMA.matter, &ORDERS, rows.collect(), |row| {
        view(world, row)
    })
}

fn statuses<'a>(call: &'a Call<'_>) -> Outcome<Vec<&'a str>> {
    let statuses: Vec<&str> = call
        .one("status")
        .into_iter()
        .flat_map(|all| all.split(','))
        .collect();
    match statuses
        .iter()
        .all(|status| ["open", "pending", "closed"].contains(status))
    {
        true => Ok(statuses),
        false => Err(invalid("status must be open, pending or closed")),
    }
}

fn matches(world: &World, row: &Row, query: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(query);
    let client = row
        .number("client_id")
        .and_then(|id| world.tables.contacts.get(&id));
    has(row.text("display_number"))
        || has(row.text("description"))
        || client.is_some_and(|client| has(client.text("name")))
}

pub(super) fn show(world: &World, call: &Call<'_>, id: &str) -> Outcome {
    call.check_query(&SCHEMA.matter.show)?;
    let row = find(world, call.account_id, id)?;
    single(call, &SCHEMA.matter, 200, row, view(world, row))
}

pub(super) fn create(world: &mut World, call: &Call<'_>) -> Outcome {
    call.check_query(&SCHEMA.matter.create)?;
    call.selection(&SCHEMA.matter)?;
    let data = body::read(call.incoming, &SCHEMA.matter.create)?;
    let row = insert(world, call.account_id, call.user_id, call.now_ms(), data)?;
    single(call, &SCHEMA.matter, 201, &row, view(world, &row))
}

pub(super) fn insert(
    world: &mut World,
    account_id: u64,
    user_id: u64,
    now_ms: i64,
    data: Map<String, Value>,
) -> Outcome<Row> {
    let data = resolved(world, account_id, tidy::tidied(world, data))?;
    let count = world
        .tables
        .matters
        .iter()
        .filter(|(_, row)| row.account_id == account_id)
        .count();
    let mut row = world.new_row(account_id, now_ms, data);
    let client = row
        .number("client_id")
        .and_then(|id| world.tables.contacts.get(&id).cloned());
    if let Some(mut client) = client {
        let last = [client.text("last_name"), client.text("name")];
        let last = last
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_default();
        row.set("display_number", format!("{:05}-{last}", count + 1));
        client.set("is_client", true);
        world.tables.contacts.put(client.id, client);
    }
    row.set("number", count + 1);
    row.set("folder_id", world.next_id());
    row.set("user_id", user_id);
    row.data.entry("status").or_insert_with(|| json!("open"));
    row.data
        .entry("open_date")
        .or_insert_with(|| json!(clock::day(now_ms)));
    row.data.entry("billable").or_insert_with(|| json!(true));
    world.tables.matters.put(row.id, row.clone());
    Ok(row)
}

pub(super) fn update(world: &mut World, call: &Call<'_>, id: &str) -> Outcome {
    call.check_query(&SCHEMA.matter.update)?;
    call.selection(&SCHEMA.matter)?;
    let row = find(world, call.account_id, id)?.clone();
    if_match(call, &row)?;
    let data = body::read(call.incoming, &SCHEMA.matter.update)?;
    let row = change(world, row, call.now_ms(), data)?;
    single(call, &SCHEMA.matter, 200, &row, view(world, &row))
}

pub(super) fn change(
    world: &mut World,
    mut row: Row,
    now_ms: i64,
    data: Map<String, Value>,
) -> Outcome<Row> {
    let data = resolved(world, row.account_id, data)?;
    if data.get("status").is_some_and(|status| status == "closed")
        && !data.contains_key("close_date")
    {
        row.set("close_date", clock::day(now_ms));
    }
    row.data.extend(data);
    row.touch(now_ms);
    world.tables.matters.put(row.id, row.clone());
    Ok(row)
}

/// References become ids of records that the account has.
fn resolved(
    world: &World,
    account_id: u64,
    mut data: Map<String, Value>,
) -> Outcome<Map<String, Value>> {
    if data.contains_key("display_number") {
        return Err(invalid(
            "display_number is read-only: manual matter numbering is off",
        ));
    }
    for (name, kept) in REFERENCES {
        let Some(reference) = data.remove(name) else {
            continue;
        };
        let id = match reference {
            Value::Null => Value::Null,
            reference => reference["id"].clone(),
        };
        let exists = |id: u64| match name {
            "client" => account_of(world.tables.contacts.get(&id)) == Some(account_id),
            "practice_area" => account_of(world.tables.practice_areas.get(&id)) == Some(account_id),
            _ => world.tables.users.get(&id).map(|user| user.account_id) == Some(account_id),
        };
        match id.as_u64() {
            Some(number) if !exists(number) => return Err(not_found(name, number)),
            None if name == "client" => return Err(invalid("client.id is required")),
            _ => data.insert(kept.to_owned(), id),
        };
    }
    Ok(data)
}

fn account_of(row: Option<&Row>) -> Option<u64> {
    row.map(|row| row.account_id)
}

pub(super) fn find<'a>(world: &'a World, account_id: u64, id: &str) -> Outcome<&'a Row> {
    let row = id.parse().ok().and_then(|id| world.tables.matters.get(&id));
    row.filter(|row| row.account_id == account_id)
        .ok_or_else(|| not_found("matter", id))
}

pub(super) fn view(world: &World, row: &Row) -> Value {
    let mut view = row.view();
    let contact = row
        .number("client_id")
        .and_then(|id| world.tables.contacts.get(&id));
    let area = row
        .number("practice_area_id")
        .and_then(|id| world.tables.practice_areas.get(&id));
    view["client"] = contact.map_or(Value::Null, contacts::view);
    view["practice_area"] = area.map_or(Value::Null, Row::view);
    view["folder"] = folder_view(row);
    for name in [
        "user",
        "originating_attorney",
        "responsible_attorney",
        "responsible_staff",
    ] {
        let user = row.number(&format!("{name}_id"));
        view[name] = user.map_or(Value::Null, |id| users::view(world, id));
    }
    // Lower case in requests, capitalised in answers.
    let mut letters = row.text("status").chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    view["status"] = json!(first.into_iter().chain(letters).collect::<String>());
    view
}

/// The matter's root folder.
pub(super) fn folder_view(row: &Row) -> Value {
    let id = row.number("folder_id").unwrap_or_default();
    json!({
        "id": id, "etag": etag(id, 1), "type": "Folder", "root": true, "locked": false,
        "name": row.text("display_number"),
        "created_at": clock::rfc3339(row.created_ms), "updated_at": clock::rfc3339(row.created_ms),
    })
}
