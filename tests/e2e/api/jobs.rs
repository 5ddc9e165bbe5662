//! The administration of jobs as its callers see it: lists, one job, acts, refusals.

use harness::eventually;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin_support::Connected;
use crate::asking::{assert_refused, nobody, start_without_workers};
use crate::support::{SOON, TestApp, start};

const JOBS: &str = "/api/v1/jobs";

impl TestApp {
    async fn jobs(&self, token: &str, query: &str) -> Vec<Value> {
        let answer = self.get(&format!("{JOBS}?{query}"), token).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["jobs"].as_array().unwrap().clone()
    }

    async fn waiting(&self, job: Uuid) -> Value {
        self.job(job).await["waiting"].clone()
    }

    async fn run_sql(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.admin).await.unwrap();
    }
}

fn ids(jobs: &[Value]) -> Vec<Uuid> {
    jobs.iter()
        .map(|job| job["id"].as_str().unwrap().parse().unwrap())
        .collect()
}

#[tokio::test]
async fn a_list_is_narrowed_by_each_filter_and_read_page_by_page_newest_first() {
    let app = start_without_workers().await;
    let (own, other) = (app.connected().await, app.connected().await);
    let mut queued = app.probes(own, 5, 1).await;
    queued.reverse();
    let failed = app.failed_probes(other, 3, 1).await;
    let (admin, operator) = (
        app.tokens.firm_admin(own.firm).unwrap(),
        app.tokens.operator().unwrap(),
    );

    assert_eq!(ids(&app.jobs(&admin, "").await), queued);
    assert_eq!(app.jobs(&operator, "").await.len(), 8);
    assert_eq!(app.jobs(&admin, "state=failed").await.len(), 0);
    for (query, count) in [
        ("state=queued", 5),
        ("state=failed", 3),
        ("state=running", 0),
        ("state=done", 0),
        ("state=skipped", 0),
        ("state=failed&code=broken", 3),
        ("state=failed&code=whole", 0),
        ("code=broken", 3),
        ("kind=probe", 8),
        ("kind=sync_matter", 0),
        ("platform=clio&state=queued", 5),
        ("platform=mycase", 0),
        ("created_before=2020-01-01T00:00:00Z", 0),
        ("created_after=2020-01-01T00:00:00Z&state=queued", 5),
    ] {
        assert_eq!(app.jobs(&operator, query).await.len(), count, "{query}");
    }
    let of_other = format!("state=failed&firm_id={}", other.firm);
    assert_eq!(app.jobs(&operator, &of_other).await.len(), failed.len());
    let nobodys = format!("matter_id={}", nobody(1));
    assert_eq!(app.jobs(&operator, &nobodys).await.len(), 0);

    for query in ["", "&state=queued"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("{JOBS}?limit=2{query}{cursor}");
            let page = app.get(&path, &admin).await.unwrap().body;
            seen.extend(ids(page["jobs"].as_array().unwrap()));
            let Some(next) = page["next_cursor"].as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, queued, "{query}");
    }
}

#[tokio::test]
async fn a_wrong_question_names_its_field() {
    let app = start_without_workers().await;
    let firm = app.firm().await.unwrap();
    let token = app.tokens.firm_admin(firm).unwrap();

    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=x", "cursor"),
        ("state=odd", "state"),
        ("kind=odd", "kind"),
        ("matter_id=7", "matter_id"),
        ("created_after=today", "created_after"),
    ] {
        let answer = app.get(&format!("{JOBS}?{query}"), &token).await.unwrap();
        assert_eq!(
            assert_refused(&answer, 422, "invalid_request"),
            [field],
            "{query}"
        );
    }
    for (body, field) in [
        (json!({ "filter": { "code": 7 } }), "filter.code"),
        (json!({ "filter": { "odd": "x" } }), "filter.odd"),
        (json!({ "filter": { "state": "queued" } }), "filter.state"),
        (json!({ "dry_run": "yes" }), "dry_run"),
    ] {
        let answer = app.post("/api/v1/jobs/retry", &token, &body).await.unwrap();
        assert_eq!(
            assert_refused(&answer, 422, "invalid_request"),
            [field],
            "{body}"
        );
    }
}

