//! Documents: announced, uploaded elsewhere, then marked as complete.

use serde_json::{Map, Value, json};

use super::{
    Outcome,
    body::{self, invalid},
    call::Call,
    contacts, external_properties,
    list::{self, Filter},
    matters, not_found,
    row::Row,
    schema::SCHEMA,
    single::{if_match, single},
    users, versions,
    world::World,
};

const ORDERS: [&str; 5] = ["id", "created_at", "updated_at", "name", "received_at"];

pub(super) fn list(world: &World, call: &Call<'_>) -> Outcome {
    call.check_query(&SCHEMA.document.list)?;
    let filter = Filter::new(call, world.settings.search_lag_ms)?;
    let numbers = [
        ("matter_id", "matter_id"),
        ("contact_id", "contact_id"),
        ("parent_id", "folder_id"),
    ];
    let numbers = numbers.map(|(name, kept)| call.number(name).map(|number| (kept, number)));
    let numbers = numbers.into_iter().collect::<Outcome<Vec<_>>>()?;
    let uncompleted = call.flag("show_uncompleted")? == Some(true);
    let query = call.one("query").map(str::to_lowercase);
    let property = (
        call.one("external_property_name"),
        call.one("external_property_value"),
    );
    let rows = world
        .tables
        .documents
        .iter()
        .map(|(_, row)| row)
        .filter(|row| {
            filter.takes(row)
                && numbers
                    .iter()
                    .all(|(kept, id)| id.is_none() || row.number(kept) == *id)
                && external_properties::has(row, property.0, property.1)
                && query
                    .as_ref()
                    .is_none_or(|query| row.text("name").to_lowercase().contains(query))
                && (uncompleted || is_complete(world, row))
        });
    list::answer(call, &SCHEMA.document, &ORDERS, rows.collect(), |row| {
        view(world, call, row, None)
    })
}

pub(super) fn show(world: &World, call: &Call<'_>, id: &str) -> Outcome {
    call.check_query(&SCHEMA.document.show)?;
    let row = find(world, call.account_id, id)?;
    single(
        call,
        &SCHEMA.document,
        200,
        row,
        view(world, call, row, None),
    )
}

pub(super) fn create(world: &mut World, call: &Call<'_>) -> Outcome {
    call.check_query(&SCHEMA.document.create)?;
    call.selection(&SCHEMA.document)?;
    let data = body::read(call.incoming, &SCHEMA.document.create)?;
    let mut row = match data["parent"]["type"] == "Document" {
        true => existing(world, call, &data)?,
        false => new(world, call, &data)?,
    };
    versions::start(world, call, &mut row, &data)?;
    world.tables.documents.put(row.id, row.clone());
    single(
        call,
        &SCHEMA.document,
        201,
        &row,
        view(world, call, &row, None),
    )
}

/// A new version goes to the document it names as parent.
fn existing(world: &World, call: &Call<'_>, data: &Map<String, Value>) -> Outcome<Row> {
    let id = data["parent"]["id"].to_string();
    let mut row = find(world, call.account_id, &id)?.clone();
    row.touch(call.now_ms());
    Ok(row)
}

fn new(world: &mut World, call: &Call<'_>, data: &Map<String, Value>) -> Outcome<Row> {
    let mut kept = placed(world, call.account_id, &data["parent"])?;
    for name in ["name", "parent", "received_at"] {
        kept.insert(name.into(), data.get(name).cloned().unwrap_or_default());
    }
    kept.insert("creator_id".into(), json!(call.user_id));
    let mut row = world.new_row(call.account_id, call.now_ms(), kept);
    let properties = data.get("external_properties").and_then(Value::as_array);
    external_properties::change(world, &mut row, properties, call.now_ms())?;
    Ok(row)
}

/// Matter, contact and folder of a new document.
fn placed(world: &World, account_id: u64, parent: &Value) -> Outcome<Map<String, Value>> {
    let id = parent["id"].to_string();
    let mut place = Map::new();
    let mut set = |name: &str, id: Option<u64>| place.insert(name.into(), json!(id));
    match parent["type"].as_str().unwrap_or_default() {
        "Contact" => {
            set(
                "contact_id",
                Some(contacts::find(world, account_id, &id)?.id),
            );
        }
        "Matter" => {
            let matter = matters::find(world, account_id, &id)?;
            set("matter_id", Some(matter.id));
            set("folder_id", matter.number("folder_id"));
        }
        // Only root folders of matters are there.
        _ => {
            let mut matters = world.tables.matters.iter().map(|(_, row)| row);
            let matter = matters.find(|row| {
                row.account_id == account_id && row.number("folder_id") == parent["id"].as_u64()
            });
            let matter = matter.ok_or_else(|| not_found("folder", &id))?;
            set("matter_id", Some(matter.id));
            set("folder_id", matter.number("folder_id"));
        }
    }
    Ok(place)
}

