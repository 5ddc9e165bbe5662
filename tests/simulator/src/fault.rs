//! Scripted misbehaviour: the next `times` requests that match a rule are treated as it says.
//!
//! | do | effect applied | answer |
//! |---|---|---|
//! | `status` (with `headers`, `body`) | no | that one |
//! | `members`, or `headers` without `status` | at once | the true one, with these instead of its own |
//! | `delay_ms` | at once | the true one, late |
//! | `hang` | no | never |
//! | `lose_answer` | at once | none: the connection is cut |
//! | `apply_after_ms` | that much later | none: the connection is cut at once |
//! | `apply_after_ms` + `delay_ms` | that much later | the true one, after both |
//! | `hang` + `lose_answer` or `apply_after_ms` | as the other says | never, and not cut |
//!
//! `delay_ms` may stand beside `status` and `lose_answer` too.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::answer::{Answer, Content};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    #[serde(rename = "match", default)]
    matching: Matching,
    #[serde(default = "once")]
    times: u64,
    #[serde(rename = "do")]
    treatment: Treatment,
}

fn once() -> u64 {
    1
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Matching {
    method: Option<String>,
    /// A prefix, or with `*` a pattern of the whole path; `/api/v4/…`, `/oauth/…`, `/storage/…`.
    path: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Treatment {
    status: Option<u16>,
    headers: BTreeMap<String, Value>,
    body: Option<Value>,
    members: Map<String, Value>,
    delay_ms: Option<u64>,
    hang: bool,
    lose_answer: bool,
    apply_after_ms: Option<u64>,
}

/// When the request's effect takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Never,
    Now,
    After(Duration),
}

/// What the client gets to see.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    True,
    Scripted(Answer),
    Cut,
    Hang,
}

impl Treatment {
    pub(crate) fn effect(&self) -> Effect {
        match (self.status, self.apply_after_ms) {
            (Some(_), _) => Effect::Never,
            (None, Some(after)) => Effect::After(Duration::from_millis(after)),
            (None, None) if self.hang && !self.lose_answer => Effect::Never,
            (None, None) => Effect::Now,
        }
    }

    pub(crate) fn reply(&self) -> Reply {
        match self.status {
            _ if self.hang => Reply::Hang,
            Some(status) => Reply::Scripted(self.scripted(status)),
            None if self.lose_answer => Reply::Cut,
            None if self.apply_after_ms.is_some() && self.delay_ms.is_none() => Reply::Cut,
            None => Reply::True,
        }
    }

    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.unwrap_or(0))
    }

    /// A true answer with the scripted headers, and with the scripted members of its JSON.
    pub(crate) fn altered(&self, mut answer: Answer) -> Answer {
        if self.status.is_some() {
            return answer;
        }
        if let Content::Json(Value::Object(object)) = &mut answer.content {
            object.extend(self.members.clone());
        }
        answer.headers.extend(self.scripted_headers());
        answer
    }

    fn is_altered(&self) -> bool {
        !self.members.is_empty() || !self.headers.is_empty()
    }

    /// What a record line calls it; `None` when the request is treated as any other.
    pub(crate) fn name(&self) -> Option<&'static str> {
        match self.status {
            Some(_) => Some("status"),
            None if self.apply_after_ms.is_some() => Some("apply_after_ms"),
            None if self.lose_answer => Some("lose_answer"),
            None if self.hang => Some("hang"),
            None if self.is_altered() => Some("altered"),
            None => self.delay_ms.map(|_| "delay_ms"),
        }
    }

    fn scripted(&self, status: u16) -> Answer {
        let content = match &self.body {
            None => Content::Empty,
            Some(Value::String(text)) => Content::Text {
                content_type: "text/html; charset=utf-8",
                text: text.clone(),
            },
            Some(value) => Content::Json(value.clone()),
        };
        Answer {
            status,
            headers: self.scripted_headers().collect(),
            content,
        }
    }

    fn scripted_headers(&self) -> impl Iterator<Item = (String, String)> {
        self.headers.iter().map(|(name, value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            (name.clone(), text)
        })
    }
}

#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    pub(crate) fn add(&self, fault: Fault) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(fault);
    }

    pub(crate) fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Those not yet used up.
    pub(crate) fn left(&self) -> Vec<Fault> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Uses the oldest rule that matches up by one.
    pub(crate) fn take(&self, method: &str, path: &str) -> Option<Treatment> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = faults
            .iter()
            .position(|fault| fault.matching.fits(method, path))?;
        faults[index].times = faults[index].times.saturating_sub(1);
        let treatment = faults[index].treatment.clone();
        faults.retain(|fault| fault.times > 0);
        Some(treatment)
    }
}

impl Matching {
    fn fits(&self, method: &str, path: &str) -> bool {
        let any = |wanted: &str| wanted == "*" || wanted.eq_ignore_ascii_case(method);
        self.method.as_deref().is_none_or(any)
            && self
                .path
                .as_deref()
                .is_none_or(|pattern| path_fits(pattern, path))
    }
}

/// `.json` is optional at the provider, so it is here.
fn path_fits(pattern: &str, path: &str) -> bool {
    let bare = path.trim_end_matches(".json");
    let forms = [bare.to_owned(), format!("{bare}.json")];
    forms.iter().any(|path| match pattern.contains('*') {
        true => glob(pattern, path),
        false => path.starts_with(pattern),
    })
}

fn glob(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((head, tail)) => path.strip_prefix(head).is_some_and(|rest| {
            let starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            starts.into_iter().any(|at| glob(tail, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_prefix_or_a_pattern_and_json_is_optional() {
        assert!(path_fits("/api/v4/contacts", "/api/v4/contacts/5.json"));
        assert!(path_fits("/api/v4/contacts.json", "/api/v4/contacts"));
        assert!(!path_fits(
            "/api/v4/contacts.json",
            "/api/v4/contacts/5.json"
        ));
        assert!(path_fits("/api/v4/documents/*", "/api/v4/documents/7.json"));
        assert!(path_fits("/storage/*", "/storage/abc/x.pdf"));
        assert!(!path_fits("/api/*/matters", "/api/v4/matters/1"));
    }
}