#[tokio::test]
async fn another_firms_job_or_batch_is_not_there() {
    let app = start_without_workers().await;
    let (own, other) = (app.connected().await, app.connected().await);
    let job = app.failed_probes(other, 1, 1).await[0];
    let operator = app.tokens.operator().unwrap();
    let path = format!("/api/v1/jobs/retry?firm_id={}", other.firm);
    let batch = app.post(&path, &operator, &json!({})).await.unwrap().body["id"].clone();
    let token = app.tokens.firm_admin(own.firm).unwrap();

    for id in [job, nobody(1)] {
        for verb in ["retry", "skip", "cancel", "run-now"] {
            assert_refused(&app.act(own.firm, id, verb).await, 404, "not_found");
        }
        for path in [
            format!("{JOBS}/{id}"),
            format!("{JOBS}/{id}/provider-words"),
        ] {
            assert_refused(&app.get(&path, &token).await.unwrap(), 404, "not_found");
        }
    }
    let path = format!("/api/v1/batches/{}", batch.as_str().unwrap());
    assert_refused(&app.get(&path, &token).await.unwrap(), 404, "not_found");
    let cancel = format!("{path}/cancel");
    assert_refused(
        &app.post(&cancel, &token, &json!({})).await.unwrap(),
        404,
        "not_found",
    );
    let counted = json!({ "dry_run": true });
    let all = app
        .post("/api/v1/jobs/retry", &token, &counted)
        .await
        .unwrap();
    assert_eq!(all.body, json!({ "counted": 0 }));
    let named = json!({ "dry_run": true, "filter": { "firm_id": other.firm } });
    let named = app
        .post("/api/v1/jobs/retry", &token, &named)
        .await
        .unwrap();
    assert_refused(&named, 404, "not_found");
    assert_eq!(app.get(&path, &operator).await.unwrap().status, 200);
    assert_eq!(app.job(job).await["state"], "failed");
}

#[tokio::test]
async fn an_act_that_does_not_fit_the_state_is_refused_and_not_recorded() {
    let app = start_without_workers().await;
    let connected = app.connected().await;
    let failed = app.failed_probes(connected, 1, 1).await[0];
    let queued = app.probes(connected, 1, 1).await[0];

    for (job, verb) in [
        (failed, "cancel"),
        (failed, "run-now"),
        (queued, "retry"),
        (queued, "skip"),
    ] {
        assert_refused(
            &app.act(connected.firm, job, verb).await,
            409,
            "wrong_state",
        );
    }
    assert_eq!(
        app.act(connected.firm, queued, "cancel").await.body,
        json!({ "outcome": "cancelled" })
    );
    assert_eq!(
        app.act(connected.firm, failed, "skip").await.body,
        json!({ "outcome": "skipped" })
    );
    for verb in ["retry", "skip", "cancel", "run-now"] {
        assert_refused(
            &app.act(connected.firm, queued, verb).await,
            409,
            "wrong_state",
        );
    }

    let of = async |job| {
        let job = app.job(job).await;
        (
            job["state"].clone(),
            job["code"].clone(),
            job["acts"].as_array().unwrap().len(),
        )
    };
    assert_eq!(of(queued).await, (json!("skipped"), json!("cancelled"), 1));
    assert_eq!(
        of(failed).await,
        (json!("skipped"), json!("skipped_by_person"), 1)
    );
    app.audit().await.unwrap();
}

#[tokio::test]
async fn failures_are_grouped_by_cause() {
    let app = start_without_workers().await;
    let connected = app.connected().await;
    app.failed_probes(connected, 7, 2).await;
    let token = app.tokens.firm_admin(connected.firm).unwrap();

    let answer = app.get("/api/v1/jobs/failures", &token).await.unwrap();

    let causes = answer.body["causes"].as_array().unwrap();
    assert_eq!(answer.body["complete"], json!(true));
    assert_eq!(causes.len(), 1, "{answer:?}");
    assert_eq!(
        (
            &causes[0]["platform"],
            &causes[0]["code"],
            &causes[0]["message"],
            &causes[0]["jobs"]
        ),
        (
            &json!("clio"),
            &json!("broken"),
            &json!("field # is broken"),
            &json!(7)
        )
    );
    let none = app
        .get("/api/v1/jobs/failures?code=whole", &token)
        .await
        .unwrap();
    assert_eq!(none.body, json!({ "causes": [], "complete": true }));
}

