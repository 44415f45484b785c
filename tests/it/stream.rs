//! Whole lists, streamed as NDJSON and CSV.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::{Response, StatusCode};
use serde_json::Value;
use vitrine::catalog::Asin;
use vitrine::store::Store;

use crate::support::TestFolder;
use crate::support::app::TestApp;
use crate::support::files::{asin, many};

const NDJSON: &str = "application/x-ndjson";
const CSV: &str = "text/csv";
/// More than a few pages, so that a stream that is not read waits for its client: what lies
/// between the two takes a few megabytes.
const ROWS: usize = 40_000;

async fn app(rows: usize) -> TestApp {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    folder.import(&store, &folder.file("p.csv", many(rows))).await.unwrap();
    drop(store);
    TestApp::start_in(folder).await
}

async fn stream(app: &TestApp, path: &str, accept: &str) -> Response {
    let request = app.client.get(format!("{}{path}", app.url)).header("accept", accept);
    request.send().await.unwrap()
}

async fn walk(app: &TestApp, path: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut path = path.to_owned();
    loop {
        let response = app.get(&path).await;
        let next = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        all.extend(response.json::<Vec<Value>>().await.unwrap());
        let Some(next) = next else { return all };
        next[1..].split('>').next().unwrap().clone_into(&mut path);
    }
}

#[tokio::test]
async fn lines_are_the_products_of_the_pages_in_their_order() {
    let app = app(3_000).await;
    for query in ["", "?sort=-price", "?category_id=1&min_price=50", "?max_price=3&sort=price"] {
        let streamed = stream(&app, &format!("/products{query}"), NDJSON).await;
        assert_eq!(streamed.status(), StatusCode::OK, "{query}");
        assert_eq!(streamed.headers()["content-type"], NDJSON);
        assert_eq!(streamed.headers()["vary"], "accept, accept-encoding");
        let text = streamed.text().await.unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let separator = if query.is_empty() { '?' } else { '&' };
        let pages = walk(&app, &format!("/products{query}{separator}limit=700")).await;
        assert!(!pages.is_empty() && lines == pages, "{query}: {} lines", lines.len());
    }
}

/// What goes out as CSV comes in as the same catalogue.
#[tokio::test]
async fn csv_can_be_imported_again() {
    let app = app(2_500).await;
    let streamed = stream(&app, "/products", CSV).await;
    assert!(streamed.headers()["content-type"].to_str().unwrap().starts_with(CSV));
    assert_eq!(streamed.headers()["x-total-count"], "2500");
    let text = streamed.text().await.unwrap();
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    let run = folder.import(&store, &folder.file("again.csv", &text)).await.unwrap();
    assert_eq!((run.counts.loaded, run.counts.rejected), (2_500, 0));
    drop(store);
    let other = TestApp::start_in(folder).await;
    assert_eq!(stream(&other, "/products", CSV).await.text().await.unwrap(), text);
}

#[tokio::test]
async fn what_only_a_page_has_is_refused() {
    let app = app(10).await;
    for (query, status, word) in [
        ("?limit=10", 400, "limit"),
        ("?cursor=x", 400, "cursor"),
        ("?q=lamp", 400, "q:"),
        ("?colour=red", 400, "colour"),
        ("?min_price=x", 400, "min_price"),
        ("?category_id=77", 404, "77"),
    ] {
        let refused = stream(&app, &format!("/products{query}"), CSV).await;
        assert_eq!(refused.status().as_u16(), status, "{query}");
        assert_eq!(refused.headers()["content-type"], "application/problem+json");
        let problem: Value = refused.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
    }
    let only_pages = stream(&app, "/categories", CSV).await;
    assert_eq!(only_pages.status(), StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test]
async fn two_are_streamed_at_a_time_and_a_client_that_leaves_makes_room() {
    let app = app(ROWS).await;
    let first = stream(&app, "/products", NDJSON).await;
    let second = stream(&app, "/products", CSV).await;
    let third = stream(&app, "/products", CSV).await;
    assert_eq!(third.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(third.headers().contains_key("retry-after"));
    let problem: Value = third.json().await.unwrap();
    assert_eq!(problem["type"], "/problems/too-many-streams");
    assert_eq!(app.get("/products").await.status(), StatusCode::OK, "pages are another matter");
    drop(first);
    // The server learns of it when it next writes.
    while stream(&app, "/products", CSV).await.status() != StatusCode::OK {}
    let whole = second.text().await.unwrap();
    assert_eq!(whole.lines().count(), ROWS + 1, "the other one went on");
}

/// The list loses its table in the middle: what the client has is visibly not the whole.
#[tokio::test]
async fn an_error_in_the_middle_cuts_the_connection() {
    let folder = TestFolder::new();
    let database = folder.data.database();
    let store: Arc<dyn Store> = folder.store();
    folder.import(&store, &folder.file("p.csv", many(ROWS))).await.unwrap();
    drop(store);
    let app = TestApp::start_in(folder).await;
    let streamed = stream(&app, "/products", NDJSON).await;
    assert_eq!(streamed.status(), StatusCode::OK);
    let db = rusqlite::Connection::open(database).unwrap();
    db.execute_batch("ALTER TABLE products RENAME TO hidden").unwrap();
    assert!(streamed.text().await.is_err(), "no end was sent");
}

/// Rows come and go while a list is on its way; those that stay are each in it once.
#[tokio::test]
async fn a_list_that_changes_meanwhile_has_every_row_that_stays_once() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    folder.import(&store, &folder.file("p.csv", many(ROWS))).await.unwrap();
    let more = folder.file("more.csv", many(ROWS + 2_000));
    let rejects = folder.rejects();
    let app = TestApp::start_in(folder).await;
    let streamed = stream(&app, "/products", NDJSON).await;
    let options =
        vitrine::import::Options { how: vitrine::store::HowStarted::ByHand, rejects_max: None };
    let source = vitrine::import::source::Source::File(more);
    vitrine::import::import(&store, &rejects, source, options, &|_| {}).await.unwrap();
    let goes = |i: usize| i % 100 == 7;
    for i in (0..ROWS).filter(|i| goes(*i)) {
        let remove: vitrine::store::Edit = Box::new(|_| Ok(None));
        store.edit_product(&Asin::parse(&asin(i)).unwrap(), remove).await.unwrap();
    }
    let text = streamed.text().await.unwrap();
    let mut times = BTreeMap::new();
    for line in text.lines() {
        let product: Value = serde_json::from_str(line).unwrap();
        *times.entry(product["asin"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    for i in (0..ROWS).filter(|i| !goes(*i)) {
        assert_eq!(times.get(&asin(i)), Some(&1), "{i}");
    }
    assert!(times.values().all(|count| *count == 1));
    let gone = (0..ROWS).filter(|i| goes(*i) && !times.contains_key(&asin(*i))).count();
    assert!(gone > 0, "rows went while the list was on its way");
}
