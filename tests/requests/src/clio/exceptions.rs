//! Where Clio's document demands more than Clio: all of it, nothing else is excused.

use serde_json::Value;

use super::{
    facts::Operation,
    mistake::{Mistake, What},
};

pub(super) fn excuse(operation: &Operation, whole: &Value, mistake: &Mistake) -> bool {
    let What::Missing(name) = &mistake.what else {
        return false;
    };
    let data = &whole["data"];
    let place = (operation.method.as_str(), operation.template.as_str());
    match (place, mistake.at.as_str(), name.as_str()) {
        // Its own text prefers first and last name.
        (("POST", "/api/v4/contacts"), "/data", "name") => is_named_person(data),
        // Only the parent that fits the type.
        (("POST", "/api/v4/notes"), "/data", "contact") => data["type"] == "Matter",
        (("POST", "/api/v4/notes"), "/data", "matter") => data["type"] == "Contact",
        // The id is in the path.
        (("GET", "/api/v4/documents/{id}/versions"), "", "id") => true,
        _ => false,
    }
}

fn is_named_person(data: &Value) -> bool {
    let filled = |name: &str| data[name].as_str().is_some_and(|n| !n.trim().is_empty());
    data["type"] == "Person" && (filled("first_name") || filled("last_name"))
}
