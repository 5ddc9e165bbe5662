//! `POST /api/v1/events`: approvals and other happenings go into the inbox; `GET` says what became of one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::db::events;
use shared::domain::FirmId;
use shared::domain::event::{MAX_ID_CHARS, MAX_TYPE_CHARS, NewEvent};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, OneOfBuilder, Ref, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use uuid::Uuid;

use crate::auth::Caller;
use crate::body::{EventId, JsonBody, QueryOf};
use crate::error::{ApiError, ApiResult, ErrorBody, FieldError};
use crate::state::AppState;

const MOST_EVENTS: usize = 1_000;
/// More mistakes than this are not listed.
const MOST_MISTAKES: usize = 100;

/// One event.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "describes the body; the handler reads it by hand to name every wrong field"
)]
pub(crate) struct EventBody {
    /// 1 to 128 characters, unique per firm; the first of an id wins.
    id: String,
    /// `document.approved`, `matter.created`; others are stored and without effect.
    r#type: String,
    created_at: Option<DateTime<Utc>>,
    firm_id: Uuid,
    /// `matter_id`, `upload_id` as the type needs them.
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

/// Takes one event, or 1 to 1,000 in an array; a batch with one wrong event is refused whole. 202 means: committed.
#[utoipa::path(post, path = "/api/v1/events", request_body = EventsBody, security(("bearer" = ["service"])),
    responses((status = 202, body = Accepted), (status = 422, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn post_events(
    State(state): State<AppState>,
    _: Caller,
    JsonBody(body): JsonBody,
) -> ApiResult<(StatusCode, Json<Accepted>)> {
    let events = read_batch(body)?;
    let appended = state.inbox.append(events).await?;
    metrics::counter!("casehug_events_accepted_total").increment(appended.accepted as u64);
    let accepted = Accepted {
        accepted: appended.accepted,
        duplicates: appended.duplicates,
    };
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

fn read_batch(body: Value) -> Result<Vec<NewEvent>, ApiError> {
    let mut mistakes = Vec::new();
    let events: Vec<NewEvent> = match body {
        Value::Array(items) if items.is_empty() || items.len() > MOST_EVENTS => {
            return Err(ApiError::field("", "must have 1 to 1000 events"));
        }
        Value::Array(items) => items
            .into_iter()
            .enumerate()
            .filter_map(|(i, item)| read_event(item, &format!("[{i}]."), &mut mistakes))
            .collect(),
        item => read_event(item, "", &mut mistakes).into_iter().collect(),
    };
    mistakes.truncate(MOST_MISTAKES);
    if mistakes.is_empty() {
        Ok(events)
    } else {
        Err(ApiError::Invalid(mistakes))
    }
}

/// Reads one event and notes every field that is wrong.
fn read_event(item: Value, prefix: &str, mistakes: &mut Vec<FieldError>) -> Option<NewEvent> {
    let mut reader = EventReader { prefix, mistakes };
    let Value::Object(mut event) = item else {
        reader.note("", "must be an object");
        return None;
    };
    let id = reader.text(&event, "id", MAX_ID_CHARS);
    let event_type = reader.text(&event, "type", MAX_TYPE_CHARS);
    let firm_id = reader.uuid(&event, "", "firm_id").map(FirmId);
    let created_at = reader.time(&event, "created_at");
    let data = match event.remove("data") {
        Some(Value::Object(data)) => Some(data),
        None => Some(Map::new()),
        Some(_) => {
            reader.note("data", "must be an object");
            None
        }
    };
    if let (Some(event_type), Some(data)) = (&event_type, &data) {
        reader.data(event_type, data);
    }
    Some(NewEvent {
        firm_id: firm_id?,
        id: id?,
        event_type: event_type?,
        data: Value::Object(data?),
        created_at: created_at?,
        requested_by_person: false,
    })
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

    fn text(&mut self, event: &Map<String, Value>, name: &str, longest: usize) -> Option<String> {
        match event.get(name).and_then(Value::as_str) {
            Some(text) if (1..=longest).contains(&text.chars().count()) && !text.contains('\0') => {
                Some(text.to_owned())
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

    fn uuid(&mut self, object: &Map<String, Value>, folder: &str, name: &str) -> Option<Uuid> {
        let id = object
            .get(name)
            .and_then(Value::as_str)
            .and_then(|text| text.parse().ok());
        if id.is_none() {
            self.note(&format!("{folder}{name}"), "must be a UUID");
        }
        id
    }

    /// The outer nothing is a mistake, the inner one is absence.
    #[expect(
        clippy::option_option,
        reason = "a mistake and an absence are two things"
    )]
    fn time(&mut self, event: &Map<String, Value>, name: &str) -> Option<Option<DateTime<Utc>>> {
        match event.get(name) {
            None | Some(Value::Null) => Some(None),
            Some(value) => {
                let time = value
                    .as_str()
                    .and_then(|t| DateTime::parse_from_rfc3339(t).ok());
                if time.is_none() {
                    self.note(name, "must be an RFC 3339 time");
                }
                time.map(|time| Some(time.to_utc()))
            }
        }
    }

    fn data(&mut self, event_type: &str, data: &Map<String, Value>) {
        if has_nul(data) {
            self.note("data", "has a NUL character");
        }
        if matches!(
            event_type,
            "document.approved" | "matter.created" | "intake.completed"
        ) {
            self.uuid(data, "data.", "matter_id");
        }
        if event_type == "document.approved" {
            self.uuid(data, "data.", "upload_id");
        }
    }
}

/// Postgres keeps no NUL in text: it is refused here and not there.
fn has_nul(data: &Map<String, Value>) -> bool {
    data.iter()
        .any(|(name, value)| name.contains('\0') || value_has_nul(value))
}

fn value_has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(value_has_nul),
        Value::Object(members) => has_nul(members),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
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
    /// Why it was rejected.
    reason: Option<String>,
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
        status: event.status,
        reason: event.reason,
        runs: event.runs.into_iter().map(|run| run.0).collect(),
    }))
}
