//! Clio Manage, API v4. Every fact here is in providers/clio.md; the section is named beside it.

mod contacts;
mod documents;
mod errors;
mod matters;
mod profile;
mod wire;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::domain::{
    ExternalId, Region, UploadId,
    connection::Identity,
    link::{Creation, Sent},
    records::{Client, Matter},
};
use crate::providers::{
    Call, CallError, Confirmation, Created, DocumentSlot, Documents, Entry, GrantedTokens, Http,
    Looked, NewDocument, PracticeArea, Presence, Provider, ProviderError, Search, Session,
};

const IDENTIFY_TIMEOUT: Duration = Duration::from_secs(30);
/// Lists are asked for in the largest pages (§9).
const PAGE: &str = "200";
/// A list that goes on for longer has no end: no list that we ask for has 10,000 entries.
const MOST_PAGES: usize = 50;
const WHO_AM_I: &str = "/users/who_am_i.json";
/// Our clock, the database's and Clio's may differ by this much when a look asks "created since".
const CLOCK_SLACK: Duration = Duration::from_mins(5);

pub(super) const ENTRY: Entry = Entry {
    profile: &profile::PROFILE,
    build: |http| Arc::new(Clio { http }),
};

/// Clio Manage.
#[derive(Debug)]
struct Clio {
    http: Http,
}

#[async_trait]
impl Search for Clio {
    async fn find_contacts_by_email(
        &self,
        session: &Session,
        email: &str,
    ) -> Result<Vec<ExternalId>, CallError> {
        contacts::find_by_email(session, email).await
    }

    async fn look_for_contact(
        &self,
        session: &Session,
        sent: &Sent,
        since: DateTime<Utc>,
    ) -> Result<Looked, CallError> {
        contacts::look(session, sent, since).await
    }

    async fn contact(&self, session: &Session, id: &ExternalId) -> Result<Presence, CallError> {
        let path = format!("/contacts/{id}.json");
        presence(session, "/contacts/{id}.json", path).await
    }

    /// §12: a list per firm; `name` filters are vague, so all are listed and compared by us.
    async fn practice_areas(&self, session: &Session) -> Result<Vec<PracticeArea>, CallError> {
        let areas: Vec<wire::PracticeArea> = list_all(
            session,
            "/practice_areas.json",
            &[("fields", "id,name".into())],
        )
        .await?;
        Ok(areas
            .into_iter()
            .filter_map(|area| {
                Some(PracticeArea {
                    id: area.id.into(),
                    name: area.name?,
                })
            })
            .collect())
    }

    async fn look_for_matter(
        &self,
        session: &Session,
        sent: &Sent,
        since: DateTime<Utc>,
    ) -> Result<Looked, CallError> {
        matters::look(session, sent, since).await
    }

    async fn matter(&self, session: &Session, id: &ExternalId) -> Result<Presence, CallError> {
        let path = format!("/matters/{id}.json");
        presence(session, "/matters/{id}.json", path).await
    }

    async fn document(
        &self,
        session: &Session,
        _matter: &ExternalId,
        id: &ExternalId,
    ) -> Result<Presence, CallError> {
        documents::presence(session, id).await
    }

    async fn sees_account(&self, session: &Session) -> Result<bool, CallError> {
        let call = Call::get(WHO_AM_I, WHO_AM_I).with("fields", "id,account{id,name}");
        let user: wire::One<wire::User> = session.call(call).await?;
        Ok(user.data.account.id.to_string() == session.gate().connection().account_id)
    }

    async fn find_documents(
        &self,
        session: &Session,
        matter: &ExternalId,
        upload: UploadId,
    ) -> Result<Vec<ExternalId>, CallError> {
        documents::find(session, matter, upload).await
    }
}

#[async_trait]
impl Provider for Clio {
    /// §2 "Who is connected": without `fields` only id and etag would come back.
    async fn identify(
        &self,
        region: Region,
        granted: &GrantedTokens,
    ) -> Result<Identity, ProviderError> {
        let unavailable = |_| ProviderError::Unavailable {
            status: None,
            retry_after: None,
        };
        let answer = self
            .http
            .api
            .get(format!("{}{WHO_AM_I}", self.http.api_base(region)))
            .query(&[("fields", "id,name,email,account{id,name}")])
            .bearer_auth(granted.access.expose_secret())
            .timeout(IDENTIFY_TIMEOUT)
            .send()
            .await
            .map_err(unavailable)?;
        if !answer.status().is_success() {
            return Err(ProviderError::of_status(answer.status().as_u16()));
        }
        let user: wire::One<wire::User> = answer.json().await.map_err(unavailable)?;
        Ok(Identity {
            account_id: user.data.account.id.to_string(),
            account_label: user
                .data
                .account
                .name
                .unwrap_or_else(|| user.data.account.id.to_string()),
            user: json!({ "id": user.data.id, "name": user.data.name, "email": user.data.email }),
        })
    }

