use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::stream;
use md5::Md5;
use reqwest::{Body, Client, RequestBuilder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::play::{Grant, Play, Reply, send};

const FIELDS: &str =
    "fields=id,latest_document_version{uuid,put_url,put_headers,multiparts,fully_uploaded}";
const PART: usize = 5 * 1024 * 1024;

struct Upload {
    path: String,
    version: Value,
}

async fn announce(play: &Play, grant: &Grant, more: Value) -> Upload {
    let client = play.contact(grant, "Ann", "ann@example.com").await;
    let matter = play.matter(grant, client).await;
    let mut data = json!({"name": "intake.pdf", "parent": {"id": matter, "type": "Matter"}});
    data.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let made = play
        .post(grant, &format!("documents.json?{FIELDS}"), data)
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let version = made.body["data"]["latest_document_version"].clone();
    Upload {
        path: format!("documents/{}.json?{FIELDS}", made.id()),
        version,
    }
}

/// As the storage wants it: an own client without a token, and exactly the headers given.
fn put(target: &Value, body: impl Into<Body>) -> RequestBuilder {
    let request = Client::new().put(target["put_url"].as_str().unwrap());
    let headers = target["put_headers"].as_array().unwrap();
    headers
        .iter()
        .fold(request, |request, header| {
            request.header(
                header["name"].as_str().unwrap(),
                header["value"].as_str().unwrap(),
            )
        })
        .body(body)
}

async fn complete(play: &Play, grant: &Grant, upload: &Upload) -> Reply {
    let data = json!({"uuid": upload.version["uuid"], "fully_uploaded": true});
    play.patch(grant, &upload.path, data).await
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[tokio::test]
async fn a_document_appears_after_three_steps() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let upload = announce(&play, &grant, json!({})).await;

    let early = complete(&play, &grant, &upload).await;
    let stored = send(put(&upload.version, "the bytes")).await.unwrap();
    let done = complete(&play, &grant, &upload).await;
    let again = complete(&play, &grant, &upload).await;

    assert_eq!(early.error(), (422, "UploadNotFoundError"));
    assert_eq!(stored.status, 200, "{}", stored.text);
    assert_eq!(
        done.body["data"]["latest_document_version"]["fully_uploaded"],
        true
    );
    assert_eq!(
        done.body["data"]["latest_document_version"]["put_url"],
        Value::Null
    );
    assert_eq!(again.error(), (422, "ArgumentError"));
    assert_eq!(play.get(&grant, "documents").await.ids(), [done.id()]);
    let shown = &play.shown("state").await["documents"][0];
    assert_eq!(shown["sha256"], sha256(b"the bytes"));
    assert_eq!(
        (&shown["size"], &shown["fully_uploaded"]),
        (&json!(9), &json!(true))
    );
}

#[tokio::test]
async fn the_storage_refuses_what_was_not_signed_exactly_so() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let upload = announce(&play, &grant, json!({})).await;
    let url = upload.version["put_url"].as_str().unwrap();
    let chunks = stream::iter([Ok::<_, std::io::Error>(Bytes::from("x"))]);

    for (what, request) in [
        ("no headers", Client::new().put(url).body("x")),
        ("bearer", put(&upload.version, "x").bearer_auth("token")),
        ("chunked", put(&upload.version, Body::wrap_stream(chunks))),
        (
            "unsigned",
            put(&upload.version, "x").header("x-amz-meta-a", "1"),
        ),
        (
            "twice",
            Client::new()
                .put(url)
                .header("Content-Type", "text/html")
                .body("x"),
        ),
        (
            "changed",
            Client::new()
                .put(url.replace("Expires=6", "Expires=7"))
                .body("x"),
        ),
    ] {
        let reply = send(request).await.unwrap();
        assert_eq!(reply.status, 403, "{what}");
        assert!(
            reply.text.contains("<Code>SignatureDoesNotMatch</Code>"),
            "{what} {}",
            reply.text
        );
    }
    assert_eq!(complete(&play, &grant, &upload).await.status, 422);
}

