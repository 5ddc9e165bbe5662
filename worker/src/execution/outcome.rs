//! The one `match` that turns a job's instruction into the database change (design: outcomes).

use std::time::Duration;

use crate::retry;
use serde_json::{Map, json};
use shared::db::{Database, DbError, connections};
use shared::domain::job::{Job, LeasedJob};
use shared::domain::outcome::{CallRecord, Failure, Instruction, Waiting};
use shared::queue::{Attempt, Outcome};

/// What an execution left beside its instruction.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) duration: Duration,
    pub(crate) calls: Vec<CallRecord>,
}

/// Pauses that an instruction asks for are written before the outcome: they are harmless when repeated.
pub(crate) async fn prepare(
    database: &Database,
    job: &LeasedJob,
    instruction: &Instruction,
) -> Result<(), DbError> {
    match instruction {
        // A server error with Retry-After pauses the connection; a 429 has paused its bucket already.
        Instruction::Retry(Failure {
            retry_after: Some(wait),
            ..
        }) => {
            let mut db = database.worker().await?;
            connections::pause(
                &mut db,
                job.firm_id,
                job.connection_id,
                "retry_after",
                *wait,
            )
            .await?;
            db.commit().await
        }
        Instruction::Done(_)
        | Instruction::Skipped(_)
        | Instruction::Snooze { .. }
        | Instruction::Limited { .. }
        | Instruction::Retry(_)
        | Instruction::Fail(_)
        | Instruction::NeedsReconnect(_) => Ok(()),
    }
}

/// The database change of an execution. `fraction` is the jitter's random number.
pub(crate) fn decide(
    job: &LeasedJob,
    instruction: Instruction,
    ran: Ran,
    fraction: f64,
) -> Outcome {
    let blank = blank(job, ran);
    match instruction {
        Instruction::Done(report) => Outcome {
            effect: "delete",
            log_status: "success",
            external_id: report.external_id,
            details: report.details,
            follow_ups: report.follow_ups,
            requeue_code: report.requeue_code,
            attempt: Attempt {
                outcome: "done",
                ..blank.attempt
            },
            ..blank
        },
        Instruction::Skipped(reason) => Outcome {
            effect: "delete",
            log_status: "skipped",
            code: Some(reason.code().into()),
            attempt: Attempt {
                outcome: "skipped",
                ..blank.attempt
            },
            ..blank
        },
        Instruction::Snooze {
            reason,
            anew: false,
            ..
        } if has_waited_enough(job, reason) => failed(blank, waited_in_vain(reason)),
        Instruction::Snooze { wait, reason, anew } => Outcome {
            waits_anew: anew,
            ..snoozed(blank, wait, reason)
        },
        Instruction::Limited { kept: true, .. } if job.limited >= retry::MAX_LIMITED => {
            let failure = Failure::new(
                "provider_limited",
                "the provider's rate limit was reached again and again",
                "wait a few minutes and retry",
            );
            failed(blank, failure)
        }
        Instruction::Limited { pause, kept } => {
            let limited = job.limited + i32::from(kept);
            Outcome {
                limited,
                ..snoozed(blank, pause, Waiting::Limited)
            }
        }
        Instruction::Retry(failure) => retried(job, blank, failure, fraction),
        Instruction::Fail(failure) => failed(
            Outcome {
                counted: true,
                ..blank
            },
            failure,
        ),
        Instruction::NeedsReconnect(failure) => Outcome {
            code: Some(failure.code.into()),
            message: Some(failure.message),
            ..later(
                blank,
                Duration::ZERO,
                Waiting::NeedsReconnect,
                "needs_reconnect",
            )
        },
    }
}

/// The time counts from the first of the waits for this reason.
fn has_waited_enough(job: &LeasedJob, reason: Waiting) -> bool {
    let waited = match job.waited {
        // Another reason with a limit: this one begins anew.
        Some((before, _)) if before != reason && before.limit().is_some() => Duration::ZERO,
        Some((_, waited)) => waited,
        None => Duration::ZERO,
    };
    reason.limit().is_some_and(|limit| waited >= limit)
}

fn waited_in_vain(reason: Waiting) -> Failure {
    if reason == Waiting::Provider {
        return Failure::new(
            "not_visible",
            "the provider has accepted the record and does not show it",
            "retry in a while: CaseHug looks for it again and sends nothing twice",
        );
    }
    Failure::new(
        "timed_out",
        "another job has been creating the same record for an hour",
        "retry; if it fails again, contact support@calmintake.com",
    )
}

fn retried(job: &LeasedJob, blank: Outcome, failure: Failure, fraction: f64) -> Outcome {
    let attempts = job.attempts + 1;
    let counted = Outcome {
        counted: true,
        ..blank
    };
    if attempts >= retry::MAX_ATTEMPTS || job.age >= retry::GIVE_UP_AFTER {
        return failed(counted, failure.given_up());
    }
    let delay = retry::delay(attempts, fraction).max(failure.retry_after.unwrap_or_default());
    Outcome {
        code: Some(failure.code.into()),
        message: Some(failure.message),
        ..later(counted, delay, Waiting::Retry, "retry")
    }
}

/// The history keeps what it waited for.
fn snoozed(blank: Outcome, wait: Duration, reason: Waiting) -> Outcome {
    Outcome {
        code: Some(reason.as_str().into()),
        ..later(blank, wait, reason, "snooze")
    }
}

fn later(blank: Outcome, wait: Duration, reason: Waiting, outcome: &'static str) -> Outcome {
    Outcome {
        effect: "later",
        log_status: "pending",
        delay_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        waiting_for: Some(reason.as_str()),
        attempt: Attempt {
            outcome,
            ..blank.attempt
        },
        ..blank
    }
}

