//! What a provider refuses, classified once; and the one mapping from a refusal to a job's instruction.

use std::time::Duration;

use crate::domain::Platform;
use crate::domain::outcome::{Failure, Instruction, SkipReason, Waiting};
use crate::limit::clamp_retry_after;
use crate::queue::StopReason;

/// A 429 without `Retry-After` pauses the bucket this long: Clio's window (providers/clio.md §8).
const PAUSE_WITHOUT_WORD: Duration = Duration::from_mins(1);

/// A provider's refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// 401.
    #[error("the provider refused the token")]
    Unauthorized,
    /// 403.
    #[error("the provider forbids it")]
    Forbidden,
    /// 404.
    #[error("the provider has no such record")]
    NotFound,
    /// 408, 409, 412, 425, and error types that the provider's documents call temporary.
    #[error("the provider was busy with the record")]
    Conflict { status: u16 },
    /// 429.
    #[error("the provider's limit was reached")]
    RateLimited { retry_after: Option<Duration> },
    /// Any other 4xx. `detail` holds the provider's words with every value of ours replaced by its field's name.
    #[error("the provider refused the data")]
    Invalid {
        status: u16,
        kind: Option<String>,
        detail: String,
        sealed: Option<String>,
    },
    /// No connection was made: nothing was sent.
    #[error("the provider cannot be reached")]
    Unreachable,
    /// 5xx, no answer, or one that cannot be read.
    #[error("the provider is unavailable")]
    Unavailable {
        status: Option<u16>,
        retry_after: Option<Duration>,
    },
}

impl ProviderError {
    /// The class of a status; bodies refine it (`providers::session`).
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            408 | 409 | 412 | 425 => Self::Conflict { status },
            429 => Self::RateLimited { retry_after: None },
            400..=499 => Self::Invalid {
                status,
                kind: None,
                detail: String::new(),
                sealed: None,
            },
            _ => Self::Unavailable {
                status: Some(status),
                retry_after: None,
            },
        }
    }

    /// True when the answer proves that a write was not carried out.
    #[must_use]
    pub fn proves_no_effect(&self) -> bool {
        match self {
            Self::Unauthorized
            | Self::Forbidden
            | Self::NotFound
            | Self::Unreachable
            | Self::RateLimited { .. }
            | Self::Invalid { .. } => true,
            Self::Conflict { status } => *status != 408,
            Self::Unavailable { .. } => false,
        }
    }

    /// The instruction that follows, in the product's words.
    #[must_use]
    pub fn instruction(self, platform: Platform) -> Instruction {
        let name = platform.title();
        match self {
            Self::Unauthorized => Instruction::NeedsReconnect(needs_reconnect(platform)),
            Self::Forbidden => Instruction::Fail(Failure::new(
                "provider_forbidden",
                format!("{name} refused for lack of permissions"),
                format!(
                    "reconnect {name} with a user that has matters, contacts and documents permissions"
                ),
            )),
            Self::NotFound => Instruction::Fail(Failure::new(
                "provider_not_found",
                format!("the linked record was deleted at {name}"),
                "sync again to create a new one",
            )),
            Self::Conflict { status } => Instruction::Retry(Failure::new(
                "provider_conflict",
                format!("{name} was busy with the record (HTTP {status})"),
                "it is tried again by itself",
            )),
            Self::RateLimited { retry_after } => Instruction::Limited {
                pause: clamp_retry_after(retry_after.unwrap_or(PAUSE_WITHOUT_WORD)),
            },
            Self::Invalid {
                status,
                detail,
                sealed,
                ..
            } => Instruction::Fail(Failure {
                provider_words: sealed,
                ..Failure::new(
                    "provider_invalid",
                    format!("{name} refused the data (HTTP {status}): {detail}"),
                    "correct the named fields in CaseHug and retry",
                )
            }),
            Self::Unreachable => Instruction::Retry(Failure::new(
                "provider_unavailable",
                format!("{name} cannot be reached"),
                status_page(platform),
            )),
            Self::Unavailable {
                status,
                retry_after,
            } => Instruction::Retry(
                Failure::new(
                    "provider_unavailable",
                    unavailable(name, status),
                    status_page(platform),
                )
                .not_before(retry_after.map(clamp_retry_after)),
            ),
        }
    }
}