#[tokio::test]
async fn a_waiting_job_says_why_for_each_reason() {
    let app = start_without_workers().await;
    let connected: Connected = app.connected().await;
    let jobs = app.probes(connected, 2, 1).await;
    let (head, next) = (jobs[0], jobs[1]);

    assert_eq!(
        app.waiting(head).await,
        json!({ "why": "turn", "until": null })
    );
    assert_eq!(
        app.waiting(next).await,
        json!({ "why": format!("behind:{head}"), "until": null })
    );

    app.run_sql("update buckets set paused_until = app_now() + interval '1 hour'")
        .await;
    let limited = app.waiting(head).await;
    assert_eq!(
        (&limited["why"], limited["until"].is_string()),
        (&json!("limited"), true)
    );

    for why in ["retry", "limited", "provider", "contact", "doubt"] {
        sqlx::query("update jobs set waiting_for = $2, run_at = app_now() + interval '1 hour' where id = $1")
            .bind(head)
            .bind(why)
            .execute(&app.admin)
            .await
            .unwrap();
        let waiting = app.waiting(head).await;
        assert_eq!(
            (&waiting["why"], waiting["until"].is_string()),
            (&json!(why), true)
        );
    }

    for (why, until) in [
        ("retry_after", true),
        ("breaker", true),
        ("needs_reconnect", false),
    ] {
        sqlx::query(
            "insert into pauses (scope, reason, firm_id, until, author, created_at)
             values ('connection:' || $1::uuid, $2, $3, case when $4 then app_now() + interval '1 hour' else 'infinity' end, 'worker', app_now())",
        )
        .bind(connected.id)
        .bind(why)
        .bind(connected.firm)
        .bind(until)
        .execute(&app.admin)
        .await
        .unwrap();
        let waiting = app.waiting(head).await;
        assert_eq!(
            (&waiting["why"], waiting["until"].is_string()),
            (&json!(why), until)
        );
        app.run_sql("delete from pauses").await;
    }

    // A firm's own caller is also shown a pause that belongs to no firm.
    app.cli(&["pauses", "add", "platform:clio", "--reason", "maintenance"])
        .await
        .unwrap();
    let token = app.tokens.firm_admin(connected.firm).unwrap();
    let shown = app.get(&format!("{JOBS}/{next}"), &token).await.unwrap();
    assert_eq!(
        shown.body["waiting"],
        json!({ "why": "operator", "until": null })
    );
}

#[tokio::test]
async fn a_providers_words_are_revealed_to_the_firms_admin_alone_and_each_look_is_recorded() {
    let app = start().await;
    let matter = app.connected_matter().await.unwrap();
    let words = "description: is wrong for Ann Lee";
    let refusal = json!({ "status": 422, "body": { "error": { "type": "ArgumentError", "message": words } } });
    app.fault("POST", "/api/v4/matters.json", 1, &refusal)
        .await
        .unwrap();
    app.sync(matter).await.unwrap();
    let token = app.tokens.firm_admin(matter.firm).unwrap();
    let job = eventually(SOON, || async {
        ids(&app.jobs(&token, "state=failed").await)
            .first()
            .copied()
    })
    .await
    .unwrap();
    let path = format!("{JOBS}/{job}/provider-words");

    let answer = app.get(&path, &token).await.unwrap();
    app.get(&path, &token).await.unwrap();
    let operator = app
        .send(
            app.ask(Method::GET, &path)
                .bearer_auth(app.tokens.operator().unwrap()),
        )
        .await
        .unwrap();

    assert_eq!(answer.body, json!({ "words": words }), "{answer:?}");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_refused(&operator, 403, "forbidden");
    let shown = app.job(job).await;
    let looks = shown["acts"].as_array().unwrap();
    assert_eq!(looks.len(), 2);
    assert!(
        looks
            .iter()
            .all(|act| act["act"] == "reveal_provider_words" && act["author"] == "test-firm_admin")
    );
    assert!(!shown.to_string().contains("sealed"), "{shown}");
    app.finish().await;
}

#[tokio::test]
async fn limits_say_how_many_calls_are_left() {
    let app = start_without_workers().await;
    let (connected, other) = (app.connected().await, app.connected().await);
    let token = app.tokens.firm_admin(connected.firm).unwrap();

    let own = app.get("/api/v1/limits", &token).await.unwrap().body;
    let all = app
        .get("/api/v1/limits", &app.tokens.operator().unwrap())
        .await
        .unwrap()
        .body;

    assert_eq!(own["limits"].as_array().unwrap().len(), 1);
    let bucket = &own["limits"][0];
    assert_eq!(bucket["bucket"], format!("clio:{}", connected.id));
    assert_eq!(
        bucket["calls_left"].as_i64().unwrap() + bucket["used"].as_i64().unwrap(),
        2000
    );
    assert_eq!(all["limits"].as_array().unwrap().len(), 2, "{}", other.id);
}
