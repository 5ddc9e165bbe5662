//! Practice areas: each account has its own list, with its own ids.

use serde_json::{Map, json};

use super::{
    Outcome,
    call::Call,
    list::{self, Filter},
    row::Row,
    schema::SCHEMA,
    world::{LONG_AGO_MS, World},
};

pub(super) const USUAL: [&str; 15] = [
    "Administrative",
    "Bankruptcy",
    "Business",
    "Civil Litigation",
    "Commercial",
    "Criminal",
    "Employment/Labor",
    "Estate Planning",
    "Family Law",
    "Immigration",
    "Intellectual Property",
    "Personal Injury",
    "Real Estate",
    "Tax",
    "Wills & Estates",
];

pub(super) fn list(world: &World, call: &Call<'_>) -> Outcome {
    call.check_query(&SCHEMA.practice_area.list)?;
    // They change so seldom that no search lags behind.
    let filter = Filter::new(call, 0)?;
    let (name, code) = (call.one("name"), call.one("code"));
    let rows = world
        .tables
        .practice_areas
        .iter()
        .map(|(_, row)| row)
        .filter(|row| {
            filter.takes(row)
                && name.is_none_or(|name| row.text("name") == name)
                && code.is_none_or(|code| row.text("code") == code)
        });
    let orders = ["id", "name", "code", "category"];
    list::answer(
        call,
        &SCHEMA.practice_area,
        &orders,
        rows.collect(),
        Row::view,
    )
}

/// Gives an account exactly these; those it has already keep their ids.
pub(super) fn furnish(world: &mut World, account_id: u64, names: &[impl AsRef<str>]) {
    let owned: Vec<Row> = world
        .tables
        .practice_areas
        .iter()
        .map(|(_, row)| row.clone())
        .collect();
    let owned = owned.into_iter().filter(|row| row.account_id == account_id);
    let (kept, gone): (Vec<Row>, Vec<Row>) =
        owned.partition(|row| names.iter().any(|name| name.as_ref() == row.text("name")));
    for row in gone {
        world.tables.practice_areas.remove(&row.id);
    }
    for name in names.iter().map(AsRef::as_ref) {
        if kept.iter().all(|row| row.text("name") != name) {
            let data = Map::from_iter([("name".to_owned(), json!(name))]);
            let row = world.new_row(account_id, LONG_AGO_MS, data);
            world.tables.practice_areas.put(row.id, row);
        }
    }
}
