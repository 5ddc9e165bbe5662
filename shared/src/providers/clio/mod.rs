//! Clio Manage, API v4. Every fact here is in providers/clio.md; the section is named beside it.

mod contacts;
mod documents;
mod errors;
mod matters;
mod profile;
mod wire;

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
    Call, CallError, DocumentSlot, Documents, Entry, GrantedTokens, Http, NewDocument,
    PracticeArea, Provider, ProviderError, Search, Session,
};

const IDENTIFY_TIMEOUT: Duration = Duration::from_secs(30);
/// Lists are asked for in the largest pages (§9).
const PAGE: &str = "200";
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
    ) -> Result<Vec<ExternalId>, CallError> {
        contacts::look(session, sent, since).await
    }

    async fn contact_exists(&self, session: &Session, id: &ExternalId) -> Result<bool, CallError> {
        exists(
            session,
            "/contacts/{id}.json",
            format!("/contacts/{id}.json"),
        )
        .await
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
            .map(|area| PracticeArea {
                id: area.id.into(),
                name: area.name,
            })
            .collect())
    }

    async fn look_for_matter(
        &self,
        session: &Session,
        sent: &Sent,
        since: DateTime<Utc>,
    ) -> Result<Vec<ExternalId>, CallError> {
        matters::look(session, sent, since).await
    }

    async fn matter_exists(&self, session: &Session, id: &ExternalId) -> Result<bool, CallError> {
        exists(session, "/matters/{id}.json", format!("/matters/{id}.json")).await
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
            .get(format!(
                "{}/users/who_am_i.json",
                self.http.api_base(region)
            ))
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
            account_label: user.data.account.name,
            user: json!({ "id": user.data.id, "name": user.data.name, "email": user.data.email }),
        })
    }

    async fn create_contact(
        &self,
        session: &Session,
        creation: Creation,
        client: &Client,
    ) -> Result<ExternalId, CallError> {
        contacts::create(session, creation, client).await
    }

    async fn create_matter(
        &self,
        session: &Session,
        creation: Creation,
        matter: &Matter,
        contact: &ExternalId,
        practice_area: Option<&ExternalId>,
    ) -> Result<ExternalId, CallError> {
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
    ) -> Result<(), CallError> {
        documents::confirm(session, id, version).await
    }
}

/// One read; a 404 is an answer.
async fn exists(
    session: &Session,
    template: &'static str,
    path: String,
) -> Result<bool, CallError> {
    let call = Call::get(template, path).with("fields", "id,etag");
    match session.call::<wire::One<wire::Created>>(call).await {
        Ok(_) => Ok(true),
        Err(CallError::Provider(ProviderError::NotFound)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// All pages of a list, by cursor (§9). The next page's token is taken from its address; the address itself is not followed.
async fn list_all<T: for<'de> serde::Deserialize<'de>>(
    session: &Session,
    path: &'static str,
    query: &[(&'static str, String)],
) -> Result<Vec<T>, CallError> {
    let mut found = Vec::new();
    let mut page_token: Option<String> = None;
    loop {
        let mut call = Call::get(path, path);
        call.query.extend(query.iter().cloned());
        let mut call = call.with("limit", PAGE).with("order", "id(asc)");
        if let Some(token) = page_token.take() {
            call = call.with("page_token", token);
        }
        let page: wire::Many<T> = session.call(call).await?;
        found.extend(page.data);
        page_token = page.meta.and_then(|meta| meta.next_page_token());
        if page_token.is_none() {
            return Ok(found);
        }
    }
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
