//! A query or a form as the JSON object that its shape describes.
//!
//! `x[]` becomes a list under that very name, `x[1]` the member `1` of an object `x`.
//! Text that is not of its member's type stays text, and so is found wrong.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::{
    mistake::{Mistake, shown},
    shape::Shape,
};

#[derive(Debug)]
pub(super) struct Pairs {
    pub(super) members: Value,
    /// Only `x[]` may come twice.
    pub(super) repeated: Vec<Mistake>,
}

pub(super) fn read<'a>(
    pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    shape: &Shape,
) -> Pairs {
    let mut members = Map::new();
    let mut repeated = Vec::new();
    for (name, text) in pairs {
        if !add(&mut members, &name, &text, shape) {
            let name = format!("/{}", shown(&name));
            repeated.push(Mistake::wrong(name, "is given twice"));
        }
    }
    Pairs {
        members: Value::Object(members),
        repeated,
    }
}

/// Whether there was room for it.
fn add(members: &mut Map<String, Value>, name: &str, text: &str, shape: &Shape) -> bool {
    if name.ends_with("[]") {
        let list = members.entry(name).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(typed(text, shape.type_of(name)));
        }
        return true;
    }
    let key = name
        .strip_suffix(']')
        .and_then(|bracketed| bracketed.split_once('['));
    let Some((name, key)) = key else {
        let value = typed(text, shape.type_of(name));
        return members.insert(name.to_owned(), value).is_none();
    };
    let keyed = members.entry(name).or_insert_with(|| json!({}));
    keyed
        .as_object_mut()
        .is_some_and(|keyed| keyed.insert(key.to_owned(), json!(text)).is_none())
}

fn typed(text: &str, wanted: Option<&str>) -> Value {
    let parsed = match wanted {
        Some("integer") => text.parse::<i64>().ok().map(Value::from),
        Some("boolean") => text.parse::<bool>().ok().map(Value::from),
        _ => None,
    };
    parsed.unwrap_or_else(|| Value::from(text))
}