    async fn create_contact(
        &self,
        session: &Session,
        creation: Creation,
        client: &Client,
    ) -> Result<Created, CallError> {
        contacts::create(session, creation, client).await
    }

    async fn create_matter(
        &self,
        session: &Session,
        creation: Creation,
        matter: &Matter,
        contact: &ExternalId,
        practice_area: Option<&ExternalId>,
    ) -> Result<Created, CallError> {
        matters::create(session, creation, matter, contact, practice_area).await
    }

    fn documents(&self) -> Option<&dyn Documents> {
        Some(self)
    }
}

#[async_trait]
impl Documents for Clio {
    async fn create_document(
        &self,
        session: &Session,
        creation: Creation,
        document: &NewDocument,
    ) -> Result<DocumentSlot, CallError> {
        documents::create(session, creation, document).await
    }

    async fn document_slot(
        &self,
        session: &Session,
        _matter: &ExternalId,
        id: &ExternalId,
        size: u64,
    ) -> Result<DocumentSlot, CallError> {
        documents::slot(session, id, size).await
    }

    async fn confirm_document(
        &self,
        session: &Session,
        id: &ExternalId,
        version: &str,
    ) -> Result<Confirmation, CallError> {
        documents::confirm(session, id, version).await
    }
}

/// How a record that a look has listed compares with what was sent.
enum Likeness {
    Same,
    /// It may be what was sent, and a person has corrected it since.
    Resembling,
    Other,
}

/// One read. A 404 in Clio's own shape is an answer: not there, or not visible to this user (§6).
async fn presence(
    session: &Session,
    template: &'static str,
    path: String,
) -> Result<Presence, CallError> {
    let call = Call::get(template, path).with("fields", "id,etag");
    match session.call::<wire::One<wire::Created>>(call).await {
        Ok(_) => Ok(Presence::There),
        Err(CallError::Provider(ProviderError::NotFound)) => Ok(Presence::Missing),
        Err(error) => Err(error),
    }
}

/// Clio shows at once what it has created.
fn created(created: wire::One<wire::Created>) -> Created {
    Created {
        id: created.data.id.into(),
        visible: true,
    }
}

/// All pages of a list, by cursor (§9). The next page's token is taken from its address; the address itself is not followed.
async fn list_all<T: for<'de> serde::Deserialize<'de>>(
    session: &Session,
    path: &'static str,
    query: &[(&'static str, String)],
) -> Result<Vec<T>, CallError> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut page_token: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let mut call = Call::get(path, path);
        call.query.extend(query.iter().cloned());
        let mut call = call.with("limit", PAGE).with("order", "id(asc)");
        if let Some(token) = page_token.take() {
            call = call.with("page_token", token);
        }
        let page: wire::Many<T> = session.call(call).await?;
        found.extend(page.data);
        page_token = page.meta.and_then(|meta| meta.next_page_token());
        match &page_token {
            None => return Ok(found),
            // It goes round in circles.
            Some(token) if !seen.insert(token.clone()) => break,
            Some(_) => {}
        }
    }
    Err(ProviderError::Unreadable.into())
}

/// The earliest time at which a record that is sought after can have been created, as Clio takes it (ISO 8601). `since` is the
/// database's time: a worker's own clock may be wrong, and a look that begins too late finds nothing.
fn created_since(since: DateTime<Utc>) -> String {
    (since - CLOCK_SLACK)
        .format("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

/// Clio's ids are numbers.
fn number(id: &ExternalId) -> Result<i64, CallError> {
    id.0.parse().map_err(|_| {
        crate::domain::outcome::Instruction::Fail(crate::domain::outcome::Failure::internal(
            "a stored Clio id is not a number",
        ))
        .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_begins_five_minutes_before_the_link() {
        let since = "2026-11-21T11:05:18.5Z".parse().unwrap();

        assert_eq!(created_since(since), "2026-11-21T11:00:18Z");
    }
}
