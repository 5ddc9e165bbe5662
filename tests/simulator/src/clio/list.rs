//! Answers with many records: filters that all lists share, order, pages.

use std::cmp::Ordering;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{Outcome, body::invalid, call::Call, refuse, row::Row, schema::Resource};
use crate::answer::Answer;

const MAX_LIMIT: u64 = 200;
const MAX_OFFSET: u64 = 10_000;

/// What every list can be narrowed by.
pub(super) struct Filter {
    account_id: u64,
    /// Younger records are not found yet.
    newest_ms: i64,
    ids: Vec<u64>,
    excluded: Vec<u64>,
    created_since: Option<i64>,
    updated_since: Option<i64>,
}

impl Filter {
    pub(super) fn new(call: &Call<'_>, search_lag_ms: i64) -> Outcome<Self> {
        Ok(Self {
            account_id: call.account_id,
            newest_ms: call.now_ms() - search_lag_ms,
            ids: call.numbers("ids[]")?,
            excluded: call.numbers("exclude_ids[]")?,
            created_since: call.time("created_since")?,
            updated_since: call.time("updated_since")?,
        })
    }

    pub(super) fn takes(&self, row: &Row) -> bool {
        row.account_id == self.account_id
            && row.created_ms <= self.newest_ms
            && (self.ids.is_empty() || self.ids.contains(&row.id))
            && !self.excluded.contains(&row.id)
            && self
                .created_since
                .is_none_or(|since| row.created_ms >= since)
            && self
                .updated_since
                .is_none_or(|since| row.updated_ms >= since)
    }
}

struct Order {
    by: String,
    descending: bool,
}

/// Answers with one page of `rows`, which stand in the order of their ids.
pub(super) fn answer<'a>(
    call: &Call<'_>,
    resource: &Resource,
    orders: &[&str],
    mut rows: Vec<&'a Row>,
    view: impl Fn(&'a Row) -> Value,
) -> Outcome {
    let selection = call.selection(resource)?;
    let order = order(call, orders)?;
    let limit = call.number("limit")?.unwrap_or(MAX_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(invalid("limit must be between 1 and 200"));
    }
    let records = rows.len();
    let page = match (call.number("offset")?, call.one("page_token")) {
        (Some(_), Some(_)) => return Err(invalid("offset and page_token exclude each other")),
        (None, token) if order.by == "id" && !order.descending => {
            by_cursor(call, &mut rows, limit, token)?
        }
        (None, Some(_)) => return Err(invalid("page_token needs order=id(asc)")),
        (offset, None) => {
            rows.sort_by(|one, other| order.compare(one, other));
            by_offset(call, &mut rows, limit, offset.unwrap_or(0))?
        }
    };
    let data: Vec<Value> = rows
        .into_iter()
        .map(|row| selection.of(&view(row)))
        .collect();
    Ok(Answer::json(
        200,
        json!({"data": data, "meta": {"paging": page, "records": records}}),
    ))
}

fn by_cursor(
    call: &Call<'_>,
    rows: &mut Vec<&Row>,
    limit: u64,
    token: Option<&str>,
) -> Outcome<Value> {
    if let Some(token) = token {
        let last = read_token(token).ok_or_else(|| invalid("page_token is invalid"))?;
        rows.retain(|row| row.id > last);
    }
    let more = rows.len() as u64 > limit;
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    match rows.last().filter(|_| more) {
        Some(last) => {
            let token = BASE64_URL_SAFE_NO_PAD.encode(format!("after:{}", last.id));
            Ok(json!({"next": page_url(call, "page_token", &token)}))
        }
        None => Ok(json!({})),
    }
}

fn by_offset(call: &Call<'_>, rows: &mut Vec<&Row>, limit: u64, offset: u64) -> Outcome<Value> {
    if offset > MAX_OFFSET {
        return Err(refuse(
            422,
            "ArgumentError",
            "offset goes beyond 10000 records",
        ));
    }
    let total = rows.len() as u64;
    let skipped = usize::try_from(offset.min(total)).unwrap_or(usize::MAX);
    rows.drain(..skipped);
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let mut page = json!({});
    if offset + limit < total {
        page["next"] = json!(page_url(call, "offset", &(offset + limit).to_string()));
    }
    if offset > 0 {
        let previous = offset.saturating_sub(limit);
        page["previous"] = json!(page_url(call, "offset", &previous.to_string()));
    }
    Ok(page)
}

fn read_token(token: &str) -> Option<u64> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
    String::from_utf8(bytes)
        .ok()?
        .strip_prefix("after:")?
        .parse()
        .ok()
}

/// The same question, for another page.
fn page_url(call: &Call<'_>, name: &str, value: &str) -> String {
    let others = call.query.iter().filter(|(given, _)| given != name);
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(others)
        .append_pair(name, value)
        .finish();
    format!(
        "{}/clio{}?{query}",
        call.incoming.origin, call.incoming.path
    )
}

fn order(call: &Call<'_>, orders: &[&str]) -> Outcome<Order> {
    let text = call.one("order").unwrap_or("id(asc)");
    let parts = text.strip_suffix(')').and_then(|text| text.split_once('('));
    match parts {
        Some((by, direction @ ("asc" | "desc"))) if orders.contains(&by) => Ok(Order {
            by: by.to_owned(),
            descending: direction == "desc",
        }),
        _ => Err(invalid(&format!("order {text} is not supported"))),
    }
}

impl Order {
    fn compare(&self, one: &Row, other: &Row) -> Ordering {
        let ordering = match self.by.as_str() {
            "created_at" => one.created_ms.cmp(&other.created_ms),
            "updated_at" => one.updated_ms.cmp(&other.updated_ms),
            "id" => Ordering::Equal,
            name => one.text(name).cmp(other.text(name)),
        };
        let ordering = ordering.then(one.id.cmp(&other.id));
        if self.descending {
            ordering.reverse()
        } else {
            ordering
        }
    }
}
