//! The table of settings: documentation and `--help` at once.

use std::fmt::Write as _;

/// Every setting: name, default, meaning. `--help` prints it, and a test holds the README's table to it.
pub const SETTINGS: &[(&str, &str, &str)] = &[
    (
        "DATABASE_URL",
        "required",
        "Postgres; may be a transaction pooler",
    ),
    (
        "DATABASE_DIRECT_URL",
        "DATABASE_URL",
        "Postgres for LISTEN and migrations, past any pooler",
    ),
    (
        "REDIS_URL",
        "",
        "second inbox, for ingress and workers: redis://[user:password@]host:port[/database], rediss:// for TLS; needs appendonly yes and noeviction",
    ),
    (
        "INBOX",
        "postgres",
        "ingress: where events are appended first, postgres or redis",
    ),
    (
        "INBOX_FALLBACK_MS",
        "250",
        "ingress: milliseconds that the first inbox has before the other one is asked too",
    ),
    ("LISTEN", "127.0.0.1:8080", "ingress: the public port"),
    (
        "OPS_LISTEN",
        "127.0.0.1:9080, worker 127.0.0.1:9081",
        "health, readiness, metrics",
    ),
    (
        "PUBLIC_URL",
        "required by ingress",
        "where browsers and providers reach us",
    ),
    (
        "DASHBOARD_URL",
        "required by ingress",
        "where a connect lands",
    ),
    (
        "AUTH_JWT_SECRET",
        "this or AUTH_JWKS_URL",
        "HS256 secret of 32 bytes or more",
    ),
    (
        "AUTH_JWKS_URL",
        "",
        "https:// address of a key set for RS256, ES256, EdDSA",
    ),
    (
        "AUTH_JWKS_REFRESH_SECONDS",
        "300",
        "how often the key set is fetched; a new key has to be published this long before it signs, and a key that is taken out is trusted until the next fetch",
    ),
    ("AUTH_ISSUER", "required by ingress", "the tokens' iss"),
    ("AUTH_AUDIENCE", "required by ingress", "the tokens' aud"),
    (
        "TOKEN_KEYS",
        "required",
        "id:base64 of 32 bytes,…; the first seals",
    ),
    (
        "DIGEST_KEY",
        "required by workers",
        "base64 of 32 bytes: keys the digests on links; another one is refused, for life",
    ),
    (
        "STORAGE_URL",
        "required by workers",
        "file:///folder or s3://bucket/prefix",
    ),
    (
        "CLIO_CLIENT_ID, CLIO_CLIENT_SECRET",
        "not configured",
        "the US application; CLIO_EU_…, CLIO_CA_…, CLIO_AU_… likewise",
    ),
    (
        "CLIO_BUDGET",
        "50/60s",
        "calls a window until headers say more",
    ),
    (
        "CLIO_VISIBILITY_DELAY_SECONDS",
        "30",
        "how long after a write its effect may still appear in a search",
    ),
    (
        "ALLOW_TEST_PROVIDERS",
        "0",
        "1: loopback providers, for tests and demo",
    ),
    (
        "CLIO_BASE_URL",
        "",
        "a loopback Clio; needs ALLOW_TEST_PROVIDERS=1",
    ),
    (
        "LINKS_DOUBT_SINCE",
        "",
        "RFC 3339 time of a restore: links made since are looked for before a create",
    ),
    (
        "CALLER_LIMIT_PER_MINUTE",
        "600",
        "requests a minute of one caller",
    ),
    (
        "MAX_CONNECTIONS",
        "4096",
        "ingress: connections at a time, fewer where the process may open fewer files; each costs up to 32 KiB",
    ),
    (
        "TRUSTED_PROXIES",
        "",
        "ingress: networks of proxies, comma-separated, whose X-Forwarded-For names the caller; without it callers without a token are counted by the proxy's address",
    ),
    (
        "WORKER_CONCURRENCY",
        "64",
        "jobs that one worker runs at a time",
    ),
    (
        "LEASE_SECONDS",
        "15",
        "how long a silent worker keeps its lanes",
    ),
    (
        "SHUTDOWN_GRACE_SECONDS",
        "25",
        "how long running jobs, and answers of ingress, may go on after SIGTERM",
    ),
    (
        "RETENTION_LOGS_DAYS",
        "365",
        "how long the sync log and its attempts are kept",
    ),
    (
        "RETENTION_ACTIVITY_DAYS",
        "365",
        "the same for other operations, and for recorded breaches",
    ),
    (
        "RETENTION_EVENTS_DAYS",
        "30",
        "the same for events; at least 30, because their ids are unique for 30 days",
    ),
    (
        "RETENTION_FAILED_JOBS_DAYS",
        "90",
        "how long a failed job can be retried",
    ),
    (
        "RETENTION_WEBHOOK_EVENTS_DAYS",
        "30",
        "how long webhooks and their sealed payloads are kept",
    ),
    (
        "RETENTION_SEALED_DAYS",
        "30",
        "how long providers' sealed words are kept in logs",
    ),
    ("MIGRATE", "0", "1: apply migrations at start"),
    ("LOG_FORMAT", "json", "json or pretty"),
    (
        "RUST_LOG",
        "info",
        "log filter; HTTP crates never speak below warn",
    ),
];

/// The text of `--help` behind the usage line.
#[must_use]
pub fn help() -> String {
    SETTINGS.iter().fold(
        "Settings (environment):\n".to_owned(),
        |mut text, (name, default, meaning)| {
            let _ = writeln!(text, "  {name:<36} {meaning} [{default}]");
            text
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the README has it.
    fn markdown() -> String {
        SETTINGS.iter().fold(
            "| name | default | for |\n|---|---|---|\n".to_owned(),
            |mut text, (name, default, meaning)| {
                let names = name.replace(", ", "`, `");
                let _ = writeln!(text, "| `{names}` | {default} | {meaning} |");
                text
            },
        )
    }

    #[test]
    fn the_readme_has_the_same_table_as_the_help() {
        let readme = include_str!("../../../README.md");

        assert!(
            readme.contains(&markdown()),
            "put this into README.md:\n{}",
            markdown()
        );
    }
}
