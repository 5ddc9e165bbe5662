//! What an answer says of the limit corrects the bucket.

use super::refusal::is_limit;
use super::response::Response;
use super::{CallError, Session};
use crate::limit::{self, AskedWait, RateHeaders};
use crate::queue::Granted;

impl Session {
    /// Takes over what the answer says of the limit. A 429 pauses the bucket for every worker at once.
    pub(super) async fn apply_limit_headers(
        &self,
        response: &Response,
        said: &RateHeaders,
        asked: &AskedWait,
        granted: &Granted,
    ) -> Result<(), CallError> {
        let bucket = self.gate.bucket();
        let pause =
            is_limit(response).then(|| limit::wait_after_429(asked, bucket.budget.window).wait);
        let used_up = said
            .reset_in
            .filter(|_| said.remaining == Some(0))
            .zip(granted.sent_at);
        let allowed = self.gate.allowed_calls();
        let corrected = said.limit.filter(|limit| *limit != allowed);
        if pause.is_none() && used_up.is_none() && corrected.is_none() {
            return Ok(());
        }
        let mut db = self.gate.database().worker().await?;
        if let Some(limit) = corrected {
            limit::correct(&mut db, bucket, limit).await?;
        }
        if let Some(pause) = pause {
            limit::pause(&mut db, bucket, pause).await?;
        } else if let Some((reset_in, sent_at)) = used_up {
            limit::used_up(&mut db, bucket, sent_at, reset_in).await?;
        }
        db.commit().await?;
        Ok(())
    }
}
