//! What the Functions host hands over, asked directly; through a host that behaves like the
//! real one in `through_host`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Response, StatusCode};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::TestFolder;
use crate::support::app::TestApp;
use crate::support::files::{gzip, many, products, row};

async fn app() -> TestApp {
    let app = TestApp::start_under_host(TestFolder::new()).await;
    // It listens before its database is there.
    while app.get("/health/ready").await.status() != StatusCode::OK {}
    app
}

async fn invoke(app: &TestApp, function: &str, body: impl Into<reqwest::Body>) -> Response {
    let url = format!("{}/{function}", app.url);
    app.client.post(url).header("content-type", "application/json").body(body).send().await.unwrap()
}

const URI: &str = "https://account.blob.core.windows.net/imports/x.csv";

/// As the host writes it: texts within texts, the content in base64.
fn envelope(uri: &str, etag: Option<&str>, content: &[u8]) -> String {
    let encoded = |text: &str| json!(json!(text).to_string());
    let mut properties = json!({"ContentLength": content.len()});
    if let Some(etag) = etag {
        properties["ETag"] = json!(etag);
    }
    json!({
        "Data": {"blob": STANDARD.encode(content)},
        "Metadata": {"Uri": encoded(uri), "name": encoded("x.csv"), "Properties": properties,
            "Metadata": {}, "sys": {"MethodName": "ImportBlob", "UtcNow": "2026-01-01T00:00:00Z"}}
    })
    .to_string()
}

/// A success must have a JSON object as its body: the host waits for ever for an empty one.
async fn success(response: Response) -> String {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/json");
    let body: Value = response.json().await.unwrap();
    assert!(body["Outputs"].is_object() && body["ReturnValue"].is_null(), "{body}");
    body["Logs"][0].as_str().unwrap().to_owned()
}

async fn failure(response: Response, status: u16, word: &str) -> String {
    assert_eq!(response.status().as_u16(), status);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["type"], format!("/problems/{word}"));
    problem["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_inline_blob_is_imported_once() {
    let app = app().await;
    let body = envelope(URI, Some("\"0x8D1\""), many(300).as_bytes());
    let said = success(invoke(&app, "ImportBlob", body.clone()).await).await;
    assert!(said.contains("is imported, read 300, loaded 300"), "{said}");
    assert_eq!(app.get("/products").await.headers()["x-total-count"], "300");
    let again = success(invoke(&app, "ImportBlob", body).await).await;
    assert!(again.contains("was dealt with before"), "{again}");
    let other = envelope(URI, Some("\"0x8D2\""), many(310).as_bytes());
    let said = success(invoke(&app, "ImportBlob", other).await).await;
    assert!(said.contains("loaded 310"), "another state of the blob is another run: {said}");
}

/// A connection by a token shows the token; the blob is the same under the next one.
#[tokio::test]
async fn a_token_in_the_address_makes_no_other_blob() {
    let app = app().await;
    for (token, expected) in [("?sv=1&sig=one", "is imported"), ("?sv=1&sig=two", "before")] {
        let body = envelope(&format!("{URI}{token}"), Some("\"0x8D1\""), many(10).as_bytes());
        let said = success(invoke(&app, "ImportBlob", body).await).await;
        assert!(said.contains(expected) && !said.contains("sig"), "{said}");
    }
}

/// The host asks as soon as somebody listens: the parts that can be opened are there by then.
#[tokio::test]
async fn the_first_request_after_the_start_is_answered() {
    for _ in 0..5 {
        let app = TestApp::start_under_host(TestFolder::new()).await;
        assert_eq!(app.get("/products").await.status(), StatusCode::OK);
        assert_eq!(app.get("/health/ready").await.status(), StatusCode::OK);
    }
}

