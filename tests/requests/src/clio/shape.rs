//! A JSON Schema of Clio's that forbids what it does not name.

use anyhow::anyhow;
use jsonschema::{Draft, Validator};
use serde_json::Value;

use super::mistake::Mistake;

#[derive(Debug)]
pub(super) struct Shape {
    schema: Value,
    validator: Validator,
}

impl Shape {
    pub(super) fn new(mut schema: Value, definitions: &Value) -> anyhow::Result<Self> {
        schema["$defs"] = definitions.clone();
        close(&mut schema);
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .build(&schema)
            .map_err(|error| anyhow!("{error}"))?;
        Ok(Self { schema, validator })
    }

    pub(super) fn mistakes(&self, value: &Value) -> Vec<Mistake> {
        self.validator
            .iter_errors(value)
            .flat_map(|error| Mistake::all_of(&error))
            .collect()
    }

    /// The type of a member, or of its items if it is a list; none if the member is unknown.
    pub(super) fn type_of(&self, member: &str) -> Option<&str> {
        let schema = self.resolved(self.schema["properties"].get(member)?);
        let schema = schema
            .get("items")
            .map_or(schema, |items| self.resolved(items));
        schema["type"].as_str()
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        schema["$ref"]
            .as_str()
            .and_then(|reference| self.schema.pointer(reference.trim_start_matches('#')))
            .map_or(schema, |schema| self.resolved(schema))
    }
}

/// Clio's schemas list an object's members and leave all others open. An object without any listed
/// member (`currency`) stays open: nothing says what it may have.
fn close(schema: &mut Value) {
    let Value::Object(schema) = schema else {
        return;
    };
    if let Some(items) = schema.get_mut("items") {
        close(items);
    }
    for group in ["properties", "$defs"] {
        if let Some(Value::Object(members)) = schema.get_mut(group) {
            members.values_mut().for_each(close);
        }
    }
    if schema.contains_key("properties") {
        schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
}