fn failed(blank: Outcome, failure: Failure) -> Outcome {
    let mut details = Map::from_iter([("resolution".to_owned(), json!(failure.resolution))]);
    if let Some(sealed) = failure.provider_words {
        details.insert("provider_words".to_owned(), json!({ "sealed": sealed }));
    }
    if let Some(suspected) = failure.suspected {
        details.insert("suspected".to_owned(), json!(suspected));
    }
    Outcome {
        effect: "fail",
        log_status: "failed",
        code: Some(failure.code.into()),
        message: Some(failure.message),
        details,
        attempt: Attempt {
            outcome: "fail",
            ..blank.attempt
        },
        ..blank
    }
}

fn blank(job: &LeasedJob, ran: Ran) -> Outcome {
    Outcome {
        lane: job.lane.clone(),
        fence: job.fence,
        job_id: job.id,
        effect: "later",
        delay_ms: 0,
        waiting_for: None,
        counted: false,
        limited: 0,
        log_status: "pending",
        code: None,
        message: None,
        external_id: None,
        details: Map::new(),
        attempt: Attempt {
            duration_ms: u64::try_from(ran.duration.as_millis()).unwrap_or(u64::MAX),
            outcome: "",
            calls: ran.calls,
        },
        follow_ups: Vec::new(),
        requeue_code: None,
        probe: job.work == Job::Probe,
        published: job.work.kind().is_published(),
        continue_lane: false,
        waits_anew: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::probe;

    fn job(attempts: i32, limited: i32) -> LeasedJob {
        LeasedJob {
            attempts,
            limited,
            ..probe("lane", 1)
        }
    }

    fn decided(job: &LeasedJob, instruction: Instruction) -> Outcome {
        let ran = Ran {
            duration: Duration::ZERO,
            calls: Vec::new(),
        };
        decide(job, instruction, ran, 1.0)
    }

    fn failure() -> Failure {
        Failure::new("provider_unavailable", "no answer", "wait")
    }

    #[test]
    fn a_retry_counts_and_waits_and_the_eighth_one_fails() {
        let first = decided(&job(0, 0), Instruction::Retry(failure()));
        let eighth = decided(&job(7, 0), Instruction::Retry(failure()));

        assert_eq!(
            (first.effect, first.counted, first.delay_ms),
            ("later", true, 5_000)
        );
        assert_eq!(
            (eighth.effect, eighth.counted, eighth.log_status),
            ("fail", true, "failed")
        );
    }

    #[test]
    fn a_snooze_counts_no_attempt() {
        let snooze = Instruction::Snooze {
            wait: Duration::from_secs(3),
            reason: Waiting::Limited,
            anew: false,
        };
        let outcome = decided(&job(5, 2), snooze);

        assert_eq!(
            (outcome.effect, outcome.counted, outcome.delay_ms),
            ("later", false, 3_000)
        );
        assert_eq!(outcome.limited, 0);
    }

    #[test]
    fn a_wait_with_a_limit_ends_and_another_reason_begins_anew() {
        let snoozed = |waited, reason| {
            let job = LeasedJob {
                waited,
                ..job(0, 0)
            };
            let wait = Duration::from_secs(1);
            let anew = false;
            decided(&job, Instruction::Snooze { wait, reason, anew }).code
        };
        let (just, long, hours) = (
            Duration::from_secs(119),
            Duration::from_secs(120),
            Duration::from_hours(40),
        );

        for (waited, reason, code) in [
            (None, Waiting::Provider, "provider"),
            (
                Some((Waiting::Provider, just)),
                Waiting::Provider,
                "provider",
            ),
            (
                Some((Waiting::Provider, long)),
                Waiting::Provider,
                "not_visible",
            ),
            // A limit between two looks is no new beginning.
            (
                Some((Waiting::Limited, long)),
                Waiting::Provider,
                "not_visible",
            ),
            (Some((Waiting::Doubt, long)), Waiting::Provider, "provider"),
            (Some((Waiting::Doubt, hours)), Waiting::Doubt, "timed_out"),
            (
                Some((Waiting::Contact, hours)),
                Waiting::Contact,
                "timed_out",
            ),
            (
                Some((Waiting::Provider, hours)),
                Waiting::Limited,
                "limited",
            ),
            (Some((Waiting::Paused, hours)), Waiting::Paused, "paused"),
        ] {
            assert_eq!(snoozed(waited, reason).as_deref(), Some(code), "{reason:?}");
        }
    }

    #[test]
    fn the_third_429_after_a_full_wait_fails_the_job() {
        let limited = || Instruction::Limited {
            pause: Duration::from_secs(60),
            kept: true,
        };

        assert_eq!(decided(&job(0, 2), limited()).effect, "later");
        let outcome = decided(&job(0, 3), limited());
        assert_eq!(
            (outcome.effect, outcome.code.as_deref()),
            ("fail", Some("provider_limited"))
        );
    }

    #[test]
    fn a_providers_retry_after_is_the_least_wait() {
        let failure = failure().not_before(Some(Duration::from_secs(90)));

        assert_eq!(
            decided(&job(0, 0), Instruction::Retry(failure)).delay_ms,
            90_000
        );
    }

    #[test]
    fn a_job_older_than_a_day_is_given_up() {
        let old = LeasedJob {
            age: Duration::from_hours(25),
            ..job(1, 0)
        };

        assert_eq!(decided(&old, Instruction::Retry(failure())).effect, "fail");
    }
}
