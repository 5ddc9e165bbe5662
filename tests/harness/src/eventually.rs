//! Waiting for something to become true: tests poll with a deadline, they never sleep and hope.

use std::time::Duration;

use anyhow::{Context, Result};

const PAUSE: Duration = Duration::from_millis(10);

/// Asks until the answer is `Some`, at most for `timeout`.
pub async fn eventually<T, F>(timeout: Duration, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Option<T>>,
{
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(timeout, asking)
        .await
        .with_context(|| format!("did not become true within {timeout:?}"))
}

/// The same for synchronous places (`Drop`, starting a server); the deadline is counted in pauses.
pub(crate) fn eventually_blocking<T>(
    timeout: Duration,
    mut ask: impl FnMut() -> Option<T>,
) -> Option<T> {
    let tries = timeout.as_millis() / PAUSE.as_millis() + 1;
    for _ in 0..tries {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        std::thread::sleep(PAUSE);
    }
    None
}
