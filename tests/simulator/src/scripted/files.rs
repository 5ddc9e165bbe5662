//! Files of a matter, and their bytes.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    Outcome,
    api::Call,
    not_found, problem, records,
    world::{Kind, Record, World},
};
use crate::{Shared, answer::Answer, incoming::Incoming, storage::Digest};

pub(super) fn list(world: &World, call: &Call<'_>, matter: &str) -> Outcome {
    call.check_query(&["page"])?;
    let matter = records::find(world, call, Kind::Matter, matter)?.id;
    let mut answer = Vec::new();
    for (_, record) in world.records.iter() {
        // An announced file is listed at once: only its bytes show later.
        if record.kind == Kind::File && record.parent == Some(matter) {
            answer.push(view(record, call.now_ms()));
        }
    }
    Ok(Answer::json(200, json!(answer)))
}

pub(super) fn create(world: &mut World, call: &Call<'_>, matter: &str) -> Outcome {
    let data = records::body(call, &["name", "reference"])?;
    let matter = records::find(world, call, Kind::Matter, matter)?.id;
    let (account, now_ms) = (&call.account, call.now_ms());
    let record = world.accept(Kind::File, account, Some(matter), now_ms, data);
    Ok(Answer::json(202, announced(call, &record)))
}

pub(super) fn show(world: &World, call: &Call<'_>, matter: &str, id: &str) -> Outcome {
    call.check_query(&[])?;
    let record = find(world, call, matter, id)?;
    Ok(Answer::json(200, view(record, call.now_ms())))
}

pub(super) fn fresh_address(world: &World, call: &Call<'_>, matter: &str, id: &str) -> Outcome {
    call.check_query(&[])?;
    let record = find(world, call, matter, id)?;
    Ok(Answer::json(200, announced(call, record)))
}

fn find<'a>(world: &'a World, call: &Call<'_>, matter: &str, id: &str) -> Outcome<&'a Record> {
    let matter = records::find(world, call, Kind::Matter, matter)?.id;
    let record = records::find(world, call, Kind::File, id)?;
    (record.parent == Some(matter))
        .then_some(record)
        .ok_or_else(not_found)
}

fn view(record: &Record, now_ms: i64) -> Value {
    let uploaded = record.bytes.is_some() && record.shows(now_ms);
    json!({ "id": record.id.to_string(), "reference": record.text("reference"), "uploaded": uploaded })
}

fn announced(call: &Call<'_>, record: &Record) -> Value {
    let url = format!(
        "{}/test/bytes/{}?X-Amz-Signature=secret",
        call.incoming.origin, record.id
    );
    json!({ "id": record.id.to_string(), "upload_url": url })
}

/// The bytes of a file, sent to its signed address; the last ones count.
pub(super) fn take_bytes(shared: &Shared, incoming: &Incoming, id: &str) -> Outcome {
    let signed = incoming.query == "X-Amz-Signature=secret";
    if incoming.method != "PUT" || !signed || !incoming.header("authorization").is_empty() {
        return Err(problem(403, "forbidden", "not what was signed"));
    }
    let mut world = shared.scripted.world();
    let id: u64 = id.parse().map_err(|_| not_found())?;
    let record = world
        .records
        .get(&id)
        .filter(|found| found.kind == Kind::File);
    let mut record = record.cloned().ok_or_else(not_found)?;
    let bytes = incoming.body();
    let sha256 = Sha256::digest(bytes);
    record.bytes = Some(Digest {
        size: bytes.len() as u64,
        sha256: sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
    });
    record.visible_ms = world.visible_from(incoming.at_ms);
    world.records.put(id, record);
    world.commit();
    Ok(Answer::empty(200))
}
