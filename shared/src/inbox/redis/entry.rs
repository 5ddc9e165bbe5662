//! An event on its way through the stream. A wire format: entries of the last release must stay readable.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::domain::FirmId;
use crate::domain::event::{NewEvent, keep_data};

/// The only field of an entry.
pub(super) const FIELD: &str = "event";

/// A longer entry is none of ours.
const LONGEST: usize = 16 * 1024;

#[derive(Serialize, Deserialize)]
struct Wire {
    firm_id: FirmId,
    id: String,
    #[serde(rename = "type")]
    event_type: String,
    data: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    requested_by_person: bool,
}

/// The text of an event.
pub(super) fn write(event: &NewEvent) -> String {
    let wire = Wire {
        firm_id: event.firm_id,
        id: event.id.clone(),
        event_type: event.event_type.clone(),
        data: to_raw_value(&event.data).expect("a value serialises"),
        created_at: event.created_at,
        requested_by_person: event.requested_by_person,
    };
    serde_json::to_string(&wire).expect("text keys and plain values always serialise")
}

/// The event of a text; nothing when another program wrote the text. Of its data is kept what ingress keeps.
pub(super) fn read(text: &str) -> Option<NewEvent> {
    if text.len() > LONGEST {
        return None;
    }
    let wire: Wire = serde_json::from_str(text).ok()?;
    Some(NewEvent {
        firm_id: wire.firm_id,
        id: wire.id,
        event_type: wire.event_type,
        data: keep_data(wire.data.get())?.into(),
        created_at: wire.created_at,
        requested_by_person: wire.requested_by_person,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_event_comes_out_as_it_went_in() {
        let event = NewEvent {
            firm_id: FirmId(Uuid::from_u128(7)),
            id: "änderung-1".into(),
            event_type: "document.approved".into(),
            data: json!({ "matter_id": Uuid::from_u128(8) }),
            created_at: DateTime::from_timestamp(1_800_000_000, 123_456_000),
            requested_by_person: true,
        };

        let read = read(&write(&event)).unwrap();

        assert_eq!(format!("{read:?}"), format!("{event:?}"));
    }

    #[test]
    fn an_entry_of_the_first_release_stays_readable() {
        let text = r#"{"firm_id":"00000000-0000-0000-0000-000000000007","id":"a","type":"matter.created","data":{}}"#;

        let event = read(text).unwrap();

        assert_eq!((event.id.as_str(), event.requested_by_person), ("a", false));
        assert_eq!(event.created_at, None);
    }

    #[test]
    fn what_is_no_event_is_nothing() {
        assert!(read("{}").is_none());
        let huge = format!(
            r#"{{"firm_id":"00000000-0000-0000-0000-000000000007","id":"a","type":"x","data":{{"x":"{}"}}}}"#,
            "x".repeat(LONGEST)
        );
        assert!(read(&huge).is_none());
        assert!(read("nonsense").is_none());
    }
}
