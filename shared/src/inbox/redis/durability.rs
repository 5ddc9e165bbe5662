//! Whether this Redis keeps what it takes.
//!
//! Asked of it: an append-only file, and no eviction. `appendfsync always` is advised: an answer then means that the entry is
//! on the disk. Otherwise Redis answers first and syncs later, and, while a sync is under way, it even *writes* later: a killed
//! Redis could then lose what it had answered. So on such a server each append waits until nothing is left in Redis's own
//! buffer; what is written survives the process, and only a power failure can take the last seconds.

use std::collections::HashMap;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, InfoDict, RedisError, RedisResult, ServerErrorKind, cmd};

use super::super::InboxError;

/// What Redis's answer to an append means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// On the disk.
    Synced,
    /// In Redis's memory, and soon in its file.
    Taken,
}

/// Whether this Redis may be an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Durability {
    Fit(Answer),
    /// What a person has to change.
    Unfit(String),
}

/// Asks the server how it is configured.
pub(super) async fn check(redis: &mut MultiplexedConnection) -> RedisResult<Durability> {
    let settings = match read_settings(redis).await {
        Ok(settings) => settings,
        Err(error) if is_refusal(&error) => {
            let why = "its settings cannot be checked: CONFIG GET is not allowed";
            return Ok(Durability::Unfit(why.into()));
        }
        Err(error) => return Err(error),
    };
    Ok(judge(&settings))
}

async fn read_settings(redis: &mut MultiplexedConnection) -> RedisResult<HashMap<String, String>> {
    let mut settings = HashMap::new();
    // One by one: only newer servers take several names.
    for name in ["appendonly", "appendfsync", "maxmemory-policy"] {
        let found: HashMap<String, String> = cmd("CONFIG")
            .arg("GET")
            .arg(name)
            .query_async(redis)
            .await?;
        settings.extend(found);
    }
    Ok(settings)
}

/// The server is there and will not tell.
fn is_refusal(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(ServerErrorKind::NoPerm | ServerErrorKind::ResponseError)
    )
}

fn judge(settings: &HashMap<String, String>) -> Durability {
    let is = |name: &str, value: &str| settings.get(name).is_some_and(|found| found == value);
    let mut wrong = Vec::new();
    if !is("appendonly", "yes") {
        wrong.push("appendonly must be yes");
    }
    if !is("maxmemory-policy", "noeviction") {
        wrong.push("maxmemory-policy must be noeviction");
    }
    if !wrong.is_empty() {
        return Durability::Unfit(wrong.join(", "));
    }
    Durability::Fit(if is("appendfsync", "always") {
        Answer::Synced
    } else {
        Answer::Taken
    })
}

const PAUSE: Duration = Duration::from_millis(2);
/// Redis itself puts a write off for at most 2 s.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Returns when nothing that was answered waits in Redis's buffer any more.
pub(super) async fn wait_until_written(
    redis: &mut MultiplexedConnection,
) -> Result<(), InboxError> {
    let waiting = async {
        loop {
            let info: InfoDict = cmd("INFO").arg("persistence").query_async(redis).await?;
            match info.get::<u64>("aof_buffer_length") {
                Some(0) => return Ok(()),
                Some(_) => tokio::time::sleep(PAUSE).await,
                // The file was switched off since the check.
                None => return Err(InboxError::RedisNotWritten),
            }
        }
    };
    tokio::time::timeout(LONGEST_WAIT, waiting)
        .await
        .unwrap_or(Err(InboxError::RedisNotWritten))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(appendonly: &str, appendfsync: &str, policy: &str) -> Durability {
        let pairs = [
            ("appendonly", appendonly),
            ("appendfsync", appendfsync),
            ("maxmemory-policy", policy),
        ];
        judge(&pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).into())
    }

    #[test]
    fn what_redis_answers_means_what_its_settings_make_of_it() {
        assert_eq!(
            judged("yes", "always", "noeviction"),
            Durability::Fit(Answer::Synced)
        );
        assert_eq!(
            judged("yes", "everysec", "noeviction"),
            Durability::Fit(Answer::Taken)
        );
    }

    #[test]
    fn all_that_is_wrong_is_named() {
        let Durability::Unfit(why) = judged("no", "always", "allkeys-lru") else {
            panic!("fit");
        };

        assert!(why.contains("appendonly") && why.contains("maxmemory-policy"));
    }

    #[test]
    fn a_server_that_does_not_tell_is_not_fit() {
        assert!(matches!(judge(&HashMap::new()), Durability::Unfit(_)));
    }
}