/// Two uploads of one blob, and the first is delivered last.
#[tokio::test]
async fn an_older_upload_that_is_delivered_late_is_left() {
    let app = app().await;
    let delivered = |etag: &str, written: &str, rows: usize| {
        let mut body: Value =
            serde_json::from_str(&envelope(URI, Some(etag), many(rows).as_bytes())).unwrap();
        body["Metadata"]["Properties"]["LastModified"] = json!(written);
        invoke(&app, "ImportBlob", body.to_string())
    };
    let newer = success(delivered("0x8D2", "2026-01-01T00:00:09+00:00", 20).await).await;
    assert!(newer.contains("loaded 20"), "{newer}");
    let older = success(delivered("0x8D1", "2026-01-01T00:00:05+00:00", 10).await).await;
    assert!(older.contains("is of a newer upload"), "{older}");
    let newest = success(delivered("0x8D3", "2026-01-01T00:01:00+00:00", 30).await).await;
    assert!(newest.contains("loaded 30"), "{newest}");
}

/// The host tries again at once, five times, and then puts the upload aside: one that meets a
/// database that is away waits for it.
#[tokio::test]
async fn an_upload_waits_for_a_database_that_is_away() {
    let folder = TestFolder::new();
    std::fs::write(folder.data.database(), "this is no database").unwrap();
    let app = TestApp::start_under_host(folder).await;
    let body = envelope(URI, Some("0x8D1"), many(10).as_bytes());
    let database = app.folder.data.database();
    let mending = async {
        assert_eq!(app.get("/products").await.status(), StatusCode::SERVICE_UNAVAILABLE);
        std::fs::remove_file(database).unwrap();
    };
    let (answer, ()) = tokio::join!(invoke(&app, "ImportBlob", body), mending);
    let said = success(answer).await;
    assert!(said.contains("loaded 10"), "{said}");
}

/// A content that comes back after another one is a new state, where the envelope says when it
/// was written.
#[tokio::test]
async fn a_content_that_comes_back_is_imported_again() {
    let app = app().await;
    let content = |title: &str| products(&[&row("B1", title, "1", 1)]);
    for (title, second) in [("A lamp", 1), ("A chair", 2), ("A lamp", 3)] {
        for expected in ["is imported", "was dealt with before"] {
            let text = envelope(URI, None, content(title).as_bytes());
            let mut body: Value = serde_json::from_str(&text).unwrap();
            // As a host may write a tag that it has no form for.
            body["Metadata"]["Properties"]["ETag"] = json!({});
            body["Metadata"]["Properties"]["LastModified"] =
                json!(format!("2026-01-01T00:00:0{second}+00:00"));
            let said = success(invoke(&app, "ImportBlob", body.to_string()).await).await;
            assert!(said.contains(expected), "{title}, {second}: {said}");
        }
        assert_eq!(app.json("/products/B1").await["title"], title);
    }
}

/// Whatever is refused is read to its end, so that its sender hears the answer.
#[tokio::test]
async fn a_large_body_of_any_kind_is_answered() {
    let app = app().await;
    let pieces = |first: &'static str, piece: bytes::Bytes| {
        let pieces = std::iter::once(bytes::Bytes::from_static(first.as_bytes()))
            .chain(std::iter::repeat_n(piece, 100))
            .map(Ok::<_, std::io::Error>);
        reqwest::Body::wrap_stream(futures_util::stream::iter(pieces))
    };
    let of = |byte: u8| bytes::Bytes::from(vec![byte; 1_024 * 1_024]);
    let texts = bytes::Bytes::from("\"short\",".repeat(128 * 1_024));
    for (function, body, status) in [
        ("ImportBlob", pieces("", of(b' ')), 400),
        ("ImportBlob", pieces("", of(b'x')), 400),
        ("ImportBlob", pieces("[", texts), 400),
        ("Maintain", pieces("", of(b'x')), 400),
        ("Nope", pieces("", of(b'x')), 404),
        ("products", pieces("", of(b'x')), 401),
        ("signup", pieces("", of(b'x')), 413),
    ] {
        assert_eq!(invoke(&app, function, body).await.status().as_u16(), status, "{function}");
    }
}

