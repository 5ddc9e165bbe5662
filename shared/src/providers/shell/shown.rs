//! What may be shown of a provider's words: they may repeat anything, our clients' data and other people's. Only what is on a list is
//! shown, the error's type and the names of fields that we sent; the words themselves are sealed.

use std::collections::BTreeSet;

use serde_json::Value;

/// Types longer than this are no types.
const LONGEST_TYPE: usize = 60;

/// The error's type and the fields that the words name; empty where they name none.
pub(super) fn shown(kind: Option<&str>, words: &str, sent: Option<&Value>) -> String {
    let kind = kind.filter(|kind| is_type(kind)).map(str::to_owned);
    let fields = Some(named_fields(words, sent)).filter(|fields| !fields.is_empty());
    let parts: Vec<String> = kind.into_iter().chain(fields).collect();
    parts.join("; ")
}

/// A word as programs write it. A name, an address or a sentence is none.
fn is_type(kind: &str) -> bool {
    let is_word = kind
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_word && (1..=LONGEST_TYPE).contains(&kind.len())
}

/// As the platform writes them, in any case, or as words: `Email addresses` names `email_addresses`.
fn named_fields(words: &str, sent: Option<&Value>) -> String {
    let mut fields = BTreeSet::new();
    collect_names(sent.unwrap_or(&Value::Null), &mut fields);
    let text: String = words.to_lowercase();
    let said: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .collect();
    let names = |field: &&&str| {
        let field = field.to_lowercase();
        let parts: Vec<&str> = field.split('_').collect();
        said.contains(&field.as_str()) || said.windows(parts.len()).any(|words| words == parts)
    };
    let named: Vec<&str> = fields.iter().filter(names).copied().collect();
    named.join(", ")
}

fn collect_names<'a>(value: &'a Value, names: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                names.insert(name);
                collect_names(member, names);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_names(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_type_and_the_names_of_our_fields_are_shown_and_nothing_else() {
        let sent = json!({ "data": { "first_name": "Bo", "last_name": "Xi", "title": "Dr",
            "email_addresses": [{ "name": "Home", "address": "bo@example.com" }], "phone_numbers": [] } });
        for (kind, words, expected) in [
            (
                Some("ArgumentError"),
                "first_name is too long; address bo@example.com is taken",
                "ArgumentError; address, first_name",
            ),
            (None, "Email addresses are not valid", "email_addresses"),
            (None, "FIRST NAME can't be blank", "first_name, name"),
            (
                Some("Bo Xi"),
                "Bo Xi ([address], +15550100100) already exists",
                "address",
            ),
            (Some("bo@example.com"), "", ""),
            (Some(""), "duplicate of Mary Jane, born 1985-01-02", ""),
            (
                Some("Conflict"),
                "O&#39;Brien, Wolfeschlegelstein..., Rene\u{301}",
                "Conflict",
            ),
            (None, "query zyx@example.com is not acceptable", ""),
            (None, "İSTANBULLU is bad", ""),
            (None, "", ""),
            (Some("a_b9"), "names titles firstname", "a_b9"),
            (None, "last-name: unknown", "last_name, name"),
        ] {
            assert_eq!(
                shown(kind, words, Some(&sent)),
                expected,
                "{kind:?} {words}"
            );
        }
        let long = "x".repeat(LONGEST_TYPE + 1);
        assert_eq!(shown(Some(&long), "first_name", None), "");
    }
}
