//! The `fields` parameter: which members of a record an answer has.

use serde_json::{Map, Value};

use super::{Outcome, not_played, refuse, schema::Fields};
use crate::answer::Answer;

/// What a resource shows when nothing is asked for.
const DEFAULTS: [&str; 2] = ["id", "etag"];

#[derive(Debug)]
pub(super) struct Selection(Vec<Pick>);

#[derive(Debug)]
struct Pick {
    name: String,
    /// Members of a nested resource; none for a plain field.
    nested: Option<Vec<String>>,
}

impl Selection {
    pub(super) fn parse(text: Option<&str>, known: &Fields) -> Outcome<Self> {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
            return Ok(Self(DEFAULTS.map(plain).into()));
        };
        let picks = split(text)?.into_iter().map(|field| pick(&field, known));
        Ok(Self(picks.collect::<Outcome<_>>()?))
    }

    pub(super) fn of(&self, view: &Value) -> Value {
        let shown = self.0.iter().map(|pick| {
            let value = view.get(&pick.name).unwrap_or(&Value::Null);
            (pick.name.clone(), pick.shown(value))
        });
        Value::Object(shown.collect())
    }
}

impl Pick {
    fn shown(&self, value: &Value) -> Value {
        let Some(members) = &self.nested else {
            return value.clone();
        };
        match value {
            Value::Array(items) => items.iter().map(|item| self.shown(item)).collect(),
            Value::Object(_) => {
                let member = |name: &String| (name.clone(), value[name.as_str()].clone());
                Value::Object(members.iter().map(member).collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }
}

fn plain(name: &str) -> Pick {
    Pick {
        name: name.to_owned(),
        nested: None,
    }
}

/// Splits at commas outside braces.
fn split(text: &str) -> Outcome<Vec<String>> {
    let mut depth = 0;
    let mut fields = vec![String::new()];
    for character in text.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                fields.push(String::new());
                continue;
            }
            _ => {}
        }
        if depth > 1 {
            return Err(invalid("only one level of nesting is allowed"));
        }
        if let Some(field) = fields.last_mut() {
            field.push(character);
        }
    }
    match depth {
        0 => Ok(fields
            .into_iter()
            .map(|field| field.trim().to_owned())
            .collect()),
        _ => Err(invalid("braces do not match")),
    }
}

fn pick(field: &str, known: &Fields) -> Outcome<Pick> {
    let (name, inner) = match field.split_once('{') {
        Some((name, inner)) => (name, Some(inner.trim_end_matches('}'))),
        None => (field, None),
    };
    if known.unplayed.iter().any(|unplayed| unplayed == name) {
        return Err(not_played(&format!("field {name}")));
    }
    let Some(members) = known.nested.get(name) else {
        return match known.plain.iter().any(|plain| plain == name) && inner.is_none() {
            true => Ok(plain(name)),
            false => Err(invalid(&format!("{field} is not a valid field"))),
        };
    };
    let nested = match inner {
        Some(inner) => inner
            .split(',')
            .map(|member| known_member(member.trim(), name, members)),
        None => {
            return Ok(Pick {
                name: name.to_owned(),
                nested: Some(defaults(members)),
            });
        }
    };
    Ok(Pick {
        name: name.to_owned(),
        nested: Some(nested.collect::<Outcome<_>>()?),
    })
}

fn known_member(member: &str, name: &str, members: &[String]) -> Outcome<String> {
    match members.iter().any(|known| known == member) {
        true => Ok(member.to_owned()),
        false => Err(invalid(&format!("{name}{{{member}}} is not a valid field"))),
    }
}

fn defaults(members: &[String]) -> Vec<String> {
    members
        .iter()
        .filter(|member| DEFAULTS.contains(&member.as_str()))
        .cloned()
        .collect()
}

fn invalid(message: &str) -> Answer {
    refuse(400, "InvalidFields", message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::schema::SCHEMA, *};

    fn shown(fields: Option<&str>) -> Outcome<Value> {
        let view = json!({
            "id": 1, "etag": "\"e\"", "name": "Ann",
            "email_addresses": [{"id": 2, "etag": "\"f\"", "address": "a@b.c"}],
        });
        Selection::parse(fields, &SCHEMA.contact.fields).map(|selection| selection.of(&view))
    }

    #[test]
    fn without_fields_only_id_and_etag_come() {
        assert_eq!(shown(None).unwrap(), json!({"id": 1, "etag": "\"e\""}));
    }

    #[test]
    fn a_nested_resource_without_braces_shows_only_its_defaults() {
        let bare = shown(Some("email_addresses")).unwrap();
        let full = shown(Some("name,email_addresses{address}")).unwrap();

        assert_eq!(
            bare,
            json!({"email_addresses": [{"id": 2, "etag": "\"f\""}]})
        );
        assert_eq!(
            full,
            json!({"name": "Ann", "email_addresses": [{"address": "a@b.c"}]})
        );
    }

    #[test]
    fn unknown_fields_and_a_second_level_are_refused() {
        for fields in [
            "nonsense",
            "id,",
            "name{x}",
            "email_addresses{x}",
            "email_addresses{a{b}}",
        ] {
            assert_eq!(shown(Some(fields)).unwrap_err().status, 400, "{fields}");
        }
    }
}
