//! Its JSON, and what all resources share.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use shared::domain::ExternalId;
use shared::providers::{Call, CallError, Created, Presence, ProviderError, Session};

/// The header that names the next page; empty on the last.
const NEXT_PAGE: &str = "x-next-page";

/// What a write answers (202): the id is final, the record shows later.
#[derive(Deserialize)]
pub(crate) struct Accepted {
    pub(crate) id: String,
}

impl From<Accepted> for Created {
    fn from(accepted: Accepted) -> Self {
        Self {
            id: ExternalId(accepted.id),
            visible: false,
        }
    }
}

/// A contact or a matter, as far as it is read.
#[derive(Deserialize)]
struct Standing {
    state: State,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Active,
    Rejected,
}

#[derive(Deserialize)]
struct Me {
    account_id: String,
}

pub(crate) async fn presence(
    session: &Session,
    template: &'static str,
    path: String,
) -> Result<Presence, CallError> {
    match session.call::<Standing>(Call::get(template, path)).await {
        Ok(found) => Ok(match found.state {
            State::Active => Presence::There,
            State::Rejected => {
                let reason = found.reason.unwrap_or_default();
                Presence::Rejected(session.words(reason, None, None))
            }
        }),
        Err(CallError::Provider(ProviderError::NotFound)) => Ok(Presence::Missing),
        Err(error) => Err(error),
    }
}

pub(crate) async fn sees_account(session: &Session) -> Result<bool, CallError> {
    let me: Me = session.call(Call::get("/me", "/me")).await?;
    Ok(me.account_id == session.gate().connection().account_id)
}

/// All pages of a list.
pub(crate) async fn list_all<T: for<'de> Deserialize<'de>>(
    session: &Session,
    template: &'static str,
    path: &str,
    query: &[(&'static str, String)],
) -> Result<Vec<T>, CallError> {
    let mut found = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let mut call = Call::get(template, path);
        call.query.extend(query.iter().cloned());
        if let Some(page) = next.take() {
            call = call.with("page", page);
        }
        let page = session.call_with_headers::<Vec<T>>(call).await?;
        found.extend(page.body);
        next = page
            .headers
            .get(NEXT_PAGE)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        if next.is_none() {
            return Ok(found);
        }
    }
}

/// A little before the link: two clocks differ.
pub(crate) fn created_since(since: DateTime<Utc>) -> String {
    let since = since - chrono::Duration::minutes(5);
    since.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
