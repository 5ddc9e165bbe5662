//! Heavy reads: lists and counts that may look at many rows. Few run at a time, fewer of one firm, and each for a few seconds at most, so
//! that they cannot keep others from the database. Answers about all firms are kept for a moment: operators' pages ask for the same.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shared::clock::Moment;
use shared::db::Transaction;
use shared::domain::FirmId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// With four of them at a time events took twice as long to be accepted on two cores.
const ALL: usize = 2;
const OF_ONE_FIRM: usize = 1;
/// How long a read waits for its place.
const PATIENCE: Duration = Duration::from_secs(10);
const KEPT_FOR: Duration = Duration::from_secs(2);
/// More different questions are not kept.
const MOST_KEPT: usize = 64;

type Answer = Arc<tokio::sync::Mutex<Option<(Moment, Bytes)>>>;

#[derive(Debug, Clone)]
pub(crate) struct Reads {
    all: Arc<Semaphore>,
    firms: Arc<Mutex<HashMap<FirmId, Weak<Semaphore>>>>,
    kept: Arc<Mutex<HashMap<String, Answer>>>,
}

impl Default for Reads {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(ALL)),
            firms: Arc::default(),
            kept: Arc::default(),
        }
    }
}

/// A transaction of a heavy read, and its place.
pub(crate) struct HeavyRead {
    db: Transaction,
    _places: (Option<OwnedSemaphorePermit>, OwnedSemaphorePermit),
}

impl HeavyRead {
    pub(crate) fn new(
        db: Transaction,
        places: (Option<OwnedSemaphorePermit>, OwnedSemaphorePermit),
    ) -> Self {
        Self {
            db,
            _places: places,
        }
    }

    pub(crate) async fn commit(self) -> Result<(), ApiError> {
        Ok(self.db.commit().await?)
    }
}

impl Deref for HeavyRead {
    type Target = Transaction;

    fn deref(&self) -> &Transaction {
        &self.db
    }
}

impl DerefMut for HeavyRead {
    fn deref_mut(&mut self) -> &mut Transaction {
        &mut self.db
    }
}

impl Reads {
    /// A place of the firm's, and one among all. A firm that asks for too much waits for itself alone.
    pub(crate) async fn places(
        &self,
        firm: Option<FirmId>,
    ) -> Result<(Option<OwnedSemaphorePermit>, OwnedSemaphorePermit), ApiError> {
        let own = match firm {
            Some(firm) => {
                let place = place(self.of_firm(firm)).await;
                Some(place.ok_or(ApiError::TooMany(Duration::from_secs(1)))?)
            }
            None => None,
        };
        let common = place(self.all.clone()).await.ok_or(ApiError::Busy)?;
        Ok((own, common))
    }

    fn of_firm(&self, firm: FirmId) -> Arc<Semaphore> {
        let mut firms = self.firms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = firms.get(&firm).and_then(Weak::upgrade) {
            return places;
        }
        firms.retain(|_, places| places.strong_count() > 0);
        let places = Arc::new(Semaphore::new(OF_ONE_FIRM));
        firms.insert(firm, Arc::downgrade(&places));
        places
    }

    /// An answer about all firms: one that was made a moment ago, or a new one. Who asks the same meanwhile waits for it.
    pub(crate) async fn about_all<T: Serialize>(
        &self,
        question: String,
        answer: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<Response, ApiError> {
        let kept = self.kept(question);
        let mut kept = kept.lock().await;
        if let Some((at, json)) = kept.as_ref()
            && at.elapsed() < KEPT_FOR
        {
            return Ok(json_response(json.clone()));
        }
        let json = serde_json::to_vec(&answer.await?).map_err(|_| ApiError::Unavailable)?;
        let json = Bytes::from(json);
        *kept = Some((Moment::now(), json.clone()));
        Ok(json_response(json))
    }

    fn kept(&self, question: String) -> Answer {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_KEPT && !kept.contains_key(&question) {
            kept.clear();
        }
        kept.entry(question).or_default().clone()
    }
}

async fn place(places: Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    let place = tokio::time::timeout(PATIENCE, places.acquire_owned()).await;
    place.ok()?.ok()
}

fn json_response(json: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}
