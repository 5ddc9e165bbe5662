//! The table of metrics: names are API, and each text says when to alert. Labels never name a firm, a connection or a record.

use metrics::{describe_counter, describe_gauge, describe_histogram};

enum Kind {
    Counter,
    Gauge,
    Histogram,
}

use Kind::{Counter, Gauge, Histogram};

const TABLE: &[(Kind, &str, &str)] = &[
    (
        Counter,
        "casehug_events_accepted_total",
        "events committed to the inbox",
    ),
    (
        Gauge,
        "casehug_event_bodies_bytes",
        "bytes of event bodies that ingress is taking in; alert when near 32 MiB: callers are told to come back",
    ),
    (
        Counter,
        "casehug_inbox_appended_total",
        "events that this inbox took",
    ),
    (
        Gauge,
        "casehug_redis_inbox_usable",
        "1 while ingress could append to Redis; alert when 0 for 5 minutes",
    ),
    (
        Gauge,
        "casehug_redis_inbox_entries",
        "events that wait in Redis, as a worker last saw it; alert when it does not fall for 5 minutes",
    ),
    (
        Counter,
        "casehug_redis_inbox_moved_total",
        "events moved from Redis into the Postgres inbox",
    ),
    (
        Counter,
        "casehug_redis_inbox_dead_total",
        "entries that could not be moved and were set aside; alert when above 0",
    ),
    (
        Counter,
        "casehug_events_rejected_total",
        "events whose records did not hold; alert when they are more than a few of those relayed",
    ),
    (Counter, "casehug_events_relayed_total", "events fanned out"),
    (
        Counter,
        "casehug_http_requests_total",
        "ingress requests by route template and status; alert when 5xx are above 1 % for 5 minutes",
    ),
    (
        Counter,
        "casehug_jobs_finished_total",
        "executions by kind, outcome and platform (none: no connection was needed); alert when fail is above 5 % for 15 minutes",
    ),
    (
        Histogram,
        "casehug_job_seconds",
        "duration of an execution by kind",
    ),
    (
        Counter,
        "casehug_snoozes_total",
        "postponements by reason; alert when doubt or needs_reconnect grows for 15 minutes",
    ),
    (
        Counter,
        "casehug_leases_lost_total",
        "outcomes refused for a stale fence; alert when above 0 for 10 minutes",
    ),
    (
        Counter,
        "casehug_lanes_taken_over_total",
        "lanes freed from dead workers; alert when it grows without a deploy or a crash",
    ),
    (
        Histogram,
        "casehug_lease_seconds",
        "one round of visits, in the database; alert when p99 is above 0.1 s for 10 minutes",
    ),
    (
        Histogram,
        "casehug_finish_batch_size",
        "outcomes in one commit",
    ),
    (
        Histogram,
        "casehug_finish_seconds",
        "one commit of outcomes; alert when p99 is above 1 s for 10 minutes",
    ),
    (
        Counter,
        "casehug_provider_calls_total",
        "calls by platform and status, none without an answer; alert on any 429, and when 5xx or none are above 20 % for 10 minutes",
    ),
    (
        Histogram,
        "casehug_provider_call_seconds",
        "duration of a call by platform",
    ),
    (
        Histogram,
        "casehug_bucket_use_ratio",
        "how much of its rate limit a bucket had used when a call was permitted, by platform; alert when the median stays at 1 for an hour: work comes faster than the provider allows",
    ),
    (
        Counter,
        "casehug_breaker_changes_total",
        "a platform's breaker opened, tried or closed; alert on opened",
    ),
    (
        Counter,
        "casehug_storage_breaker_changes_total",
        "the breaker of a platform's storage of files opened, tried in vain or closed; alert on opened",
    ),
    (Counter, "casehug_token_refreshes_total", "tokens refreshed"),
    (
        Counter,
        "casehug_connections_parked_total",
        "connections that wait for a person, by what lost the authorisation: grant or refusals; alert on refusals of several firms",
    ),
    (
        Counter,
        "casehug_unreadable_rows_total",
        "times that a connection's row, or a setting in it, could not be read; alert on any",
    ),
    (
        Counter,
        "casehug_misconfigured_total",
        "times that a platform refused CaseHug's own credentials, or that no key opened a token; alert on any: no firm can mend it",
    ),
    (
        Counter,
        "casehug_batch_jobs_retried_total",
        "failed jobs that batches put back",
    ),
    (
        Counter,
        "casehug_duplicates_suspected_total",
        "links that the doubt sweep could not explain; alert when above 0",
    ),
    (
        Counter,
        "casehug_auditor_breaches_total",
        "broken invariants of the queue by rule; alert when above 0",
    ),
    (
        Gauge,
        "casehug_auditor_age_seconds",
        "since the audit of what changed, and the nightly one of everything, last ended; alert when changed is above 300, or full above 129600",
    ),
    (
        Counter,
        "casehug_retention_deleted_total",
        "rows that retention deleted, by table",
    ),
    (
        Gauge,
        "casehug_oldest_ready_lane_seconds",
        "for how long the longest-waiting due lane of a connection that is not paused has been due; alert when above 900 and growing for 15 minutes",
    ),
    (
        Gauge,
        "casehug_stuck_lanes",
        "lanes that a dead worker holds for longer than a lease, and connections due for a minute that no worker works for although nothing forbids it; alert when above 0 for 5 minutes",
    ),
    (
        Gauge,
        "casehug_lanes_held",
        "lanes that are held now, by all workers",
    ),
    (
        Gauge,
        "casehug_inbox_lag_seconds",
        "age of the oldest event that waits for the relay; alert when above 30 for 5 minutes",
    ),
    (
        Gauge,
        "casehug_workers_alive",
        "workers whose lease stands; alert when fewer than deployed for 2 minutes",
    ),
    (
        Gauge,
        "casehug_oldest_xmin_age_seconds",
        "for how long the oldest snapshot, transaction, prepared transaction or replication slot of the whole server has kept dead rows from being removed; what began before this worker counts from the worker's start; alert when above 300",
    ),
    (
        Gauge,
        "casehug_gauges_age_seconds",
        "since the gauges of the database were last read; alert when above 60: they are then out of date",
    ),
    (
        Gauge,
        "casehug_task_stuck",
        "1 for a task of this process that has made no progress for longer than its bound, and /healthz fails; alert when above 0",
    ),
];

/// Tells the exporter what each metric means.
pub(super) fn describe() {
    for (kind, name, help) in TABLE {
        match kind {
            Counter => describe_counter!(*name, *help),
            Gauge => describe_gauge!(*name, *help),
            Histogram => describe_histogram!(*name, *help),
        }
    }
}
