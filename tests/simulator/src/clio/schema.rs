//! What Clio's own OpenAPI document says of the resources played here.
//!
//! `schema.json` is cut out of it: fields that can be read, parameters, members of bodies.
//! Each also lists, as `unplayed`, what Clio knows and the simulator does not.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(super) struct Schema {
    pub(super) contact: Resource,
    pub(super) matter: Resource,
    pub(super) document: Resource,
    pub(super) practice_area: Resource,
    pub(super) user: Resource,
}

#[derive(Debug, Deserialize)]
pub(super) struct Resource {
    pub(super) fields: Fields,
    #[serde(default)]
    pub(super) list: Operation,
    #[serde(default)]
    pub(super) create: Operation,
    #[serde(default)]
    pub(super) show: Operation,
    #[serde(default)]
    pub(super) update: Operation,
}

#[derive(Debug, Deserialize)]
pub(super) struct Fields {
    pub(super) plain: Vec<String>,
    pub(super) nested: BTreeMap<String, Vec<String>>,
    pub(super) unplayed: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Operation {
    pub(super) query: Vec<String>,
    pub(super) unplayed_query: Vec<String>,
    pub(super) body: Node,
    pub(super) unplayed: Vec<String>,
}

/// One place in a body.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Node {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    #[serde(rename = "enum")]
    pub(super) choices: Vec<String>,
    pub(super) members: BTreeMap<String, Node>,
    pub(super) required: Vec<String>,
    pub(super) items: Option<Box<Node>>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    #[default]
    Object,
    Array,
    String,
    Integer,
    Boolean,
    Date,
    DateTime,
    /// A number of bytes, as number (Clio's examples) or text (Clio's schema).
    Size,
}

pub(super) static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    serde_json::from_str(include_str!("schema.json")).expect("schema.json is checked in")
});
