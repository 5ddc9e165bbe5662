//! What a program says of its settings: every mistake at once, by name, and never a value.

use std::time::Duration;

use harness::{Process, built_program};

const INGRESS: &str = "casehug-ingress";
const WORKER: &str = "casehug-worker";
const SOON: Duration = Duration::from_secs(20);
const SECRET: &str = "short-secret";
const PASSWORD: &str = "pass-word-of-the-database";

/// What a program answered: its exit code, and all that it wrote.
async fn run(
    program: &str,
    arguments: &[&str],
    settings: &[(&str, &str)],
) -> (Option<i32>, String) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let environment: Vec<(String, String)> = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let path = built_program(program).unwrap();
    let process = Process::spawn(program, &path, arguments, &environment, folder.path()).unwrap();
    let status = process.wait(SOON).await.unwrap();
    (status.code(), process.lines().join("\n"))
}

fn right(program: &str) -> Vec<(&'static str, &'static str)> {
    let mut settings = vec![
        (
            "DATABASE_URL",
            "postgres://casehug:secret@127.0.0.1:1/casehug",
        ),
        (
            "TOKEN_KEYS",
            "k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=",
        ),
    ];
    settings.extend(match program {
        INGRESS => vec![
            ("LISTEN", "127.0.0.1:0"),
            ("OPS_LISTEN", "127.0.0.1:0"),
            ("PUBLIC_URL", "https://casehug.test"),
            ("DASHBOARD_URL", "https://app.casehug.test"),
            (
                "AUTH_JWT_SECRET",
                "a-secret-of-the-tests-that-has-enough-bytes",
            ),
            ("AUTH_ISSUER", "casehug"),
            ("AUTH_AUDIENCE", "integrations"),
        ],
        _ => vec![
            ("OPS_LISTEN", "127.0.0.1:0"),
            ("STORAGE_URL", "file:///files"),
            ("DIGEST_KEY", "IB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgE="),
        ],
    });
    settings
}

/// Values that cannot be, of settings that the program reads.
fn wrong(program: &str) -> Vec<(&'static str, &'static str)> {
    let mut settings = vec![
        (
            "DATABASE_URL",
            "mysql://casehug:pass-word-of-the-database@127.0.0.1/casehug",
        ),
        ("DATABASE_DIRECT_URL", "nonsense"),
        (
            "REDIS_URL",
            "http://casehug:pass-word-of-the-database@127.0.0.1",
        ),
        ("TOKEN_KEYS", "k1:c2hvcnQ="),
        ("OPS_LISTEN", "nowhere"),
        ("CLIO_CLIENT_ID", "an-id-without-its-secret"),
        ("CLIO_EU_CLIENT_SECRET", "a-secret-without-its-id"),
        ("CLIO_BUDGET", "many"),
        ("CLIO_BASE_URL", "http://example.com/clio"),
        ("ALLOW_TEST_PROVIDERS", "perhaps"),
        ("MIGRATE", "yes"),
        ("LOG_FORMAT", "xml"),
        ("RUST_LOG", "info,,=["),
    ];
    settings.extend(match program {
        INGRESS => vec![
            ("LISTEN", "8080"),
            ("PUBLIC_URL", "mailto:casehug@example.com"),
            ("DASHBOARD_URL", "app.casehug.test"),
            ("AUTH_JWT_SECRET", SECRET),
            ("CALLER_LIMIT_PER_MINUTE", "0"),
            ("INBOX", "carrier-pigeon"),
            ("INBOX_FALLBACK_MS", "soon"),
        ],
        _ => vec![
            ("STORAGE_URL", "gopher://files"),
            ("DIGEST_KEY", "c2hvcnQ="),
            ("WORKER_CONCURRENCY", "0"),
            ("LEASE_SECONDS", "-1"),
            ("SHUTDOWN_GRACE_SECONDS", "long"),
            ("LINKS_DOUBT_SINCE", "yesterday"),
        ],
    });
    settings
}

/// What a mistake is reported under: a half of a pair names the other half.
fn reported_as(name: &str) -> &str {
    match name {
        "CLIO_CLIENT_ID" => "CLIO_CLIENT_SECRET",
        "CLIO_EU_CLIENT_SECRET" => "CLIO_EU_CLIENT_ID",
        other => other,
    }
}

