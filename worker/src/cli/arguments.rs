//! What can be said on the command line.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand};
use shared::clock;
use shared::db::pauses::PauseScope;
use shared::domain::job::JobKind;
use shared::domain::{FirmId, MatterId, Platform};
use shared::queue::admin::{JobFilter, JobState};
use uuid::Uuid;

/// Takes jobs, serialises the work of one matter, respects every limit, and writes what happened.
#[derive(Debug, Parser)]
#[command(name = "casehug-worker", after_help = shared::config::help())]
pub(super) struct Arguments {
    /// Print JSON, in the shapes of the HTTP API
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Who acts, for the activity log [default: the user of the system]
    #[arg(long = "as", value_name = "NAME", global = true)]
    pub(super) author: Option<String>,
    /// One firm's records alone [default: all firms']
    #[arg(long, value_name = "ID", global = true)]
    pub(super) firm: Option<Uuid>,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Take jobs until SIGTERM (the default)
    Run,
    /// Run the jobs that two workers died with, one at a time, until none waits; a worker starts this itself
    RunAlone {
        /// The worker on this machine that starts it
        #[arg(long, value_name = "ID", hide = true)]
        started_by: Option<Uuid>,
    },
    /// Apply migrations and end; needs DATABASE_URL alone
    Migrate,
    /// Look for broken invariants of the queue; exit 1 when there are any
    Audit {
        /// Mend what can be proved, and record it
        #[arg(long)]
        repair: bool,
    },
    /// See jobs and act on them; needs DATABASE_URL alone, as all below
    Jobs {
        #[command(subcommand)]
        verb: JobsVerb,
    },
    /// Follow the retry of many jobs, or stop it
    Batches {
        #[command(subcommand)]
        verb: BatchesVerb,
    },
    /// Hold work back, and let it go on
    Pauses {
        #[command(subcommand)]
        verb: PausesVerb,
    },
    /// How the rate limits stand: calls left, paused until
    Limits,
}

#[derive(Debug, Subcommand)]
pub(super) enum JobsVerb {
    /// Jobs that match, newest first
    List {
        /// queued, running, failed, done or skipped
        #[arg(long, value_parser = parse_word::<JobState>)]
        state: Option<JobState>,
        #[command(flatten)]
        filter: Filter,
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=10_000))]
        limit: i32,
        /// next_cursor of the page before
        #[arg(long)]
        cursor: Option<String>,
    },
    /// One job with its attempts, and why it waits
    Show { id: Uuid },
    /// Put a failed job at its lane's end, with its history
    Retry { id: Uuid },
    /// Retry all failed jobs that match, in their order and within the rate limits
    RetryAll {
        #[command(flatten)]
        filter: Filter,
        /// Only count
        #[arg(long)]
        dry_run: bool,
    },
    /// Give a failed job up
    Skip { id: Uuid },
    /// End a waiting job; a running one stops at its next call
    Cancel { id: Uuid },
    /// Let a waiting job not wait for its own time
    RunNow { id: Uuid },
    /// Say which record at the provider is the one that a job with `duplicate_suspected` has created, and retry the job
    Adopt { id: Uuid, external_id: String },
    /// Failed jobs by cause
    Failures {
        #[command(flatten)]
        filter: Filter,
    },
    /// Enqueue jobs that do nothing, to see a worker turn; needs --firm
    Probe {
        #[arg(long, value_name = "ID")]
        connection: Uuid,
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(shared::queue::admin::MOST_PROBES)))]
        count: u32,
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(shared::queue::admin::MOST_PROBES)))]
        lanes: u32,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum BatchesVerb {
    /// A batch and its progress
    Show { id: Uuid },
    /// Stop a batch: what it has made ready goes on, the rest stays failed
    Cancel { id: Uuid },
}

#[derive(Debug, Subcommand)]
pub(super) enum PausesVerb {
    /// The pauses that hold now
    List,
    /// Hold work back: all, platform:clio or connection:ID
    Add {
        #[arg(value_parser = parse_scope)]
        scope: PauseScope,
        /// For people
        #[arg(long)]
        reason: String,
        /// When it ends by itself (RFC 3339)
        #[arg(long, conflicts_with = "lasting")]
        until: Option<DateTime<Utc>>,
        /// How long it lasts: 90s, 15m, 2h, 7d
        #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
        lasting: Option<Duration>,
    },
    /// Lift a person's pause
    Remove {
        #[arg(value_parser = parse_scope)]
        scope: PauseScope,
    },
}

/// Which jobs.
#[derive(Debug, Args)]
pub(super) struct Filter {
    /// clio, lawmatics, smokeball or mycase
    #[arg(long, value_parser = parse_word::<Platform>)]
    platform: Option<Platform>,
    /// sync_matter, sync_document, …
    #[arg(long, value_parser = parse_word::<JobKind>)]
    kind: Option<JobKind>,
    #[arg(long, value_name = "ID")]
    matter: Option<Uuid>,
    /// The error code
    #[arg(long)]
    code: Option<String>,
    /// Made longer ago than this: 90s, 15m, 2h, 7d
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    older_than: Option<Duration>,
    /// Made within this time
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    newer_than: Option<Duration>,
}

impl Filter {
    pub(super) fn of(self, firm_id: Option<FirmId>, state: Option<JobState>) -> JobFilter {
        JobFilter {
            firm_id,
            state,
            platform: self.platform,
            kind: self.kind,
            matter_id: self.matter.map(MatterId),
            code: self.code,
            created_after: self.newer_than.map(|age| clock::wall_now() - age),
            created_before: self.older_than.map(|age| clock::wall_now() - age),
        }
    }
}

/// A word as the API spells it.
fn parse_word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|_| "no such word".to_owned())
}

fn parse_scope(text: &str) -> Result<PauseScope, String> {
    PauseScope::parse(text)
        .filter(|scope| *scope != PauseScope::Platform(Platform::Test))
        .ok_or_else(|| "must be all, platform:<name> or connection:<id>".to_owned())
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let form = || "must look like 90s, 15m, 2h or 7d".to_owned();
    let unit = text.chars().last().ok_or_else(form)?;
    let number: u32 = text
        .strip_suffix(unit)
        .and_then(|number| number.parse().ok())
        .ok_or_else(form)?;
    let secs: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(form()),
    };
    // A thousand years and more are no age of a job.
    let longest = Duration::from_secs(36_500 * 86_400);
    Some(Duration::from_secs(u64::from(number) * secs))
        .filter(|duration| *duration <= longest)
        .ok_or_else(form)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn without_a_word_the_worker_runs() {
        assert!(Arguments::parse_from(["casehug-worker"]).command.is_none());
    }

    #[test]
    fn times_are_numbers_with_a_unit() {
        assert_eq!(parse_duration("15m"), Ok(Duration::from_mins(15)));
        assert_eq!(parse_duration("7d"), Ok(Duration::from_hours(168)));
        for text in ["", "m", "15", "1.5h", "-1h", "15mm", "99999999d", "15 m"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn words_are_those_of_the_api() {
        assert_eq!(parse_word::<JobState>("failed"), Ok(JobState::Failed));
        assert_eq!(
            parse_word::<JobKind>("sync_matter"),
            Ok(JobKind::SyncMatter)
        );
        assert!(parse_word::<Platform>("word").is_err());
    }
}
