//! What a provider refuses, classified once; and the one mapping from a refusal to a job's instruction.

use std::time::Duration;

use crate::domain::outcome::{Failure, Instruction, RETRIED, SkipReason, Waiting};
use crate::limit::clamp_retry_after;
use crate::providers::Names;
use crate::queue::StopReason;

/// A provider's message, prepared for people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Words {
    /// The error's type, and the names of fields that CaseHug sent and that the message names.
    pub detail: String,
    /// In full, sealed: for the firm's admins alone.
    pub sealed: Option<String>,
}

impl Words {
    /// A sentence of ours, and behind it what may be shown of the provider's words.
    #[must_use]
    pub fn after(&self, sentence: String) -> String {
        if self.detail.is_empty() {
            sentence
        } else {
            format!("{sentence}: {}", self.detail)
        }
    }
}

/// How long a job rests whose API is gone: an operator has to act.
const RETIRED_REST: Duration = Duration::from_mins(1);

/// A provider's refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// 401.
    #[error("the provider refused the token")]
    Unauthorized,
    /// 403.
    #[error("the provider forbids it")]
    Forbidden { words: Words },
    /// 404.
    #[error("the provider has no such record")]
    NotFound,
    /// 408, 409, 412, 425, and error types that the provider's documents call temporary.
    #[error("the provider was busy with the record")]
    Conflict { status: u16, words: Words },
    /// 410: the platform no longer has this version of its API.
    #[error("the provider has retired this version of its API")]
    Retired,
    /// 429. `kept`: the wait is what the platform asked for, or a whole window; nothing where it asked for none.
    #[error("the provider's limit was reached")]
    RateLimited { wait: Duration, kept: bool },
    /// Any other 4xx. `own_shape`: the platform itself says so, and nothing in between.
    #[error("the provider refused the data")]
    Invalid {
        status: u16,
        kind: Option<String>,
        own_shape: bool,
        words: Words,
    },
    /// It answered, and the answer is not understood.
    #[error("the provider's answer is not understood")]
    Unreadable,
    /// The platform's storage of files, which took no bytes.
    #[error("the provider's storage is unavailable")]
    Storage { status: Option<u16> },
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
            403 => Self::Forbidden {
                words: Words::default(),
            },
            404 => Self::NotFound,
            408 | 409 | 412 | 425 => Self::Conflict {
                status,
                words: Words::default(),
            },
            410 => Self::Retired,
            429 => Self::RateLimited {
                wait: Duration::ZERO,
                kept: false,
            },
            400..=499 => Self::Invalid {
                status,
                kind: None,
                own_shape: true,
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
            | Self::Forbidden { .. }
            | Self::NotFound
            | Self::Retired
            | Self::Unreachable
            | Self::SignIn { .. }
            | Self::RateLimited { .. } => true,
            // A proxy in between may refuse an answer that it has had.
            Self::Invalid { own_shape, .. } => *own_shape,
            Self::Conflict { status, .. } => *status != 408,
            Self::Unreadable | Self::Storage { .. } | Self::Unavailable { .. } => false,
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
            Self::Forbidden { words } => Instruction::Fail(
                Failure::new(
                    "provider_forbidden",
                    words.after(format!("{name} refused for lack of permissions")),
                    format!(
                        "reconnect {name} with a user that has {} permissions, unless {name}'s own words name another cause",
                        names.permissions
                    ),
                )
                .with_words(words.sealed),
            ),
            Self::NotFound => Instruction::Fail(Failure::new(
                "provider_not_found",
                format!("the linked record was deleted at {name}"),
                "sync again to create a new one",
            )),
            Self::Conflict { status, words } => Instruction::Retry(
                Failure::new(
                    "provider_conflict",
                    words.after(format!("{name} was busy with the record (HTTP {status})")),
                    RETRIED,
                )
                .with_words(words.sealed),
            ),
            Self::Retired => Instruction::Snooze {
                wait: RETIRED_REST,
                reason: Waiting::Misconfigured,
                anew: false,
            },
            Self::RateLimited { wait, kept } => Instruction::Limited { pause: wait, kept },
            Self::Invalid { status, words, .. } => Instruction::Fail(
                Failure::new(
                    "provider_invalid",
                    words.after(format!("{name} refused the data (HTTP {status})")),
                    match status {
                        402 => format!("look at the account's bills at {name}, then retry"),
                        423 => format!("unlock the record at {name}, then retry"),
                        _ => "correct the named fields in CaseHug and retry".to_owned(),
                    },
                )
                .with_words(words.sealed),
            ),
            Self::Unreadable => Instruction::Retry(Failure::new(
                "provider_unreadable",
                format!("{name} gave an answer that CaseHug does not understand"),
                RETRIED,
            )),
            Self::Storage { status } => Instruction::Retry(Failure::new(
                "storage_unavailable",
                match status {
                    Some(status) => format!("{name}'s storage of files refused the bytes (HTTP {status})"),
                    None => format!("{name}'s storage of files did not take the bytes"),
                },
                retried(names),
            )),
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
                410 => "other",
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
