//! What a user of Clio, or time, would do: scripted over the control routes.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Outcome,
    account::Login,
    body, contacts, documents, matters, not_found, practice_areas, refuse,
    row::Row,
    schema::SCHEMA,
    world::{LONG_AGO_MS, World},
};
use crate::{Shared, answer::Answer, clock, journal::Table};

/// All that is given is done, from top to bottom.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Change {
    reset: bool,
    login: Option<Login>,
    decline_next: Option<bool>,
    search_lag_ms: Option<i64>,
    put_url_ttl_secs: Option<i64>,
    token_ttl_secs: Option<i64>,
    withhold_addresses: Option<bool>,
    tidy_text: Option<bool>,
    /// Whose data is meant; else that of the user who is logged in.
    account_id: Option<u64>,
    practice_areas: Option<Vec<String>>,
    create_contact: Option<Map<String, Value>>,
    create_matter: Option<Map<String, Value>>,
    update: Option<Update>,
    /// A document goes to the trash.
    delete: Option<Named>,
    /// A document comes back from the trash.
    restore: Option<u64>,
    merge: Option<Merge>,
    /// Documents that were announced and never confirmed go.
    clean_up: bool,
    expire_tokens: bool,
    revoke: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    kind: Kind,
    id: u64,
    data: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    kind: Kind,
    id: u64,
}

/// One contact becomes part of another: its matters go over, its id is gone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    contact: u64,
    into: u64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Contact,
    Matter,
    Document,
}

pub(super) fn apply(shared: &Shared, change: Change) -> Outcome {
    if change.reset {
        shared.storage.forget_all();
        shared.recorder.clear();
        shared.clio.faults.clear();
        let reset = shared.clio.world().reset();
        reset.map_err(|error| refuse(500, "SimulatorError", format!("{error:#}")))?;
    }
    let mut world = shared.clio.world();
    set(&mut world, &change);
    let made = act(&mut world, change);
    world.commit();
    Ok(Answer::json(200, json!({"ok": true, "id": made?})))
}

fn set(world: &mut World, change: &Change) {
    if let Some(login) = &change.login {
        world.log_in(login.clone());
    }
    let settings = &mut world.settings;
    settings.decline_next = change.decline_next.unwrap_or(settings.decline_next);
    settings.search_lag_ms = change.search_lag_ms.unwrap_or(settings.search_lag_ms);
    settings.put_url_ttl_secs = change.put_url_ttl_secs.unwrap_or(settings.put_url_ttl_secs);
    settings.token_ttl_secs = change.token_ttl_secs.unwrap_or(settings.token_ttl_secs);
    let withheld = change.withhold_addresses;
    settings.withhold_addresses = withheld.unwrap_or(settings.withhold_addresses);
    settings.tidy_text = change.tidy_text.unwrap_or(settings.tidy_text);
}

/// Gives back the id of what was made last, if something was.
fn act(world: &mut World, change: Change) -> Outcome<Option<u64>> {
    let account_id = change.account_id.unwrap_or(world.settings.login.account_id);
    let mut made = None;
    if let Some(names) = &change.practice_areas {
        practice_areas::furnish(world, account_id, names);
    }
    if let Some(data) = change.create_contact {
        let data = body::check(data, &SCHEMA.contact.create)?;
        // It was there before, so no search lags behind it.
        made = Some(contacts::insert(world, account_id, LONG_AGO_MS, data)?.id);
    }
    if let Some(data) = change.create_matter {
        let data = body::check(data, &SCHEMA.matter.create)?;
        let user_id = world.settings.login.user_id;
        made = Some(matters::insert(world, account_id, user_id, LONG_AGO_MS, data)?.id);
    }
    if let Some(wanted) = change.update {
        update(world, wanted)?;
    }
    if let Some(named) = change.delete {
        delete(world, &named)?;
    }
    if let Some(id) = change.restore {
        let row = world.tables.trash.remove(&id);
        let row = row.ok_or_else(|| not_found("document", id))?;
        world.tables.documents.put(id, row);
    }
    if let Some(wanted) = change.merge {
        contacts::merge(world, wanted.contact, wanted.into)?;
    }
    if change.clean_up {
        documents::clean_up(world);
    }
    if change.expire_tokens {
        world
            .tables
            .accesses
            .update_all(|access| access.expires_ms = 0);
    }
    if change.revoke {
        world.tables.grants.update_all(|grant| grant.revoked = true);
    }
    Ok(made)
}

fn update(world: &mut World, wanted: Update) -> Outcome<()> {
    let Update { kind, id, data } = wanted;
    let now_ms = clock::now_ms();
    let missing = || not_found("record", id);
    match kind {
        Kind::Matter => {
            let row = world.tables.matters.get(&id).cloned().ok_or_else(missing)?;
            let data = body::check(data, &SCHEMA.matter.update)?;
            matters::change(world, row, now_ms, data)?;
        }
        Kind::Contact => {
            let row = world.tables.contacts.get(&id).cloned();
            let data = body::check(data, &SCHEMA.contact.create)?;
            contacts::change(world, row.ok_or_else(missing)?, now_ms, data)?;
        }
        Kind::Document => {
            let row = world.tables.documents.get(&id).cloned();
            let mut row = row.ok_or_else(missing)?;
            let data = body::check(data, &SCHEMA.document.update)?;
            row.data.extend(data);
            row.touch(now_ms);
            world.tables.documents.put(id, row);
        }
    }
    Ok(())
}

fn delete(world: &mut World, named: &Named) -> Outcome<()> {
    let tables = &mut world.tables;
    let removed = match named.kind {
        Kind::Contact => remove(&mut tables.contacts, named.id),
        Kind::Matter => remove(&mut tables.matters, named.id),
        Kind::Document => {
            let row = tables.documents.remove(&named.id);
            let was_there = row.is_some();
            if let Some(row) = row {
                tables.trash.put(named.id, row);
            }
            was_there
        }
    };
    removed
        .then_some(())
        .ok_or_else(|| not_found("record", named.id))
}

fn remove(table: &mut Table<u64, Row>, id: u64) -> bool {
    table.remove(&id).is_some()
}
