//! Every matter's jobs run one at a time and in order, whatever the number of workers.

use harness::AppSettings;
use harness::app::{Person, Upload};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use crate::support::{SOON, start_with};

const FIRMS: usize = 20;
const MATTERS: usize = 200;
const DOCUMENTS: usize = 9;
const SEED: u64 = 4_711;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_run_two_hundred_matters_of_ten_jobs_each_one_at_a_time_and_in_order() {
    harness::say(&format!("seed {SEED}"));
    let app = start_with(AppSettings {
        workers: 2,
        concurrency: 64,
        ..AppSettings::default()
    })
    .await;
    let mut random = StdRng::seed_from_u64(SEED);
    let mut clients = Vec::new();
    for number in 0..FIRMS {
        let firm = app.firm().await.unwrap();
        let login = json!({ "login": { "account_id": 8000 + number, "account_name": "Firm" } });
        app.change(&login).await.unwrap();
        app.connect(firm).await.unwrap();
        let person = Person::new("Ann", "Lee", Some("ann@example.com"));
        clients.push((firm, app.client(firm, &person).await.unwrap()));
    }
    for _ in 0..60 {
        let delay = json!({ "delay_ms": random.random_range(5..120) });
        let path =
            ["/api/v4/documents*", "/api/v4/matters*", "/storage/*"][random.random_range(0..3)];
        app.fault("*", path, random.random_range(5..40), &delay)
            .await
            .unwrap();
    }
    let mut rounds: Vec<Vec<Upload>> = vec![Vec::new(); DOCUMENTS];
    for number in 0..MATTERS {
        let (firm, client) = clients[number % FIRMS];
        let matter = app
            .matter(firm, client, &format!("Matter {number}"), None)
            .await
            .unwrap();
        for (nth, round) in rounds.iter_mut().enumerate() {
            let name = format!("{number}-{nth}.pdf");
            round.push(
                app.upload(matter, &name, None, name.as_bytes())
                    .await
                    .unwrap(),
            );
        }
    }

    // One document of every matter in each round: the jobs of a matter come apart from one another.
    for round in &rounds {
        app.approve(round).await.unwrap();
    }
    app.settled(SOON * 4).await.unwrap();

    let overlaps = app
        .count(
            "select count(*) from (
               select a.started_at, a.started_at + a.duration_ms * interval '1 ms' as ended,
                 lead(a.started_at) over (partition by g.matter_id order by a.started_at) as next
               from attempts a join integration_sync_logs g on g.id = a.job_id) x
             where x.next < x.ended - interval '2 ms'",
        )
        .await
        .unwrap();
    let disorder = app
        .count(
            // An approval that comes after the matter's own sync has sent its document finds it there: the first time counts.
            "select count(*) from (
               select u.approved_at, lag(u.approved_at) over (partition by g.matter_id order by g.finished_at) as before
               from (select matter_id, upload_id, min(finished_at) as finished_at from integration_sync_logs
                     where status = 'success' and upload_id is not null group by matter_id, upload_id) g
               join uploads u on u.id = g.upload_id) x
             where x.before > x.approved_at",
        )
        .await
        .unwrap();
    assert_eq!(
        (overlaps, disorder),
        (0, 0),
        "overlapping or disordered executions"
    );
    assert_eq!(
        app.clio_counts().await.unwrap(),
        (FIRMS, MATTERS, MATTERS * DOCUMENTS)
    );
    app.finish().await;
}
