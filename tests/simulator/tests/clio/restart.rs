use serde_json::{Value, json};

use crate::play::Play;

#[tokio::test]
async fn a_restart_finds_everything() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let client = play.contact(&grant, "Ann", "ann@example.com").await;
    let matter = play.matter(&grant, client).await;
    let gone = play.contact(&grant, "Bob", "bob@example.com").await;
    play.control("change", json!({"delete": {"kind": "contact", "id": gone}}))
        .await;
    let before = play.shown("state").await;

    let play = play.restart().await;
    let after = play.shown("state").await;
    let next = play.contact(&grant, "Cy", "cy@example.com").await;

    for kind in ["contacts", "matters", "documents", "practice_areas"] {
        assert_eq!(after[kind], before[kind]);
    }
    assert!(next > gone && next > matter);
}

#[tokio::test]
async fn a_reset_forgets_everything() {
    let play = Play::start().await;
    let grant = play.connect().await;
    play.contact(&grant, "Ann", "ann@example.com").await;

    play.control("change", json!({"reset": true})).await;

    assert_eq!(play.shown("state").await["contacts"], json!([]));
    assert_eq!(play.get(&grant, "users/who_am_i").await.status, 401);
}

#[tokio::test]
async fn the_record_has_a_line_per_request_and_no_secret() {
    let play = Play::start().await;
    let code = play.code().await;
    let tokens = play.exchange(&code).await.body;
    let grant = play.connect().await;
    let client = play.contact(&grant, "Ann", "ann@example.com").await;
    let matter = play.matter(&grant, client).await;
    let data = json!({"name": "a.pdf", "parent": {"id": matter, "type": "Matter"}});
    play.post(
        &grant,
        "documents?fields=id,latest_document_version{put_url}",
        data,
    )
    .await;

    let text = std::fs::read_to_string(play.record_file()).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();

    assert_eq!(json!(lines), play.shown("requests").await);
    for secret in [&code, &grant.access, &grant.refresh, "client_secret=secret"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(!text.contains(tokens["access_token"].as_str().unwrap()));
    assert!(
        !text
            .replace("Signature=[redacted]", "")
            .contains("Signature=")
    );
    let line = &lines[lines.len() - 2];
    assert_eq!(line["url"], "https://app.clio.com/api/v4/matters.json");
    assert_eq!(
        (&line["platform"], &line["status"]),
        (&json!("clio"), &json!(201))
    );
    assert_eq!(line["body"]["data"]["description"], "Divorce");
    assert_eq!(line["headers"]["authorization"], "[redacted]");
}
