//! The parameter `fields`: a comma list of a record's fields, with one level of braces
//! (providers/clio.md §5).

use super::{
    facts::{Record, Records},
    mistake::shown,
};

pub(super) fn violations(fields: &str, record: &str, records: &Records) -> Vec<String> {
    let Some(parts) = split(fields) else {
        return vec!["its braces do not match, or are nested twice".to_owned()];
    };
    parts
        .into_iter()
        .flat_map(|part| part_violations(part, record, records))
        .collect()
}

/// The parts between commas outside braces; none unless the braces are well formed.
fn split(fields: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0_usize, 0_usize);
    for (at, character) in fields.char_indices() {
        match character {
            '{' if depth == 0 => depth = 1,
            '}' if depth == 1 => depth = 0,
            '{' | '}' => return None,
            ',' if depth == 0 => {
                parts.push(&fields[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&fields[start..]);
    (depth == 0).then_some(parts)
}

fn part_violations(part: &str, record: &str, records: &Records) -> Vec<String> {
    let Some((name, inner)) = part.split_once('{') else {
        return match knows(records, record, part) {
            true => Vec::new(),
            false => vec![format!("unknown `{}`", shown(part))],
        };
    };
    let Some(inner) = inner.strip_suffix('}').filter(|i| !i.contains(['{', '}'])) else {
        return vec![format!("`{}{{…}}` is malformed", shown(name))];
    };
    let Some(nested) = nested(records, record, name) else {
        return vec![format!("`{}` has no fields of its own", shown(name))];
    };
    inner
        .split(',')
        .filter(|field| !knows(records, nested, field))
        .map(|field| format!("unknown `{name}{{{}}}`", shown(field)))
        .collect()
}

fn knows(records: &Records, record: &str, field: &str) -> bool {
    lineage(records, record).any(|record| {
        record.nested.contains_key(field) || record.plain.iter().any(|plain| plain == field)
    })
}

fn nested<'a>(records: &'a Records, record: &str, field: &str) -> Option<&'a str> {
    lineage(records, record)
        .find_map(|record| record.nested.get(field))
        .map(String::as_str)
}

/// The record, and those that it is based on.
fn lineage<'a>(records: &'a Records, record: &str) -> impl Iterator<Item = &'a Record> {
    std::iter::successors(records.get(record), |record| {
        records.get(record.base.as_ref()?)
    })
}
