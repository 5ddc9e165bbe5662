//! `POST /api/v1/events`: approvals and other happenings go into the inbox; `GET` says what became of one.

use std::fmt::{self, Formatter};
use std::marker::PhantomData;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::de::{DeserializeOwned, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use shared::db::events;
use shared::domain::FirmId;
use shared::domain::event::{MAX_ID_CHARS, MAX_TYPE_CHARS, NewEvent, keep_data};
use shared::inbox::AppendError;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, OneOfBuilder, Ref, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use uuid::Uuid;

use crate::auth::Caller;
use crate::body::{EventId, EventsText, QueryOf};
use crate::error::{ApiError, ApiResult, ErrorBody, FieldError};
use crate::state::AppState;

const MOST_EVENTS: usize = 1_000;
const LONGEST_DATA: usize = 4 * 1024;
/// More mistakes than this are not listed.
const MOST_MISTAKES: usize = 100;

/// One event.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "describes the body; the handler reads it by hand to name every wrong field"
)]
pub(crate) struct EventBody {
    /// 1 to 128 characters, unique per firm; the first of an id wins, unless it was rejected.
    id: String,
    /// `document.approved`, `matter.created`; others are stored and without effect.
    r#type: String,
    created_at: Option<DateTime<Utc>>,
    firm_id: Uuid,
    /// `matter_id`, `upload_id` as the type needs them; at most 4 KiB. Of it are kept `matter_id`, `upload_id` and `client_id`.
    data: Value,
}

/// One event, or 1 to 1,000 of them.
#[derive(Debug)]
pub(crate) struct EventsBody;

impl ToSchema for EventsBody {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((EventBody::name().into_owned(), EventBody::schema()));
        EventBody::schemas(schemas);
    }
}

impl PartialSchema for EventsBody {
    fn schema() -> RefOr<Schema> {
        let one = Ref::from_schema_name(EventBody::name());
        let many = ArrayBuilder::new()
            .items(one.clone())
            .min_items(Some(1))
            .max_items(Some(MOST_EVENTS));
        OneOfBuilder::new().item(one).item(many).into()
    }
}

/// How many were new.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Accepted {
    accepted: usize,
    duplicates: usize,
}

/// Takes one event, or 1 to 1,000 in an array, in at most 1 MiB; a batch with one wrong event is refused whole. 202 means: committed.
/// 503 `busy`: too many bodies are being taken in.
#[utoipa::path(post, path = "/api/v1/events", request_body = EventsBody, security(("bearer" = ["service"])),
    responses((status = 202, body = Accepted), (status = 422, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn post_events(
    State(state): State<AppState>,
    _: Caller,
    body: EventsText,
) -> ApiResult<(StatusCode, Json<Accepted>)> {
    let events = read_batch(&body.text)?;
    // The body counts until its events are answered, also where the client does not wait: they lie in memory until then.
    let appending = async move {
        let appended = state.inbox.append(events).await;
        drop(body);
        appended
    };
    let appended = tokio::spawn(appending).await;
    let appended = appended.unwrap_or(Err(AppendError::Unavailable))?;
    metrics::counter!("casehug_events_accepted_total").increment(appended.accepted as u64);
    let accepted = Accepted {
        accepted: appended.accepted,
        duplicates: appended.duplicates,
    };
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

fn read_batch(text: &[u8]) -> Result<Vec<NewEvent>, ApiError> {
    let mut mistakes = Vec::new();
    let events: Vec<NewEvent> = if text.trim_ascii_start().first() == Some(&b'[') {
        let items: Items<'_> = serde_json::from_slice(text).map_err(|_| ApiError::InvalidJson)?;
        if !(1..=MOST_EVENTS).contains(&items.count) {
            return Err(ApiError::field("", "must have 1 to 1000 events"));
        }
        items
            .first
            .into_iter()
            .enumerate()
            .filter_map(|(i, item)| read_event(item, &format!("[{i}]."), &mut mistakes))
            .collect()
    } else {
        let item = serde_json::from_slice(text).map_err(|_| ApiError::InvalidJson)?;
        read_event(item, "", &mut mistakes).into_iter().collect()
    };
    mistakes.truncate(MOST_MISTAKES);
    if mistakes.is_empty() {
        Ok(events)
    } else {
        Err(ApiError::Invalid(mistakes))
    }
}

/// An array's items as they came. No more of them are kept than may be sent: a body of 1 MiB can hold half a million.
struct Items<'a> {
    first: Vec<&'a RawValue>,
    count: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ItemsVisitor(PhantomData))
    }
}

struct ItemsVisitor<'a>(PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for ItemsVisitor<'a> {
    type Value = Items<'a>;

    fn expecting(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items<'a>, A::Error> {
        let mut first = Vec::new();
        while first.len() < MOST_EVENTS {
            let Some(item) = seq.next_element::<&'de RawValue>()? else {
                break;
            };
            first.push(item);
        }
        let mut count = first.len();
        while seq.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Items { first, count })
    }
}

/// An event's members as they came.
#[derive(Deserialize)]
struct RawEvent<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    event_type: Option<&'a RawValue>,
    #[serde(borrow, default)]
    firm_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    created_at: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

