//! A file dropped into the folder of a running server is imported.

use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::TestFolder;
use crate::support::files::{gzip, many, products, row};
use crate::support::process::{Serving, handler, run, stderr};

/// Asks until the answer is as wanted; a minute is far more than it ever takes.
async fn until(url: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        if wanted(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "{url}: {answer}");
        tokio::task::yield_now().await;
    }
}

fn products_in_all(counts: &Value) -> u64 {
    counts.as_array().unwrap().iter().map(|count| count["total_products"].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn dropped_and_renamed_files_are_imported_by_the_server() {
    let folder = TestFolder::new();
    let serving = Serving::start(folder.data.path());
    let counts = format!("{}/category/count", serving.url);
    until(&counts, |now| products_in_all(now) == 200).await; // the sample

    std::fs::write(folder.data.imports().join("a.csv.gz"), gzip(many(500).as_bytes())).unwrap();
    until(&counts, |now| products_in_all(now) == 500).await;

    let beside = folder.file("b.csv", products(&[&row("NEW1", "x", "1", 3)]));
    std::fs::rename(beside, folder.data.imports().join("b.csv")).unwrap();
    until(&counts, |now| products_in_all(now) == 501).await;

    // Another content under the same name is another upload.
    std::fs::write(folder.data.imports().join("b.csv"), products(&[&row("NEW2", "x", "1", 3)]))
        .unwrap();
    until(&counts, |now| products_in_all(now) == 502).await;
}

/// The database is locked by another program for longer than the server waits.
#[tokio::test]
async fn a_file_dropped_while_the_database_is_locked_is_imported_afterwards() {
    let folder = TestFolder::new();
    let serving = Serving::start(folder.data.path());
    let counts = format!("{}/category/count", serving.url);
    until(&counts, |now| products_in_all(now) == 200).await;
    let db = rusqlite::Connection::open(folder.data.database()).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    let beside = folder.file("a.csv", many(50));
    std::fs::rename(beside, folder.data.imports().join("a.csv")).unwrap();
    serving.until_it_says("import stopped");
    db.execute_batch("ROLLBACK").unwrap();
    until(&counts, |now| products_in_all(now) == 50).await;
}

/// CONTRACT 6.1: within the bound of a second, though the server has the old answer at hand.
#[tokio::test]
async fn an_import_beside_a_server_is_seen_by_it() {
    let folder = TestFolder::new();
    let serving = Serving::start(folder.data.path());
    let counts = format!("{}/category/count", serving.url);
    until(&counts, |now| products_in_all(now) == 200).await;
    let file = folder.file("a.csv", many(5_000));
    let Output { status, .. } = run(handler(folder.data.path()).arg("import").arg(&file));
    let ended = Instant::now();
    assert!(status.success());
    loop {
        let asked = Instant::now();
        let now: Value = reqwest::get(&counts).await.unwrap().json().await.unwrap();
        if products_in_all(&now) == 5_000 {
            break;
        }
        assert!(asked - ended < Duration::from_secs(1), "older than the bound: {now}");
    }
}

#[tokio::test]
async fn a_run_that_was_left_behind_is_taken_up_at_the_start() {
    let folder = TestFolder::new();
    let file = folder.file("a.csv", many(5_000));
    {
        // A run that died long ago, two batches in.
        use vitrine::clock::Clock;
        let clock = Clock::standing_at(crate::support::SOME_DAY);
        let store: std::sync::Arc<dyn vitrine::store::Store> = folder.store_at(clock);
        let state = vitrine::import::source::Source::File(file.clone()).state().await.unwrap();
        crate::contract_store::begin(&store, &state.uri, &state.etag).await;
    }
    let serving = Serving::start(folder.data.path());
    let counts = format!("{}/category/count", serving.url);
    until(&counts, |now| products_in_all(now) == 5_000).await;
}

#[test]
fn a_second_server_on_the_same_port_says_so() {
    let folder = TestFolder::new();
    let serving = Serving::start(folder.data.path());
    let address = serving.url.strip_prefix("http://").unwrap();
    let second = run(handler(folder.data.path()).arg("serve").env("VITRINE_LISTEN", address));
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains("cannot listen on"), "{}", stderr(&second));
}
