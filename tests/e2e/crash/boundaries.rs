//! The boundaries of a sync, as a recorded run tells them, without what goes on in the background.

use std::collections::BTreeMap;

use harness::{Protocol, Side};

use super::Boundary;
use super::walker::{Route, Walker};

/// A lease that took nothing is no step of a sync.
pub(super) fn rows_at_least(label: &str) -> u64 {
    u64::from(label == "COMMIT queue_lease")
}

/// Work that goes on whether there is a sync or not.
fn is_background(label: &str) -> bool {
    let names = [
        // Only where a call was late.
        "bucket_late",
        "breaker_judge",
        "firm_integrations",
        "lanes",
        "oauth_states",
        "pauses",
        "queue_heartbeat",
        "queue_end_cancelled",
        "queue_register",
        "queue_take_over",
        "schedules",
    ];
    let families = ["audit", "batch_", "gauge_", "retention_"];
    label.strip_prefix("COMMIT ").is_some_and(|name| {
        names.contains(&name) || families.iter().any(|family| name.starts_with(family))
    })
}

/// The boundaries of a sync, from a recorded run.
pub(super) async fn boundaries(route: Route) -> Vec<Boundary> {
    let walker = Walker::start(route).await;
    let matter = walker.matter(0).await;
    let upload = walker
        .app
        .upload(matter, "intake.pdf", None, b"%PDF-1.7")
        .await
        .unwrap();
    let (database_before, provider_before) =
        (walker.database.steps().len(), walker.provider.steps().len());
    walker.app.approve(&[upload]).await.unwrap();
    walker.wait_until_done().await.unwrap();
    let mut boundaries = Vec::new();
    for (protocol, steps) in [
        (
            Protocol::Postgres,
            walker.database.steps().split_off(database_before),
        ),
        (
            Protocol::Http,
            walker.provider.steps().split_off(provider_before),
        ),
    ] {
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        for step in steps {
            if is_background(&step.label) || step.rows < rows_at_least(&step.label) {
                continue;
            }
            let occurrence = seen.entry(step.label.clone()).or_default();
            *occurrence += 1;
            for side in [Side::Before, Side::After] {
                boundaries.push(Boundary {
                    protocol,
                    label: step.label.clone(),
                    occurrence: *occurrence,
                    side,
                });
            }
        }
    }
    let named: Vec<_> = boundaries.iter().step_by(2).map(|b| &*b.label).collect();
    harness::say(&format!("boundaries: {}", named.join(", ")));
    walker.app.finish().await;
    boundaries
}