fn unavailable(name: &str, status: Option<u16>) -> String {
    match status {
        Some(status) => format!("{name} had a server error (HTTP {status})"),
        None => format!("{name} did not answer"),
    }
}

fn status_page(platform: Platform) -> String {
    match platform {
        Platform::Clio => "it is retried by itself; see status.clio.com".into(),
        Platform::Lawmatics | Platform::Smokeball | Platform::Mycase => {
            format!(
                "it is retried by itself; see {}'s status page",
                platform.title()
            )
        }
    }
}

/// The authorisation is gone.
fn needs_reconnect(platform: Platform) -> Failure {
    let name = platform.title();
    Failure::new(
        "needs_reconnect",
        format!("{name} refused our access"),
        format!("disconnect and reconnect {name}"),
    )
}

/// Why a call gave no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The provider answered, or failed to.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// Not now: the budget is used up until then.
    #[error("not before {wait:?}")]
    Later { wait: Duration, reason: Waiting },
    /// Never under this lease.
    #[error("the call was not permitted")]
    Stopped(StopReason),
    /// Token trouble that only a person can mend.
    #[error("the authorisation is gone")]
    NeedsReconnect,
    /// Our own database.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
    /// Something that the job itself found out.
    #[error("the job stopped")]
    Decided(Box<Instruction>),
}

impl CallError {
    /// The instruction that follows.
    #[must_use]
    pub fn instruction(self, platform: Platform) -> Instruction {
        match self {
            Self::Provider(error) => error.instruction(platform),
            Self::Later { wait, reason } => Instruction::Snooze { wait, reason },
            Self::Stopped(StopReason::Cancelled) => Instruction::Skipped(SkipReason::Cancelled),
            Self::Stopped(StopReason::ConnectionChanged | StopReason::LeaseLost) => {
                Instruction::Snooze {
                    wait: Duration::ZERO,
                    reason: Waiting::Shutdown,
                }
            }
            Self::Stopped(StopReason::Paused) => Instruction::Snooze {
                wait: Duration::ZERO,
                reason: Waiting::Paused,
            },
            Self::NeedsReconnect => Instruction::NeedsReconnect(needs_reconnect(platform)),
            Self::Database(error) => {
                tracing::warn!(error = %error, "a job's statement failed");
                Instruction::Retry(Failure::internal("the database refused a statement"))
            }
            Self::Decided(instruction) => *instruction,
        }
    }
}

impl From<Instruction> for CallError {
    fn from(instruction: Instruction) -> Self {
        Self::Decided(Box::new(instruction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_from_400_to_600_has_its_class() {
        let class = |status| match ProviderError::of_status(status).instruction(Platform::Clio) {
            Instruction::Retry(_) => "retry",
            Instruction::Fail(_) => "fail",
            Instruction::Limited { .. } => "limited",
            Instruction::NeedsReconnect(_) => "needs_reconnect",
            Instruction::Done(_) | Instruction::Skipped(_) | Instruction::Snooze { .. } => "other",
        };
        for status in 400..600 {
            let expected = match status {
                401 => "needs_reconnect",
                429 => "limited",
                408 | 409 | 412 | 425 | 500.. => "retry",
                _ => "fail",
            };
            assert_eq!(class(status), expected, "{status}");
        }
    }

    #[test]
    fn only_an_answer_that_refuses_proves_that_nothing_happened() {
        assert!(ProviderError::of_status(422).proves_no_effect());
        assert!(ProviderError::of_status(429).proves_no_effect());
        for status in [408, 500, 502, 503] {
            assert!(
                !ProviderError::of_status(status).proves_no_effect(),
                "{status}"
            );
        }
    }
}
