//! What a provider refuses, classified once; and the one mapping from a refusal to a job's instruction.

use std::time::Duration;

use crate::domain::outcome::{Failure, Instruction, SkipReason, Waiting};
use crate::limit::clamp_retry_after;
use crate::providers::Names;
use crate::queue::StopReason;

const RETRIED: &str = "no action needed: CaseHug retries automatically";

/// A provider's message, prepared for people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Words {
    /// With every value that CaseHug sent replaced by its field's name.
    pub detail: String,
    /// In full, sealed: for the firm's admins alone.
    pub sealed: Option<String>,
}

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
    RateLimited { wait: Duration },
    /// Any other 4xx.
    #[error("the provider refused the data")]
    Invalid {
        status: u16,
        kind: Option<String>,
        words: Words,
    },
    /// No connection was made: nothing was sent.
    #[error("the provider cannot be reached")]
    Unreachable,
    /// The platform's sign-in gave no token, or refuses tokens that it has just given out (401).
    #[error("the provider's sign-in is unavailable")]
    SignIn {
        status: Option<u16>,
        retry_after: Option<Duration>,
    },
    /// 5xx, no answer, or one that cannot be read.
    #[error("the provider is unavailable")]
    Unavailable {
        status: Option<u16>,
        retry_after: Option<Duration>,
    },
}

impl ProviderError {
    /// The class of a status; headers and body refine it (`shell::refusal`).
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            408 | 409 | 412 | 425 => Self::Conflict { status },
            429 => Self::RateLimited {
                wait: Duration::ZERO,
            },
            400..=499 => Self::Invalid {
                status,
                kind: None,
                words: Words::default(),
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
            | Self::SignIn { .. }
            | Self::RateLimited { .. }
            | Self::Invalid { .. } => true,
            Self::Conflict { status } => *status != 408,
            Self::Unavailable { .. } => false,
        }
    }

    /// The instruction that follows, in the product's words.
    #[must_use]
    pub fn instruction(self, names: &Names) -> Instruction {
        let name = names.title;
        match self {
            // The session asks whose the token is before a job meets this (`shell::sign_in`).
            Self::Unauthorized => Self::SignIn {
                status: Some(401),
                retry_after: None,
            }
            .instruction(names),
            Self::SignIn {
                status,
                retry_after,
            } => Instruction::Retry(
                Failure::new(
                    "provider_unavailable",
                    sign_in(name, status),
                    retried(names),
                )
                .not_before(retry_after.map(clamp_retry_after)),
            ),
            Self::Forbidden => Instruction::Fail(Failure::new(
                "provider_forbidden",
                format!("{name} refused for lack of permissions"),
                format!(
                    "reconnect {name} with a user that has {} permissions",
                    names.permissions
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
                RETRIED,
            )),
            Self::RateLimited { wait } => Instruction::Limited { pause: wait },
            Self::Invalid { status, words, .. } => Instruction::Fail(Failure {
                provider_words: words.sealed,
                ..Failure::new(
                    "provider_invalid",
                    format!("{name} refused the data (HTTP {status}): {}", words.detail),
                    "correct the named fields in CaseHug and retry",
                )
            }),
            Self::Unreachable => Instruction::Retry(Failure::new(
                "provider_unavailable",
                format!("{name} cannot be reached"),
                retried(names),
            )),
            Self::Unavailable {
                status,
                retry_after,
            } => Instruction::Retry(
                Failure::new(
                    "provider_unavailable",
                    unavailable(name, status),
                    retried(names),
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

fn sign_in(name: &str, status: Option<u16>) -> String {
    match status {
        Some(401) => format!("{name} refused a token that it had just given out (HTTP 401)"),
        Some(status) => format!("{name}'s sign-in had an error (HTTP {status})"),
        None => format!("{name}'s sign-in did not answer"),
    }
}

fn retried(names: &Names) -> String {
    match names.status_page {
        Some(page) => format!("{RETRIED}; see {page}"),
        None => format!("{RETRIED}; see {}'s status page", names.title),
    }
}

/// The authorisation is gone.
fn needs_reconnect(name: &str) -> Failure {
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
    /// The provider does not show a record: come back. `first`: the wait for this record begins.
    #[error("not seen yet")]
    NotSeen { wait: Duration, first: bool },
    /// Never under this lease.
    #[error("the call was not permitted")]
    Stopped(StopReason),
    /// Token trouble that only a person can mend: the connection is parked.
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
    /// True when a failed creation certainly left nothing behind.
    pub(super) fn proves_no_effect(&self) -> bool {
        match self {
            Self::Provider(error) => error.proves_no_effect(),
            // Refused by our own deadline, before anything was sent.
            Self::Stopped(_) => true,
            Self::Later { .. }
            | Self::NotSeen { .. }
            | Self::NeedsReconnect
            | Self::Database(_)
            | Self::Decided(_) => false,
        }
    }

    /// The instruction that follows.
    #[must_use]
    pub fn instruction(self, names: &Names) -> Instruction {
        match self {
            Self::Provider(error) => error.instruction(names),
            Self::Later { wait, reason } => Instruction::Snooze {
                wait,
                reason,
                anew: false,
            },
            Self::NotSeen { wait, first } => Instruction::Snooze {
                wait,
                reason: Waiting::Provider,
                anew: first,
            },
            Self::Stopped(StopReason::Cancelled) => Instruction::Skipped(SkipReason::Cancelled),
            Self::Stopped(StopReason::ConnectionChanged | StopReason::LeaseLost) => {
                Instruction::Snooze {
                    wait: Duration::ZERO,
                    reason: Waiting::Shutdown,
                    anew: false,
                }
            }
            Self::Stopped(StopReason::Paused) => Instruction::Snooze {
                wait: Duration::ZERO,
                reason: Waiting::Paused,
                anew: false,
            },
            Self::NeedsReconnect => Instruction::NeedsReconnect(needs_reconnect(names.title)),
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
        let class = |status| match ProviderError::of_status(status).instruction(&Names::UNKNOWN) {
            Instruction::Retry(_) => "retry",
            Instruction::Fail(_) => "fail",
            Instruction::Limited { .. } => "limited",
            Instruction::NeedsReconnect(_) => "needs_reconnect",
            Instruction::Done(_) | Instruction::Skipped(_) | Instruction::Snooze { .. } => "other",
        };
        for status in 400..600 {
            let expected = match status {
                429 => "limited",
                401 | 408 | 409 | 412 | 425 | 500.. => "retry",
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