#[tokio::test]
async fn an_expired_address_is_refused_and_another_look_gives_a_fresh_one() {
    let play = Play::start().await;
    let grant = play.connect().await;
    play.control("change", json!({"put_url_ttl_secs": 0})).await;
    let upload = announce(&play, &grant, json!({})).await;

    let late = send(put(&upload.version, "x")).await.unwrap();
    play.control("change", json!({"put_url_ttl_secs": 600}))
        .await;
    let fresh = play.get(&grant, &upload.path).await;
    let stored = send(put(&fresh.body["data"]["latest_document_version"], "x"))
        .await
        .unwrap();

    assert_eq!(late.status, 403);
    assert!(late.text.contains("Request has expired"));
    assert_eq!(stored.status, 200);
}

#[tokio::test]
async fn parts_come_in_any_order_may_be_repeated_and_are_hashed_in_theirs() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let (one, two, three) = (vec![1; PART], vec![2; PART], vec![3; 7]);
    let md5 = BASE64_STANDARD.encode(Md5::digest(&one));
    let parts = json!([
        {"part_number": 1, "content_length": PART, "content_md5": md5},
        {"part_number": 2, "content_length": PART.to_string()},
    ]);
    let upload = announce(&play, &grant, json!({"multiparts": parts})).await;
    let announced = upload.version["multiparts"].as_array().unwrap().clone();
    let more = json!({
        "uuid": upload.version["uuid"], "fully_uploaded": false,
        "multiparts": [{"part_number": 3, "content_length": 7}],
    });
    let more = play.patch(&grant, &upload.path, more).await;
    let third = more.body["data"]["latest_document_version"]["multiparts"].clone();

    assert_eq!(
        send(put(&third[0], three.clone())).await.unwrap().status,
        200
    );
    assert_eq!(
        send(put(&announced[0], one.clone())).await.unwrap().status,
        200
    );
    assert_eq!(
        complete(&play, &grant, &upload).await.error(),
        (422, "UploadNotFoundError")
    );
    let wrong = send(put(&announced[0], vec![9; PART])).await.unwrap();
    assert_eq!(
        send(put(&announced[1], vec![8; PART]))
            .await
            .unwrap()
            .status,
        200
    );
    assert_eq!(
        send(put(&announced[1], two.clone())).await.unwrap().status,
        200
    );
    let short = send(
        Client::new()
            .put(announced[1]["put_url"].as_str().unwrap())
            .body("x"),
    );
    assert_eq!(short.await.unwrap().status, 403);
    let done = complete(&play, &grant, &upload).await;

    assert_eq!(third.as_array().unwrap().len(), 1);
    assert!(
        wrong.text.contains("<Code>BadDigest</Code>"),
        "{}",
        wrong.text
    );
    assert_eq!(done.status, 200, "{}", done.text);
    let shown = &play.shown("state").await["documents"][0];
    assert_eq!(shown["sha256"], sha256(&[one, two, three].concat()));
    let spooled = std::fs::read_dir(play.folder.path().join("spool")).unwrap();
    assert_eq!(
        spooled.count(),
        1,
        "only the folder for what comes in is left"
    );
}

#[tokio::test]
async fn a_transfer_that_breaks_leaves_nothing() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let upload = announce(&play, &grant, json!({})).await;

    let broken = stream::iter([Ok(Bytes::from("ha")), Err(std::io::Error::other("gone"))]);
    let request = put(&upload.version, Body::wrap_stream(broken)).header("Content-Length", "4");
    let outcome = send(request).await;

    assert!(outcome.is_err());
    assert_eq!(
        complete(&play, &grant, &upload).await.error(),
        (422, "UploadNotFoundError")
    );
}

#[tokio::test]
async fn a_document_as_parent_means_a_new_version() {
    let play = Play::start().await;
    let grant = play.connect().await;
    let upload = announce(&play, &grant, json!({})).await;
    send(put(&upload.version, "one")).await.unwrap();
    let first = complete(&play, &grant, &upload).await.id();

    let data = json!({"name": "intake.pdf", "parent": {"id": first, "type": "Document"}});
    let made = play
        .post(&grant, &format!("documents?{FIELDS}"), data)
        .await;
    let version = made.body["data"]["latest_document_version"].clone();
    let second = Upload {
        path: upload.path.clone(),
        version,
    };
    send(put(&second.version, "two")).await.unwrap();
    complete(&play, &grant, &second).await;

    assert_eq!(made.id(), first);
    assert_eq!(
        play.shown("state").await["documents"][0]["sha256"],
        sha256(b"two")
    );
}
