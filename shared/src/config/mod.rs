//! Settings: from the environment, all mistakes named at once in one message.

mod table;

mod common;
mod ingress;
mod providers;
mod retention;
mod worker;

mod reader;

pub use common::{Common, LogFormat};
pub use ipnet::IpNet;

pub use ingress::{AuthKeys, InboxChoice, IngressConfig};
pub use table::{SETTINGS, help};
pub use worker::WorkerConfig;

use reader::Reader;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limit::Budget;
    use crate::providers::registry;

    const KEY: &str = "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const DIGEST_KEY: &str = "IB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgE=";

    fn variables<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| {
            pairs
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn every_mistake_is_named_in_one_message() {
        let error = WorkerConfig::read(
            &registry::shipped(),
            variables(&[
                ("TOKEN_KEYS", "nonsense"),
                ("DIGEST_KEY", "c2hvcnQ="),
                ("LEASE_SECONDS", "0"),
                ("CLIO_CLIENT_ID", "id"),
                ("MIGRATE", "yes"),
                ("RETENTION_EVENTS_DAYS", "29"),
            ]),
        )
        .unwrap_err();

        for name in [
            "DATABASE_URL",
            "TOKEN_KEYS",
            "DIGEST_KEY",
            "LEASE_SECONDS",
            "CLIO_CLIENT_SECRET",
            "MIGRATE",
            "STORAGE_URL",
            "RETENTION_EVENTS_DAYS",
        ] {
            assert!(error.contains(name), "{name} in {error}");
        }
    }

    #[test]
    fn a_worker_starts_with_four_settings() {
        let config = WorkerConfig::read(
            &registry::shipped(),
            variables(&[
                ("DATABASE_URL", "postgres://localhost/casehug"),
                ("TOKEN_KEYS", KEY),
                ("DIGEST_KEY", DIGEST_KEY),
                ("STORAGE_URL", "file:///files"),
            ]),
        )
        .unwrap();

        assert_eq!(config.lease, Duration::from_secs(15));
        assert_eq!(
            config.common.providers[0].budget,
            Budget {
                calls: 50,
                window: Duration::from_mins(1)
            }
        );
    }

    #[test]
    fn redis_is_the_first_choice_only_where_it_is_named() {
        let mut pairs = vec![
            ("DATABASE_URL", "postgres://localhost/casehug"),
            ("TOKEN_KEYS", KEY),
            ("PUBLIC_URL", "https://casehug.test"),
            ("DASHBOARD_URL", "https://app.casehug.test"),
            ("AUTH_JWT_SECRET", "a-secret-that-has-enough-bytes-for-it"),
            ("AUTH_ISSUER", "casehug"),
            ("AUTH_AUDIENCE", "integrations"),
            ("INBOX", "redis"),
        ];

        let error = IngressConfig::read(&registry::shipped(), variables(&pairs)).unwrap_err();
        pairs.push(("REDIS_URL", "redis://:pass-word@127.0.0.1:6379/1"));
        let config = IngressConfig::read(&registry::shipped(), variables(&pairs)).unwrap();

        assert!(error.contains("INBOX"), "{error}");
        assert_eq!(config.inbox, InboxChoice::Redis);
        assert_eq!(config.inbox_fallback, Duration::from_millis(250));
        assert!(!format!("{config:?}").contains("pass-word"));
    }

    /// The kernel may send for a send deadline longer than a worker does.
    #[test]
    fn a_visibility_delay_below_two_send_deadlines_is_refused() {
        let name = "CLIO_VISIBILITY_DELAY_SECONDS";
        for (delay, refused) in [("0", true), ("5", true), ("6", false), ("30", false)] {
            let read = WorkerConfig::read(
                &registry::shipped(),
                variables(&[
                    ("DATABASE_URL", "postgres://localhost/casehug"),
                    ("TOKEN_KEYS", KEY),
                    ("DIGEST_KEY", DIGEST_KEY),
                    ("STORAGE_URL", "file:///files"),
                    (name, delay),
                ]),
            );
            let said = read.err().unwrap_or_default();
            assert_eq!(said.contains(name), refused, "{delay}: {said}");
        }
    }

    #[test]
    fn a_test_provider_outside_loopback_or_unasked_is_refused() {
        for (base, allow) in [
            ("http://127.0.0.1:1/clio", "0"),
            ("http://example.com/clio", "1"),
        ] {
            let error = WorkerConfig::read(
                &registry::shipped(),
                variables(&[
                    ("DATABASE_URL", "postgres://localhost/casehug"),
                    ("TOKEN_KEYS", KEY),
                    ("DIGEST_KEY", DIGEST_KEY),
                    ("STORAGE_URL", "file:///files"),
                    ("CLIO_BASE_URL", base),
                    ("ALLOW_TEST_PROVIDERS", allow),
                ]),
            )
            .unwrap_err();
            assert!(error.contains("CLIO_BASE_URL"), "{error}");
        }
    }
}
