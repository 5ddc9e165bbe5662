//! The platform's breaker: when most firms get no answer the platform's work waits as one, one job tries, then the load comes back.

use std::time::Duration;

use harness::app::Person;
use harness::eventually;
use serde_json::json;
use sqlx::Row;
use uuid::Uuid;

use crate::support::{SOON, TestApp, start};

const FIRMS: usize = 4;

async fn firms_with_approvals(app: &TestApp) -> Vec<Uuid> {
    let (mut firms, mut uploads) = (Vec::new(), Vec::new());
    for number in 0..FIRMS {
        let firm = app.firm().await.unwrap();
        let login = json!({ "login": { "account_id": 8000 + number, "account_name": "Firm" } });
        app.change(&login).await.unwrap();
        app.connect(firm).await.unwrap();
        let person = Person::new("Ann", "Lee", Some(&format!("ann{number}@example.com")));
        let client = app.client(firm, &person).await.unwrap();
        for name in ["One", "Two"] {
            let matter = app.matter(firm, client, name, None).await.unwrap();
            let bytes = format!("{name} of {number}");
            uploads.push(
                app.upload(matter, "a.pdf", None, bytes.as_bytes())
                    .await
                    .unwrap(),
            );
        }
        firms.push(firm);
    }
    let outage = json!({ "status": 503 });
    app.fault("GET", "/api/v4/", 1_000_000, &outage)
        .await
        .unwrap();
    app.fault("POST", "/api/v4/", 1_000_000, &outage)
        .await
        .unwrap();
    app.clear_clio_calls().await.unwrap();
    app.approve(&uploads).await.unwrap();
    firms
}

/// The breaker's row: how often it was tried in vain, and whether a worker is trying now.
async fn breaker(app: &TestApp) -> Option<(i32, bool)> {
    let row = sqlx::query(
        "select tries, trying is not null as trying from pauses where scope = 'platform:clio' and reason = 'breaker'",
    )
    .fetch_optional(&app.admin)
    .await
    .unwrap()?;
    Some((row.get("tries"), row.get("trying")))
}

/// The wait is over, and so are the waits of the jobs: what holds them now is the breaker alone.
async fn end_waits(app: &TestApp) {
    for statement in [
        "update jobs set run_at = now() - interval '1 s'",
        "update lanes set ready_at = now() - interval '1 s' where ready_at is not null",
        "update pauses set try_at = now() where reason = 'breaker'",
    ] {
        sqlx::query(statement).execute(&app.admin).await.unwrap();
    }
}

#[tokio::test]
async fn a_platform_that_answers_nobody_waits_as_one_and_is_tried_with_one_job() {
    let app = start().await;
    firms_with_approvals(&app).await;
    eventually(SOON, || async { breaker(&app).await })
        .await
        .unwrap();
    app.counted("select count(*) from lanes where worker is not null", 0)
        .await;
    app.clear_clio_calls().await.unwrap();

    end_waits(&app).await;
    eventually(SOON, || async {
        (breaker(&app).await? == (1, false)).then_some(())
    })
    .await
    .unwrap();
    let tried = app.clio_calls().await.unwrap();
    app.clear_faults().await.unwrap();
    end_waits(&app).await;
    app.settled(SOON).await.unwrap();

    assert_eq!(tried.len(), 1, "one job tries with one call: {tried:?}");
    assert_eq!(breaker(&app).await, None);
    assert_eq!(
        app.clio_counts().await.unwrap(),
        (FIRMS, 2 * FIRMS, 2 * FIRMS)
    );
    app.finish().await;
}

#[tokio::test]
async fn one_firm_in_trouble_is_no_outage() {
    let app = start().await;
    let firms = firms_with_approvals(&app).await;
    eventually(SOON, || async { breaker(&app).await })
        .await
        .unwrap();
    app.clear_faults().await.unwrap();
    end_waits(&app).await;
    app.settled(SOON).await.unwrap();
    let client = app
        .client(firms[0], &Person::new("Bo", "Lee", None))
        .await
        .unwrap();
    let matter = app.matter(firms[0], client, "Three", None).await.unwrap();
    let upload = app.upload(matter, "b.pdf", None, b"b").await.unwrap();
    app.fault(
        "POST",
        "/api/v4/documents.json",
        1,
        &json!({ "status": 503 }),
    )
    .await
    .unwrap();

    app.approve(&[upload]).await.unwrap();
    let waits = "select count(*) from jobs where waiting_for = 'retry'";
    app.counted(waits, 1).await;
    app.settled(SOON + Duration::from_secs(10)).await.unwrap();

    assert_eq!(breaker(&app).await, None);
    app.finish().await;
}