/// Reads one event and notes every field that is wrong.
fn read_event(item: &RawValue, prefix: &str, mistakes: &mut Vec<FieldError>) -> Option<NewEvent> {
    let mut reader = EventReader { prefix, mistakes };
    if !is_object(item) {
        reader.note("", "must be an object");
        return None;
    }
    let Ok(event) = serde_json::from_str::<RawEvent<'_>>(item.get()) else {
        reader.note("", "names a member twice");
        return None;
    };
    let id = reader.text(event.id, "id", MAX_ID_CHARS);
    let event_type = reader.text(event.event_type, "type", MAX_TYPE_CHARS);
    let firm_id = reader.uuid(event.firm_id, "firm_id").map(FirmId);
    let created_at = reader.time(event.created_at, "created_at");
    let data = reader.data(event.data, event_type.as_deref());
    Some(NewEvent {
        firm_id: firm_id?,
        id: id?,
        event_type: event_type?,
        data: Value::Object(data?),
        created_at: created_at?,
        requested_by_person: false,
    })
}

fn is_object(raw: &RawValue) -> bool {
    raw.get().trim_start().starts_with('{')
}

/// Reads a small value; nothing where it has another type.
fn value_of<T: DeserializeOwned>(raw: Option<&RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

struct EventReader<'a> {
    prefix: &'a str,
    mistakes: &'a mut Vec<FieldError>,
}

impl EventReader<'_> {
    fn note(&mut self, path: &str, message: &'static str) {
        let path = format!("{}{path}", self.prefix)
            .trim_end_matches('.')
            .to_owned();
        self.mistakes.push(FieldError { path, message });
    }

    fn text(&mut self, raw: Option<&RawValue>, name: &str, longest: usize) -> Option<String> {
        match value_of::<String>(raw) {
            Some(text) if (1..=longest).contains(&text.chars().count()) && !text.contains('\0') => {
                Some(text)
            }
            Some(_) => {
                self.note(name, "has a wrong length or a NUL character");
                None
            }
            None => {
                self.note(name, "must be text");
                None
            }
        }
    }

    fn uuid(&mut self, raw: Option<&RawValue>, name: &str) -> Option<Uuid> {
        let id = value_of(raw);
        if id.is_none() {
            self.note(name, "must be a UUID");
        }
        id
    }

    /// The outer nothing is a mistake, the inner one is absence.
    #[expect(
        clippy::option_option,
        reason = "a mistake and an absence are two things"
    )]
    fn time(&mut self, raw: Option<&RawValue>, name: &str) -> Option<Option<DateTime<Utc>>> {
        let Some(raw) = raw else {
            return Some(None);
        };
        let time = value_of::<String>(Some(raw));
        let time = time.and_then(|text| DateTime::parse_from_rfc3339(&text).ok());
        if time.is_none() {
            self.note(name, "must be an RFC 3339 time");
        }
        time.map(|time| Some(time.to_utc()))
    }

    fn data(
        &mut self,
        raw: Option<&RawValue>,
        event_type: Option<&str>,
    ) -> Option<Map<String, Value>> {
        let text = raw.map_or("{}", RawValue::get);
        if text.len() > LONGEST_DATA {
            self.note("data", "must be at most 4096 bytes");
            return None;
        }
        let Some(kept) = keep_data(text) else {
            self.note("data", "must be an object that names no member twice");
            return None;
        };
        let needed: &[_] = match event_type {
            Some("document.approved") => &["matter_id", "upload_id"],
            Some("matter.created" | "intake.completed") => &["matter_id"],
            _ => &[],
        };
        for name in needed.iter().filter(|name| !kept.contains_key(**name)) {
            self.note(&format!("data.{name}"), "must be a UUID");
        }
        Some(kept)
    }
}

#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct EventQuery {
    firm_id: Option<Uuid>,
}

/// What became of an event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventAnswer {
    id: String,
    /// `waiting`, `done` or `rejected`.
    status: String,
    /// Why it was rejected. While it waits: what it waits for, where a record that it names is not there or not approved yet
    /// (`unknown_firm`, `unknown_matter`, `unknown_upload`, `not_approved`). It is rejected after 2 minutes, and may be sent again.
    reason: Option<String>,
    /// When it is looked at next, while it waits for a record.
    look_at: Option<DateTime<Utc>>,
    /// One for each connection that it set to work.
    runs: Vec<Uuid>,
}

/// Says what became of an event.
#[utoipa::path(get, path = "/api/v1/events/{id}", params(("id" = String, Path), EventQuery),
    security(("bearer" = ["service", "operator", "firm_admin"])),
    responses((status = 200, body = EventAnswer), (status = 404, body = ErrorBody)))]
pub(crate) async fn get_event(
    State(state): State<AppState>,
    caller: Caller,
    EventId(id): EventId,
    QueryOf(query): QueryOf<EventQuery>,
) -> ApiResult<Json<EventAnswer>> {
    let firm = caller.firm(query.firm_id.map(FirmId))?;
    let mut db = state.firm(firm).await?;
    let event = events::find(&mut db, firm, &id).await?;
    let event = event.ok_or(ApiError::NotFound)?;
    Ok(Json(EventAnswer {
        id: event.id,
        reason: event.reason,
        look_at: event.look_at.filter(|_| event.status == "waiting"),
        status: event.status,
        runs: event.runs.into_iter().map(|run| run.0).collect(),
    }))
}