#[tokio::test]
async fn all_that_is_missing_is_named_at_once() {
    for (program, missing) in [
        (
            INGRESS,
            vec![
                "DATABASE_URL",
                "TOKEN_KEYS",
                "PUBLIC_URL",
                "DASHBOARD_URL",
                "AUTH_JWT_SECRET",
                "AUTH_JWKS_URL",
                "AUTH_ISSUER",
                "AUTH_AUDIENCE",
            ],
        ),
        (
            WORKER,
            vec!["DATABASE_URL", "TOKEN_KEYS", "DIGEST_KEY", "STORAGE_URL"],
        ),
    ] {
        let (code, text) = run(program, &[], &[]).await;

        assert_eq!(code, Some(1), "{program}: {text}");
        for name in missing {
            assert!(text.contains(name), "{name} in {program}: {text}");
        }
    }
}

#[tokio::test]
async fn all_that_is_wrong_is_named_at_once() {
    for program in [INGRESS, WORKER] {
        let mut settings = right(program);
        settings.extend(wrong(program));

        let (code, text) = run(program, &[], &settings).await;

        let unnamed: Vec<&str> = wrong(program)
            .iter()
            .map(|(name, _)| reported_as(name))
            .filter(|name| !text.contains(name))
            .collect();
        assert_eq!((code, unnamed), (Some(1), vec![]), "{program}: {text}");
    }
}

#[tokio::test]
async fn each_mistake_alone_is_named_too() {
    let mut unnamed = Vec::new();
    for program in [INGRESS, WORKER] {
        for (name, value) in wrong(program) {
            let mut settings = right(program);
            settings.retain(|(other, _)| *other != name);
            settings.push((name, value));

            let (code, text) = run(program, &[], &settings).await;

            if code != Some(1) || !text.contains(reported_as(name)) {
                unnamed.push(format!("{program} {name}={value}: {code:?} {text}"));
            }
        }
    }
    assert!(unnamed.is_empty(), "{unnamed:#?}");
}

#[tokio::test]
async fn no_value_of_a_wrong_setting_is_repeated() {
    for program in [INGRESS, WORKER] {
        let mut settings = right(program);
        settings.extend(wrong(program));

        let (_, text) = run(program, &[], &settings).await;

        for value in [SECRET, PASSWORD, "c2hvcnQ=", "a-secret-without-its-id"] {
            assert!(!text.contains(value), "{value} in {program}: {text}");
        }
    }
}

#[tokio::test]
async fn two_kinds_of_keys_exclude_each_other() {
    let mut settings = right(INGRESS);
    settings.push(("AUTH_JWKS_URL", "https://auth.casehug.test/keys"));

    let (code, text) = run(INGRESS, &[], &settings).await;

    assert_eq!(code, Some(1));
    assert!(
        text.contains("AUTH_JWT_SECRET") && text.contains("AUTH_JWKS_URL"),
        "{text}"
    );
}

#[tokio::test]
async fn the_help_of_both_programs_lists_every_setting() {
    // Those of later platforms come with them.
    let settings = [
        "DATABASE_URL",
        "DATABASE_DIRECT_URL",
        "REDIS_URL",
        "INBOX",
        "INBOX_FALLBACK_MS",
        "LISTEN",
        "OPS_LISTEN",
        "PUBLIC_URL",
        "DASHBOARD_URL",
        "AUTH_JWT_SECRET",
        "AUTH_JWKS_URL",
        "AUTH_ISSUER",
        "AUTH_AUDIENCE",
        "TOKEN_KEYS",
        "STORAGE_URL",
        "CLIO_CLIENT_ID",
        "CLIO_CLIENT_SECRET",
        "CLIO_EU_",
        "CLIO_CA_",
        "CLIO_AU_",
        "CLIO_BASE_URL",
        "CLIO_BUDGET",
        "ALLOW_TEST_PROVIDERS",
        "LINKS_DOUBT_SINCE",
        "CALLER_LIMIT_PER_MINUTE",
        "WORKER_CONCURRENCY",
        "LEASE_SECONDS",
        "SHUTDOWN_GRACE_SECONDS",
        "MIGRATE",
        "LOG_FORMAT",
        "RUST_LOG",
    ];

    for program in [INGRESS, WORKER] {
        let (code, text) = run(program, &["--help"], &[]).await;

        assert_eq!(code, Some(0), "{program}: {text}");
        for name in settings {
            assert!(text.contains(name), "{name} in {program}: {text}");
        }
    }
}
