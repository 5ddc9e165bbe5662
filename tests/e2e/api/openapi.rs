//! The API's description, kept beside the tests so that no change of it goes unseen.

use reqwest::Method;
use serde_json::Value;

use crate::asking::start_without_workers;

/// After an intended change of the API, write the file anew: `UPDATE_OPENAPI=1 cargo test --test api openapi`.
const UPDATE: &str = "UPDATE_OPENAPI";

#[tokio::test]
async fn openapi_is_as_committed() {
    let app = start_without_workers().await;
    let committed = harness::repository()
        .unwrap()
        .join("tests/e2e/api/openapi.json");

    let answer = app
        .send(app.ask(Method::GET, "/openapi.json"))
        .await
        .unwrap();
    let text = format!("{}\n", serde_json::to_string_pretty(&answer.body).unwrap());
    if std::env::var_os(UPDATE).is_some_and(|value| value == "1") {
        std::fs::write(&committed, &text).unwrap();
    }

    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/json");
    let known = std::fs::read_to_string(&committed).unwrap();
    let different = known
        .lines()
        .zip(text.lines())
        .find(|(known, now)| known != now);
    assert!(
        known == text,
        "{UPDATE}=1 writes it anew; the first difference: {different:#?}"
    );
}

#[tokio::test]
async fn openapi_says_that_events_come_one_by_one_or_in_an_array() {
    let app = start_without_workers().await;

    let document = app
        .send(app.ask(Method::GET, "/openapi.json"))
        .await
        .unwrap()
        .body;

    let content = &document["paths"]["/api/v1/events"]["post"]["requestBody"]["content"];
    let schema = resolved(&document, &content["application/json"]["schema"]);
    let forms = schema["oneOf"]
        .as_array()
        .or_else(|| schema["anyOf"].as_array());
    let array = forms
        .into_iter()
        .flatten()
        .find(|form| form["type"] == "array");
    let array = array.unwrap_or_else(|| panic!("no array in {schema}"));
    assert_eq!(
        (&array["minItems"], &array["maxItems"]),
        (&1.into(), &1_000.into())
    );
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}
