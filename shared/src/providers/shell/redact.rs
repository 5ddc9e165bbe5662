//! A provider's message may repeat what CaseHug sent: every value that CaseHug sent is replaced by its field's name.

use serde_json::Value;

/// Values shorter than this would tear words apart; they are left, and the whole text is withheld instead when it equals one.
const SHORTEST: usize = 3;
const LONGEST_TEXT: usize = 300;

/// The provider's words without our values.
pub(super) fn redact(words: &str, sent: Option<&Value>) -> String {
    let mut values = Vec::new();
    if let Some(sent) = sent {
        collect("", sent, &mut values);
    }
    // Longest first: a name inside an e-mail must not break the e-mail's own replacement.
    values.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
    let mut text = words.to_owned();
    for (field, value) in values {
        text = replace_ignoring_case(&text, &value, &format!("[{field}]"));
    }
    text.chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_TEXT)
        .collect()
}

/// Which of the fields that we sent a text names: of words in a shape that is not the platform's own nothing else may be shown.
pub(super) fn named_fields(words: &str, sent: Option<&Value>) -> String {
    let mut fields = std::collections::BTreeSet::new();
    collect_names(sent.unwrap_or(&Value::Null), &mut fields);
    let in_text: std::collections::BTreeSet<&str> = words
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .collect();
    let named: Vec<&str> = fields.intersection(&in_text).copied().collect();
    named.join(", ")
}

fn collect_names<'a>(value: &'a Value, names: &mut std::collections::BTreeSet<&'a str>) {
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

fn collect(field: &str, value: &Value, values: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => {
            values.extend(
                std::iter::once(text.trim())
                    .chain(text.split_whitespace())
                    .filter(|part| part.chars().count() >= SHORTEST)
                    .map(|part| (field.to_owned(), part.to_owned())),
            );
        }
        Value::Array(items) => items.iter().for_each(|item| collect(field, item, values)),
        Value::Object(members) => {
            members
                .iter()
                .for_each(|(name, member)| collect(name, member, values));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn replace_ignoring_case(text: &str, value: &str, by: &str) -> String {
    let (lower_text, lower_value) = (text.to_lowercase(), value.to_lowercase());
    // Lower-casing may change lengths outside ASCII; positions then do not carry over and the whole text is withheld.
    if lower_text.len() != text.len() {
        return if lower_text.contains(&lower_value) {
            by.to_owned()
        } else {
            text.to_owned()
        };
    }
    let mut result = String::with_capacity(text.len());
    let mut rest = 0;
    while let Some(at) = lower_text[rest..].find(&lower_value) {
        result.push_str(&text[rest..rest + at]);
        result.push_str(by);
        rest += at + lower_value.len();
    }
    result.push_str(&text[rest..]);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_foreign_words_the_names_of_our_fields_are_shown() {
        let sent = serde_json::json!({ "data": { "first_name": "Ann", "email_addresses": [{ "address": "ann@example.com" }] } });
        let named = |words| named_fields(words, Some(&sent));

        assert_eq!(
            named("first_name is too long; address ann@example.com is taken"),
            "address, first_name"
        );
        assert_eq!(named("Ann Lee, born 1985-01-02, is known"), "");
        assert_eq!(named_fields("first_name", None), "");
    }
    use serde_json::json;

    #[test]
    fn every_value_that_was_sent_is_replaced_by_its_fields_name() {
        let sent = json!({"data": {"first_name": "Zyxanna", "email_addresses": [{"address": "zyxanna@example.com"}]}});

        let text = redact(
            "address ZYXANNA@example.com of Zyxanna is taken",
            Some(&sent),
        );

        assert_eq!(text, "address [address] of [first_name] is taken");
    }

    #[test]
    fn words_outside_ascii_never_leak_a_value() {
        let sent = json!({"data": {"last_name": "İstanbullu"}});

        assert!(
            !redact("İSTANBULLU is bad", Some(&sent))
                .to_lowercase()
                .contains("stanbullu")
        );
    }
}