#[tokio::test]
async fn without_a_state_the_content_is_known_by_its_digest() {
    let app = app().await;
    for (content, expected) in
        [(many(10), "is imported"), (many(10), "before"), (many(11), "is imported")]
    {
        let body = envelope(URI, None, content.as_bytes());
        let said = success(invoke(&app, "ImportBlob", body).await).await;
        assert!(said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn an_inline_blob_may_be_gzip_and_its_refused_rows_are_kept() {
    let app = app().await;
    let text = products(&[&row("B1", "A lamp", "1", 1), "B2,x"]);
    let body = envelope(URI, None, &gzip(text.as_bytes()));
    let said = success(invoke(&app, "ImportBlob", body).await).await;
    assert!(said.contains("loaded 1, replaced 0, rejected 1"), "{said}");
    let mut written = std::fs::read_dir(app.folder.data.rejects()).unwrap();
    let name = written.next().unwrap().unwrap().file_name().into_string().unwrap();
    assert!(name.starts_with("x.csv.") && name.ends_with(".ndjson"), "{name}");
}

/// Trying again would not help, so the host is told of a success; the run says why it failed.
#[tokio::test]
async fn a_file_that_will_never_do_fails_as_a_run_and_not_as_an_invocation() {
    let app = app().await;
    let body = envelope(URI, None, b"colour\nred\n");
    let said = success(invoke(&app, "ImportBlob", body).await).await;
    assert!(said.contains("unknown header"), "{said}");
    let db = Connection::open(app.folder.data.database()).unwrap();
    let sql = "SELECT state FROM import_run WHERE source = ?1";
    let state: String = db.query_row(sql, [URI], |row| row.get(0)).unwrap();
    assert_eq!(state, "failed");
}

#[tokio::test]
async fn an_envelope_that_names_no_readable_source_is_a_named_failure() {
    let app = app().await;
    let descriptor = json!({
        "Data": {"blob": {"Version": "1.0", "Source": "AzureStorageBlobs",
            "Content": {"Length": 95, "IsEmpty": false}}},
        "Metadata": {"Uri": json!(URI).to_string()}
    });
    for (body, status, word, detail) in [
        (String::new(), 400, "malformed-envelope", "no JSON"),
        ("{".to_owned(), 400, "malformed-envelope", "no JSON"),
        ("[1]".to_owned(), 400, "malformed-envelope", "no JSON object"),
        (json!({"Data": {}}).to_string(), 422, "no-source", "no `Uri`"),
        (descriptor.to_string(), 422, "no-source", "no account is named"),
        (envelope("https://evil.example/secrets/x.csv", None, b"x"), 422, "no-source", "imports"),
        (envelope("https://evil.example/imports/x.csv", None, b"x"), 422, "no-source", "account"),
        (envelope("not a uri", None, b"x"), 422, "no-source", "imports"),
    ] {
        let detail_given = failure(invoke(&app, "ImportBlob", body).await, status, word).await;
        assert!(detail_given.contains(detail), "{detail_given}");
    }
    assert_eq!(app.get("/products").await.status(), StatusCode::OK, "nobody else is harmed");
}

#[tokio::test]
async fn the_timer_maintains_and_takes_any_envelope() {
    let app = app().await;
    let timer = json!({
        "Data": {"timer": {"Schedule": {"AdjustForDST": true}, "ScheduleStatus": null,
            "IsPastDue": false}},
        "Metadata": {"sys": {"MethodName": "Maintain"}}
    });
    success(invoke(&app, "Maintain", timer.to_string()).await).await;
    failure(invoke(&app, "Maintain", "rubbish").await, 400, "malformed-envelope").await;
}

/// A run that came within an envelope is left alone: only its delivery has its content.
#[tokio::test]
async fn the_timer_leaves_a_run_to_its_delivery() {
    let app = app().await;
    let db = Connection::open(app.folder.data.database()).unwrap();
    db.execute(
        "INSERT INTO import_run (source, etag, attempt, state, size, created_at)
         VALUES (?1, '0x8D1', 1, 'loading', 1, 1)",
        [URI],
    )
    .unwrap();
    success(invoke(&app, "Maintain", json!({"Data": {}}).to_string()).await).await;
    let body = envelope(URI, Some("0x8D1"), many(5).as_bytes());
    let said = success(invoke(&app, "ImportBlob", body).await).await;
    assert!(said.contains("is imported, read 5"), "{said}");
}

#[tokio::test]
async fn the_hosts_functions_are_there_only_under_a_host() {
    let alone = TestApp::start_in(TestFolder::new()).await;
    let under = app().await;
    for function in ["ImportBlob", "ImportQueue", "Maintain"] {
        let body = envelope(URI, None, b"x");
        failure(invoke(&alone, function, body).await, 404, "not-found").await;
        assert_eq!(under.get(&format!("/{function}")).await.status(), StatusCode::NOT_FOUND);
    }
    for odd in ["importblob", "ImportBlob/", "ImportBlob/x", "Unknown", "ListProducts"] {
        failure(invoke(&under, odd, "{}").await, 404, "not-found").await;
    }
}

/// 40 MB that a host without references puts into the envelope, and one that is too large:
/// neither is kept, and what is around them is read.
#[tokio::test]
async fn a_content_that_is_too_large_is_left_out_and_the_rest_is_read() {
    let app = app().await;
    let body = |bytes: usize| {
        let head = r#"{"Metadata":{"Uri":"https://a.blob.core.windows.net/imports/x.csv"},"Data":{"blob":""#;
        let piece = bytes::Bytes::from(vec![b'A'; 1_024 * 1_024]);
        let pieces = std::iter::once(bytes::Bytes::from_static(head.as_bytes()))
            .chain(std::iter::repeat_n(piece, bytes / (1_024 * 1_024)))
            .chain([bytes::Bytes::from_static(br#""}}"#)])
            .map(Ok::<_, std::io::Error>);
        reqwest::Body::wrap_stream(futures_util::stream::iter(pieces))
    };
    let large = invoke(&app, "ImportBlob", body(40 * 1_024 * 1_024)).await;
    let detail = failure(large, 422, "no-source").await;
    assert!(detail.contains("no account is named"), "{detail}");
    let (one, other) = tokio::join!(
        invoke(&app, "ImportBlob", body(20 * 1_024 * 1_024)),
        invoke(&app, "ImportBlob", body(20 * 1_024 * 1_024))
    );
    failure(one, 422, "no-source").await;
    failure(other, 422, "no-source").await;
    let too_large = app
        .client
        .post(format!("{}/ImportBlob", app.url))
        .body(body(200 * 1_024 * 1_024))
        .send()
        .await
        .unwrap();
    failure(too_large, 413, "too-large").await;
}

#[tokio::test]
async fn a_ping_is_answered_from_memory_while_the_database_is_away() {
    let folder = TestFolder::new();
    std::fs::write(folder.data.database(), "this is no database").unwrap();
    let app = TestApp::start_with(folder, |settings| {
        settings.under_host = true;
        settings.import_patience = Duration::ZERO;
    })
    .await;
    let ping = app.json("/").await;
    assert_eq!(ping["name"], "Vitrine");
    assert_eq!(app.get("/health").await.status(), StatusCode::OK);
    assert_eq!(app.get("/health/ready").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    for path in ["/products", "/categories", "/products/B1", "/category/count"] {
        let answer = app.get(path).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(answer.headers().contains_key("retry-after"));
    }
    let body = envelope(URI, None, many(5).as_bytes());
    failure(invoke(&app, "ImportBlob", body).await, 503, "unavailable").await;
    // Somebody puts the folder right; nobody starts the process again.
    std::fs::remove_file(app.folder.data.database()).unwrap();
    while app.get("/health/ready").await.status() != StatusCode::OK {}
    assert_eq!(app.get("/products").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_schema_that_is_too_new_is_a_503_under_a_host() {
    let folder = TestFolder::new();
    drop(folder.store());
    let db = Connection::open(folder.data.database()).unwrap();
    db.execute_batch("UPDATE meta SET value = '99' WHERE name IN ('schema', 'oldest_handler')")
        .unwrap();
    let app = TestApp::start_under_host(folder).await;
    assert_eq!(app.get("/products").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(app.get("/").await.status(), StatusCode::OK);
}

/// What a fuzzer has found worth keeping, `tests/fuzz/corpus/envelope`.
#[test]
fn whatever_comes_is_an_envelope_or_a_named_refusal() {
    let corpus =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus/envelope");
    let mut read = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        match vitrine::host::read_envelope(&bytes) {
            Ok(envelope) => drop(envelope.blob("blob")),
            Err(refused) => assert!(!refused.to_string().is_empty()),
        }
        read += 1;
    }
    assert!(read >= 12, "the corpus is there");
}
