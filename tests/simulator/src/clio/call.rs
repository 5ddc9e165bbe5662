//! An authenticated request and its parameters.

use chrono::DateTime;

use super::{
    Outcome,
    body::invalid,
    not_played, refuse,
    schema::{Operation, Resource},
};
use crate::{incoming::Incoming, storage::Digest};

#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) incoming: &'a Incoming,
    pub(super) account_id: u64,
    pub(super) user_id: u64,
    pub(super) query: Vec<(String, String)>,
    /// The bytes of a multipart upload that this request may complete.
    pub(super) joined: Option<Digest>,
}

impl Call<'_> {
    pub(super) fn now_ms(&self) -> i64 {
        self.incoming.at_ms
    }

    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn number(&self, name: &str) -> Outcome<Option<u64>> {
        self.one(name).map(|text| number(name, text)).transpose()
    }

    pub(super) fn numbers(&self, name: &str) -> Outcome<Vec<u64>> {
        let given = self.query.iter().filter(|(given, _)| given == name);
        given.map(|(_, text)| number(name, text)).collect()
    }

    pub(super) fn flag(&self, name: &str) -> Outcome<Option<bool>> {
        match self.one(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(invalid(&format!("{name} must be true or false"))),
        }
    }

    /// In milliseconds since 1970.
    pub(super) fn time(&self, name: &str) -> Outcome<Option<i64>> {
        let parse = |text| DateTime::parse_from_rfc3339(text).map(|at| at.timestamp_millis());
        let time = self.one(name).map(parse).transpose();
        time.map_err(|_| invalid(&format!("{name} must be an ISO-8601 time")))
    }

    /// Refuses parameters that the operation does not have.
    pub(super) fn check_query(&self, operation: &Operation) -> Outcome<()> {
        for (name, _) in &self.query {
            let bare = name.split('[').next().unwrap_or(name);
            if operation.query.contains(name) {
                continue;
            }
            let unplayed = &operation.unplayed_query;
            return Err(
                match unplayed.iter().any(|known| known == name || known == bare) {
                    true => not_played(&format!("parameter {name}")),
                    false => refuse(400, "ArgumentError", format!("unknown parameter {name}")),
                },
            );
        }
        Ok(())
    }

    pub(super) fn selection(&self, resource: &Resource) -> Outcome<super::fields::Selection> {
        super::fields::Selection::parse(self.one("fields"), &resource.fields)
    }
}

fn number(name: &str, text: &str) -> Outcome<u64> {
    text.parse()
        .map_err(|_| invalid(&format!("{name} must be a number")))
}
