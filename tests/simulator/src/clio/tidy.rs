//! Text as a real provider may store it: blanks at the ends cut, runs of blanks folded, phones in a form of its own.

use serde_json::{Map, Value};

use super::world::World;

/// As it is given, unless the world tidies.
pub(super) fn tidied(world: &World, data: Map<String, Value>) -> Map<String, Value> {
    match world.settings.tidy_text {
        true => tidy_members(data),
        false => data,
    }
}

fn tidy_members(data: Map<String, Value>) -> Map<String, Value> {
    data.into_iter()
        .map(|(name, value)| {
            let tidied = tidy(&name, value);
            (name, tidied)
        })
        .collect()
}

fn tidy(name: &str, value: Value) -> Value {
    match value {
        Value::String(phone) if name == "number" => {
            Value::String(phone.chars().filter(char::is_ascii_digit).collect())
        }
        Value::String(text) => Value::String(text.split_whitespace().collect::<Vec<_>>().join(" ")),
        Value::Array(entries) => {
            Value::Array(entries.into_iter().map(|entry| tidy("", entry)).collect())
        }
        Value::Object(members) => Value::Object(tidy_members(members)),
        other => other,
    }
}
