//! What Clio knows: operations, and the fields of the records they answer with.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::shape::Shape;

const API: &str = "/api/v4";

#[derive(Debug)]
pub(crate) struct Facts {
    pub(super) operations: Vec<Operation>,
    pub(super) records: Records,
}

#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: String,
    /// `/api/v4/contacts/{id}`, without `.json`.
    pub(super) template: String,
    pub(super) query: Shape,
    pub(super) body: Body,
    /// Headers without which the request means nothing, in lower case.
    pub(super) headers: Vec<String>,
    /// The record of the answer, from which `fields` selects.
    pub(super) record: Option<String>,
}

#[derive(Debug)]
pub(super) enum Body {
    None,
    Json(Shape),
    Form(Shape),
}

pub(super) type Records = BTreeMap<String, Record>;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Record {
    /// The record whose fields this one has too.
    pub(super) base: Option<String>,
    pub(super) plain: Vec<String>,
    /// Fields that may have braces, and the record in them.
    pub(super) nested: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    operations: BTreeMap<String, Entry>,
    #[serde(rename = "$defs")]
    definitions: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    query: Option<Value>,
    json: Option<Value>,
    form: Option<Value>,
    #[serde(default)]
    headers: Vec<String>,
    record: Option<String>,
}

impl Facts {
    pub(crate) fn load() -> anyhow::Result<Self> {
        let mut operations = read(API, include_str!("operations.json")).context("operations")?;
        operations.extend(read("", include_str!("ours.json")).context("our operations")?);
        let records = serde_json::from_str(include_str!("records.json")).context("records")?;
        Ok(Self {
            operations,
            records,
        })
    }

    pub(super) fn operation(&self, method: &str, path: &str) -> Option<&Operation> {
        self.operations
            .iter()
            .find(|operation| operation.method == method && fits(&operation.template, path))
    }
}

fn read(prefix: &str, text: &str) -> anyhow::Result<Vec<Operation>> {
    let file: File = serde_json::from_str(text)?;
    file.operations
        .into_iter()
        .map(|(name, entry)| {
            operation(prefix, &name, entry, &file.definitions).with_context(|| name.clone())
        })
        .collect()
}

fn operation(
    prefix: &str,
    name: &str,
    entry: Entry,
    definitions: &Value,
) -> anyhow::Result<Operation> {
    let (method, path) = name.split_once(' ').context("method and path")?;
    let nothing = || json!({"type": "object", "properties": Map::new()});
    let body = match (entry.json, entry.form) {
        (Some(json), _) => Body::Json(Shape::new(json, definitions)?),
        (None, Some(form)) => Body::Form(Shape::new(form, definitions)?),
        (None, None) => Body::None,
    };
    Ok(Operation {
        method: method.to_owned(),
        template: format!("{prefix}{path}"),
        query: Shape::new(entry.query.unwrap_or_else(nothing), definitions)?,
        body,
        headers: entry.headers,
        record: entry.record,
    })
}

/// All of Clio's ids are numbers, so `who_am_i` is never taken for one.
fn fits(template: &str, path: &str) -> bool {
    let path = match path.starts_with(API) {
        true => path.strip_suffix(".json").unwrap_or(path),
        false => path,
    };
    let mut pairs = template.split('/').zip(path.split('/'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    template.split('/').count() == path.split('/').count()
        && pairs
            .all(|(wanted, given)| wanted == given || wanted.starts_with('{') && is_number(given))
}