pub(super) fn update(world: &mut World, call: &Call<'_>, id: &str) -> Outcome {
    call.check_query(&SCHEMA.document.update)?;
    call.selection(&SCHEMA.document)?;
    let mut row = find(world, call.account_id, id)?.clone();
    if_match(call, &row)?;
    let data = body::read(call.incoming, &SCHEMA.document.update)?;
    for name in ["name", "received_at"] {
        if let Some(value) = data.get(name) {
            row.set(name, value.clone());
        }
    }
    let properties = data.get("external_properties").and_then(Value::as_array);
    external_properties::change(world, &mut row, properties, call.now_ms())?;
    let announced = update_upload(world, call, &row, &data)?;
    row.touch(call.now_ms());
    world.tables.documents.put(row.id, row.clone());
    let view = view(world, call, &row, announced.as_deref());
    single(call, &SCHEMA.document, 200, &row, view)
}

/// Gives back the parts that were announced, for the answer shows these alone.
fn update_upload(
    world: &mut World,
    call: &Call<'_>,
    row: &Row,
    data: &Map<String, Value>,
) -> Outcome<Option<Vec<u32>>> {
    let done = data
        .get("fully_uploaded")
        .is_some_and(|done| done == true || done == "true");
    let parts = data.get("multiparts").and_then(Value::as_array);
    let Some(uuid) = data.get("uuid").and_then(Value::as_str) else {
        return match data.contains_key("fully_uploaded") || parts.is_some() {
            true => Err(invalid("data.uuid is required")),
            false => Ok(None),
        };
    };
    let mut version = versions::find(world, row, uuid)?;
    if let Some(parts) = parts {
        if version.parts.is_none() || version.fully_uploaded || done {
            return Err(invalid(
                "parts can be added only to an open multipart upload",
            ));
        }
        versions::declare(&mut version, parts)?;
    } else if done {
        versions::complete(&mut version, uuid, call.joined.as_ref())?;
    }
    version.updated_ms = call.now_ms();
    world.tables.versions.put(uuid.to_owned(), version);
    let number = |part: &Value| {
        part["part_number"]
            .as_u64()
            .and_then(|n| u32::try_from(n).ok())
    };
    Ok(parts.map(|parts| parts.iter().filter_map(number).collect()))
}

fn find<'a>(world: &'a World, account_id: u64, id: &str) -> Outcome<&'a Row> {
    let row = id
        .parse()
        .ok()
        .and_then(|id| world.tables.documents.get(&id));
    row.filter(|row| row.account_id == account_id)
        .ok_or_else(|| not_found("document", id))
}

/// What was announced and never confirmed goes, as Clio does with it at some time.
pub(super) fn clean_up(world: &mut World) {
    let documents = world.tables.documents.iter();
    let open: Vec<u64> = documents
        .filter(|(_, row)| !is_complete(world, row))
        .map(|(id, _)| *id)
        .collect();
    for id in open {
        world.tables.documents.remove(&id);
    }
}

fn is_complete(world: &World, row: &Row) -> bool {
    row.items("versions").iter().any(|uuid| {
        let uuid = uuid.as_str().unwrap_or_default().to_owned();
        world
            .tables
            .versions
            .get(&uuid)
            .is_some_and(|version| version.fully_uploaded)
    })
}

fn view(world: &World, call: &Call<'_>, row: &Row, parts: Option<&[u32]>) -> Value {
    let mut view = row.view();
    let latest = row
        .items("versions")
        .last()
        .and_then(Value::as_str)
        .unwrap_or_default();
    let version = versions::view(world, call, latest, parts);
    for name in ["filename", "content_type", "size"] {
        view[name] = version[name].clone();
    }
    let matter = row
        .number("matter_id")
        .and_then(|id| world.tables.matters.get(&id));
    let contact = row
        .number("contact_id")
        .and_then(|id| world.tables.contacts.get(&id));
    let creator = row.number("creator_id");
    view["type"] = json!("Document");
    view["locked"] = json!(false);
    view["latest_document_version"] = version;
    // What a matter's document lies in is the matter's root folder.
    view["parent"] = matter.map_or(Value::Null, matters::folder_view);
    view["matter"] = matter.map_or(Value::Null, |matter| matters::view(world, matter));
    view["contact"] = contact.map_or(Value::Null, contacts::view);
    view["creator"] = creator.map_or(Value::Null, |id| users::view(world, id));
    view
}
