//! Products written over HTTP, short of the routes, and what readers of the cache see of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use uuid::Uuid;
use vitrine::cache::encoding::Encoding;
use vitrine::cache::{Cache, Limits, Outcome};
use vitrine::catalog::{Count, PageQuery, Product};
use vitrine::http::body::Body;
use vitrine::http::{ApiError, writes};
use vitrine::question::{FromStore, Question};
use vitrine::store::sqlite::SqliteStore;
use vitrine::store::{Edit, Store, WriteError};
use vitrine::writes::Writes;
use warp::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use warp::reply::Response;

use crate::contract_store::{load, product};
use crate::contract_writes::{asin, once};
use crate::support::TestFolder;
use crate::support::app::LIMITS;

const USER: Uuid = Uuid::from_u128(7);

struct Shop {
    folder: TestFolder,
    sqlite: Arc<SqliteStore>,
    store: Arc<dyn Store>,
    cache: Arc<Cache>,
    writes: Writes,
}

/// Categories 1 to 3 with a product each, and a cache that learns of writes by their
/// publication alone.
async fn shop() -> Shop {
    let folder = TestFolder::new();
    let sqlite = folder.store();
    let store: Arc<dyn Store> = Arc::<SqliteStore>::clone(&sqlite);
    load(&store, "a", (1..=3).map(|i| product(&format!("B{i}"), Some(100), i)).collect()).await;
    while sqlite.index_search().await.unwrap() {}
    let limits = Limits { staleness: Duration::from_hours(1), ..LIMITS };
    let cache = Arc::new(Cache::new(Arc::new(FromStore(Arc::clone(&store))), limits));
    let writes = Writes::new(Arc::clone(&store), Arc::clone(&cache));
    Shop { folder, sqlite, store, cache, writes }
}

/// A response, read.
#[derive(Debug)]
struct Got {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

async fn got(answered: Result<Response, ApiError>) -> Got {
    let response = answered.unwrap_or_else(|error| error.respond(Some("/products")));
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    assert_eq!(headers["cache-control"], "no-store");
    // warp's own test client is the shortest way to a response's body.
    let response = Arc::new(std::sync::Mutex::new(Some(response)));
    let filter = warp::Filter::map(warp::any(), move || response.lock().unwrap().take().unwrap());
    let reply = warp::test::request().reply(&filter).await;
    let body = serde_json::from_slice(reply.body()).unwrap_or(Value::Null);
    Got { status, headers, body }
}

impl Got {
    fn problem(&self) -> (u16, &str) {
        assert_eq!(self.headers["content-type"], "application/problem+json");
        (self.status, self.body["type"].as_str().unwrap().trim_start_matches("/problems/"))
    }

    fn fields(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().unwrap();
        errors.iter().map(|error| error["field"].as_str().unwrap()).collect()
    }
}

fn sent(text: impl Into<Bytes>) -> Body {
    let pieces = [Ok::<_, warp::Error>(text.into())];
    Body::new(futures_util::stream::iter(pieces))
}

fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
    let typed = (warp::http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let given = given.iter().map(|(name, value)| {
        (HeaderName::from_static(name), HeaderValue::try_from(*value).unwrap())
    });
    [typed].into_iter().chain(given).collect()
}

fn lamp(asin: &str, category: u32) -> String {
    json!({"asin": asin, "title": "A brass lamp", "category_id": category}).to_string()
}

impl Shop {
    async fn create(&self, body: impl Into<Bytes>, given: &[(&'static str, &str)]) -> Got {
        got(writes::create(&self.writes, USER, &headers(given), sent(body)).await).await
    }

    async fn replace(&self, at: &str, body: &str, given: &[(&'static str, &str)]) -> Got {
        let body = sent(body.to_owned());
        got(writes::replace(&self.writes, at, &headers(given), body).await).await
    }

    async fn update(&self, at: &str, body: &str, given: &[(&'static str, &str)]) -> Got {
        let body = sent(body.to_owned());
        got(writes::update(&self.writes, at, &headers(given), body).await).await
    }

    async fn delete(&self, at: &str, given: &[(&'static str, &str)]) -> Got {
        got(writes::delete(&self.writes, at, &headers(given)).await).await
    }

    /// What a reader gets, and the tag of it.
    async fn read(&self, at: &str) -> Option<(Value, String)> {
        let reply = self.cache.answer(&Question::Product(asin(at))).await.unwrap();
        if !reply.answer.is_found() {
            return None;
        }
        let tag = reply.answer.etag(Encoding::Identity).to_str().unwrap().to_owned();
        let body = reply.answer.body(Encoding::Identity).await.unwrap();
        Some((serde_json::from_slice(&body).unwrap(), tag))
    }

    async fn page(&self, query: &str) -> (Vec<Value>, Outcome) {
        page(&self.cache, query).await
    }

    async fn found(&self, query: &str) -> Vec<String> {
        let (page, _) = self.page(query).await;
        page.iter().map(|product| product["asin"].as_str().unwrap().to_owned()).collect()
    }
}

async fn page(cache: &Arc<Cache>, query: &str) -> (Vec<Value>, Outcome) {
    let question = Question::Page(PageQuery::parse(query).unwrap());
    let reply = cache.answer(&question).await.unwrap();
    let body = reply.answer.body(Encoding::Identity).await.unwrap();
    (serde_json::from_slice(&body).unwrap(), reply.outcome)
}

#[tokio::test]
async fn a_product_is_created_read_changed_and_removed() {
    let shop = shop().await;
    assert_eq!(shop.read("NEW").await, None, "the absence is kept");
    let created = shop.create(lamp("NEW", 1), &[]).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.headers["location"], "/products/NEW");
    assert_eq!(created.body["title"], "A brass lamp");
    let (read, tag) = shop.read("NEW").await.unwrap();
    assert_eq!((&read, tag.as_str()), (&created.body, created.headers["etag"].to_str().unwrap()));

    let patched = shop.update("NEW", r#"{"price": 12.5, "isBestSeller": true}"#, &[]).await;
    assert_eq!((patched.status, patched.body["price"].to_string()), (200, "12.5".to_owned()));
    assert!(!patched.headers.contains_key("location"));
    assert_eq!(shop.read("NEW").await.unwrap().0, patched.body);

    let replaced = shop.replace("NEW", &lamp("NEW", 2), &[]).await;
    assert_eq!((replaced.status, &replaced.body["price"]), (200, &Value::Null));
    assert_eq!(shop.read("NEW").await.unwrap().0, replaced.body);

    let deleted = shop.delete("NEW", &[]).await;
    assert_eq!((deleted.status, &deleted.body), (204, &Value::Null));
    assert!(!deleted.headers.contains_key("etag"));
    assert_eq!(shop.read("NEW").await, None);
    assert_eq!(shop.replace("NEW", &lamp("NEW", 2), &[]).await.status, 201);
}

#[tokio::test]
async fn each_refusal_has_its_status_and_its_word() {
    let shop = shop().await;
    let ok = lamp("NEW", 1);
    for (got, expected) in [
        (shop.create(lamp("B1", 1), &[]).await, (409, "product-exists")),
        (shop.create(lamp("NEW", 9), &[]).await, (422, "unknown-category")),
        (shop.create("{}", &[]).await, (422, "invalid-field")),
        (shop.create("{\"asin\":", &[]).await, (400, "malformed-body")),
        (shop.create("[]", &[]).await, (400, "malformed-body")),
        (shop.create(vec![b' '; 1_048_577], &[]).await, (413, "too-large")),
        (shop.create(ok.clone(), &[("idempotency-key", "")]).await, (400, "invalid-header")),
        (
            shop.create(ok.clone(), &[("content-encoding", "gzip")]).await,
            (415, "unsupported-media-type"),
        ),
        (shop.replace("B1", &lamp("B2", 1), &[]).await, (422, "invalid-field")),
        (shop.replace("B1", &lamp("B1", 9), &[]).await, (422, "unknown-category")),
        (shop.replace("B_1", &ok, &[]).await, (400, "invalid-parameter")),
        (shop.update("NONE", "{}", &[]).await, (404, "no-such-product")),
        (shop.update("B1", r#"{"asin": "B2"}"#, &[]).await, (422, "invalid-field")),
        (shop.update("B1", r#"{"category_id": 9}"#, &[]).await, (422, "unknown-category")),
        (shop.delete("NONE", &[]).await, (404, "no-such-product")),
    ] {
        assert_eq!(got.problem(), expected, "{got:?}");
    }
    let faults = shop.create(r#"{"asin": "NEW", "price": "1", "x": 1}"#, &[]).await;
    assert_eq!(faults.fields(), ["x", "price", "title", "category_id"]);
    assert_eq!(shop.create(lamp("NEW", 9), &[]).await.fields(), ["category_id"]);
    assert_eq!(shop.read("NEW").await, None);
}

#[tokio::test]
async fn a_body_must_say_that_it_is_json() {
    let shop = shop().await;
    let typed = |text: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(text));
        headers
    };
    for (media, for_put, for_patch) in [
        ("application/json", 200, 200),
        ("Application/JSON; charset=utf-8", 200, 200),
        ("application/merge-patch+json", 415, 200),
        ("text/plain", 415, 415),
        ("", 415, 415),
    ] {
        let body = || sent(lamp("B1", 1));
        let put = got(writes::replace(&shop.writes, "B1", &typed(media), body()).await).await;
        let patch = got(writes::update(&shop.writes, "B1", &typed(media), body()).await).await;
        assert_eq!((put.status, patch.status), (for_put, for_patch), "{media}");
    }
    let none = HeaderMap::new();
    let untyped = writes::create(&shop.writes, USER, &none, sent(lamp("NEW", 1))).await;
    assert_eq!(got(untyped).await.status, 415);
}

#[tokio::test]
async fn a_write_on_condition_meets_the_state_that_was_read_or_nothing() {
    let shop = shop().await;
    let (_, tag) = shop.read("B1").await.unwrap();
    let gzipped = format!("\"x\", {}-gz\"", tag.trim_end_matches('"'));
    let first = shop.update("B1", r#"{"price": 5}"#, &[("if-match", &gzipped)]).await;
    assert_eq!(first.status, 200);
    let failed = (412, "precondition-failed");
    for condition in [("if-match", tag.as_str()), ("if-match", "\"\""), ("if-none-match", "*")] {
        let given = &[condition];
        assert_eq!(shop.update("B1", r#"{"price": 2}"#, given).await.problem(), failed);
        assert_eq!(shop.replace("B1", &lamp("B1", 1), given).await.problem(), failed);
        assert_eq!(shop.delete("B1", given).await.problem(), failed);
    }
    let now = first.headers["etag"].to_str().unwrap();
    let weak = format!("W/{now}");
    assert_eq!(shop.delete("B1", &[("if-match", &weak)]).await.problem(), failed);
    // A product that is not there is in no state at all.
    assert_eq!(shop.replace("NEW", &lamp("NEW", 1), &[("if-match", "*")]).await.problem(), failed);
    assert_eq!(shop.replace("NEW", &lamp("NEW", 1), &[("if-none-match", "*")]).await.status, 201);
    assert_eq!(shop.delete("B1", &[("if-match", now)]).await.status, 204);
}

#[tokio::test]
async fn the_same_request_under_the_same_key_gets_the_same_answer() {
    let shop = shop().await;
    let key = [("idempotency-key", "8e03978e-40d5")];
    let first = shop.create(lamp("NEW", 1), &key).await;
    shop.update("NEW", r#"{"price": 1}"#, &[]).await;
    let again = shop.create(lamp("NEW", 1), &key).await;
    assert_eq!((first.status, again.status), (201, 201));
    for name in ["location", "etag"] {
        assert_eq!(first.headers[name], again.headers[name]);
    }
    assert_eq!(first.body, again.body);
    assert_eq!(shop.read("NEW").await.unwrap().0["price"].to_string(), "1.0", "changed since");
    let other = shop.create(lamp("NEW2", 1), &key).await;
    assert_eq!(other.problem(), (422, "idempotency-key-reused"));
    let other = [("idempotency-key", "another")];
    assert_eq!(shop.create(lamp("NEW", 1), &other).await.problem(), (409, "product-exists"));
}

/// The writer is held up by an edit of something else, so that the first twin waits.
#[tokio::test]
async fn a_twin_is_refused_while_the_first_is_on_its_way() {
    let shop = shop().await;
    let (holding, is_held) = oneshot::channel();
    let (release, may_go_on) = oneshot::channel::<()>();
    let held = hold(&shop.writes, holding, may_go_on);
    is_held.await.unwrap();
    let new = product("NEW", None, 1);
    let create = |digest| shop.writes.create(new.clone(), Some(once(7, "key", digest)));
    let mut first = Box::pin(create(1));
    assert!(futures_util::poll!(&mut first).is_pending());
    assert!(matches!(create(1).await, Err(WriteError::KeyInFlight)));
    assert!(matches!(create(2).await, Err(WriteError::KeyReused)));
    // Its client hangs up; the work goes on, and the key with it.
    drop(first);
    assert!(matches!(create(1).await, Err(WriteError::KeyInFlight)));
    release.send(()).unwrap();
    held.await.unwrap();
    let ended = async {
        loop {
            match create(1).await {
                Err(WriteError::KeyInFlight) => tokio::task::yield_now().await,
                ended => break ended.unwrap(),
            }
        }
    };
    let again = tokio::time::timeout(Duration::from_secs(30), ended).await.unwrap();
    assert_eq!(again.after, Some(new.clone()));
    assert!(matches!(create(2).await, Err(WriteError::KeyReused)));
}

/// Occupies the writing thread until it is released.
fn hold(
    writes: &Writes,
    holding: oneshot::Sender<()>,
    may_go_on: oneshot::Receiver<()>,
) -> tokio::task::JoinHandle<()> {
    let once = std::sync::Mutex::new(Some((holding, may_go_on)));
    let edit: Edit = Box::new(move |_| {
        if let Some((holding, may_go_on)) = once.lock().unwrap().take() {
            holding.send(()).unwrap();
            may_go_on.blocking_recv().unwrap();
        }
        Ok(Some(product("B3", Some(7), 3)))
    });
    let writes = writes.clone();
    tokio::spawn(async move { drop(writes.edit(asin("B3"), edit).await.unwrap()) })
}

/// Two processes on one file: the second waits for the first's transaction.
#[tokio::test]
async fn a_twin_in_another_process_has_no_effect_of_its_own() {
    let shop = shop().await;
    let other = shop.folder.store();
    let new = product("NEW", None, 1);
    let key = once(7, "key", 1);
    let (one, two) = tokio::join!(
        shop.store.create_product(&new, Some(&key)),
        other.create_product(&new, Some(&key)),
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.before, one.after), (two.before, two.after));
    assert_eq!(shop.page("category_id=1").await.0.len(), 2);
}

/// Nobody waits for the write any more when it commits, and the cache hears of it by nothing
/// but its publication.
#[tokio::test]
async fn a_client_that_hangs_up_leaves_no_stale_page() {
    let shop = shop().await;
    let before = shop.read("B3").await.unwrap();
    let (holding, is_held) = oneshot::channel();
    let (release, may_go_on) = oneshot::channel::<()>();
    let caller = hold(&shop.writes, holding, may_go_on);
    is_held.await.unwrap();
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    assert_eq!(shop.read("B3").await.unwrap(), before, "it is not committed yet");
    release.send(()).unwrap();
    let published = async {
        while shop.read("B3").await.unwrap() == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), published).await.unwrap();
}

#[tokio::test]
async fn a_write_leaves_the_pages_of_other_categories_in_place() {
    let shop = shop().await;
    let lists = ["category_id=1", "category_id=2", "category_id=3", ""];
    for list in lists {
        shop.page(list).await;
    }
    assert_eq!(shop.update("B1", r#"{"category_id": 2}"#, &[]).await.status, 200);
    let mut outcomes = Vec::new();
    for list in lists {
        outcomes.push(shop.page(list).await.1);
    }
    assert_eq!(outcomes, [Outcome::Miss, Outcome::Miss, Outcome::Hit, Outcome::Miss]);
    assert!(shop.found("category_id=1").await.is_empty());
    assert_eq!(shop.found("category_id=2").await, ["B1", "B2"]);
    // A write that changes nothing hides nothing.
    assert_eq!(shop.update("B1", r#"{"category_id": 2}"#, &[]).await.status, 200);
    assert_eq!(shop.page("category_id=2").await.1, Outcome::Hit);
}

#[tokio::test]
async fn new_words_are_found_with_the_answer_and_old_ones_no_more() {
    let shop = shop().await;
    assert!(shop.found("q=brass").await.is_empty());
    assert_eq!(shop.found("q=lamp&category_id=1").await, ["B1"]);
    shop.update("B1", r#"{"title": "A brass chair"}"#, &[]).await;
    assert_eq!(shop.found("q=brass").await, ["B1"]);
    assert!(shop.found("q=lamp&category_id=1").await.is_empty());
    shop.update("B1", r#"{"category_id": 2}"#, &[]).await;
    assert!(shop.found("q=brass&category_id=1").await.is_empty());
    assert_eq!(shop.found("q=brass&category_id=2").await, ["B1"]);
    shop.create(lamp("NEW", 1), &[]).await;
    assert_eq!(shop.found("q=brass+lamp").await, ["NEW"]);
    let state = shop.store.page(&PageQuery::parse("q=brass").unwrap()).await.unwrap();
    let state = state.value.unwrap().search.unwrap();
    assert_eq!((state.indexed, state.total), (4, 4), "nothing is left for the indexer");
    shop.delete("NEW", &[]).await;
    assert!(shop.found("q=brass+lamp").await.is_empty());
    // The id of the one that is gone is given out again.
    shop.create(lamp("NEW2", 3), &[]).await;
    assert_eq!(shop.found("q=brass+lamp").await, ["NEW2"]);
}

/// While the indexer has a load before it, a single product waits behind that.
#[tokio::test]
async fn a_product_behind_a_load_is_left_to_the_indexer() {
    let shop = shop().await;
    load(&shop.store, "b", vec![product("B9", None, 1)]).await;
    shop.create(lamp("NEW", 1), &[]).await;
    assert!(shop.found("q=brass").await.is_empty());
    while shop.sqlite.index_search().await.unwrap() {}
    // The index's version tells: another process would hear of it within its bound.
    shop.cache.publish(&shop.store.versions().await.unwrap()).await;
    assert_eq!(shop.found("q=brass").await, ["NEW"]);
    assert_eq!(shop.found("q=lamp").await.len(), 5);
}

const WRITERS: usize = 8;
const READERS: usize = 64;
const ROUNDS: usize = 12;

/// Each writer adds a product a round, removes the one of two rounds before, and counts the
/// round in a product of its own. A round counts for readers once its last write is answered.
async fn write_rounds(shop: Writes, writer: usize, answered: Arc<[AtomicUsize]>) {
    let own = format!("W{writer}");
    let put = |asin: String, round: usize| -> (_, Edit) {
        let reviews = i64::try_from(round).ok().and_then(Count::from_i64);
        let product = Product { reviews, ..product(&asin, None, 1) };
        (product.asin, Box::new(move |_| Ok(Some(product.clone()))))
    };
    for round in 1..=ROUNDS {
        let (asin, edit) = put(format!("{own}-{round}"), round);
        shop.edit(asin, edit).await.unwrap();
        if round > 2 {
            let gone = self::asin(&format!("{own}-{}", round - 2));
            shop.edit(gone, Box::new(|_| Ok(None))).await.unwrap();
        }
        let (asin, edit) = put(own.clone(), round);
        shop.edit(asin, edit).await.unwrap();
        answered[writer].store(round, Ordering::SeqCst);
    }
}

/// Checks one page against what had been answered before it was asked for.
fn check(page: &[Value], before: &[usize]) {
    let reviews = |asin: &str| {
        let found = page.iter().find(|product| product["asin"] == asin)?;
        Some(found["reviews"].as_u64().unwrap() as usize)
    };
    for (writer, round) in before.iter().enumerate().filter(|(_, round)| **round > 0) {
        let counted = reviews(&format!("W{writer}")).unwrap_or(0);
        assert!(counted >= *round, "writer {writer}: {counted} after {round} was answered");
        let last = reviews(&format!("W{writer}-{round}"));
        assert!(last.is_some() || counted > *round, "writer {writer} lacks its {round}");
        for gone in 1..=round.saturating_sub(2) {
            assert_eq!(reviews(&format!("W{writer}-{gone}")), None, "writer {writer}, {gone}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_read_after_an_answered_write_sees_it() {
    let shop = shop().await;
    let answered: Arc<[AtomicUsize]> = (0..WRITERS).map(|_| AtomicUsize::new(0)).collect();
    let writers: Vec<_> = (0..WRITERS)
        .map(|i| tokio::spawn(write_rounds(shop.writes.clone(), i, Arc::clone(&answered))))
        .collect();
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (cache, answered) = (Arc::clone(&shop.cache), Arc::clone(&answered));
            tokio::spawn(async move {
                loop {
                    let before: Vec<_> =
                        answered.iter().map(|round| round.load(Ordering::SeqCst)).collect();
                    check(&page(&cache, "category_id=1&limit=1000").await.0, &before);
                    if before.iter().all(|round| *round == ROUNDS) {
                        return;
                    }
                    // A hit waits for nothing: else readers would keep writers from running.
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in writers.into_iter().chain(readers) {
        task.await.unwrap();
    }
    let counter = shop.store.category_counts().await.unwrap().value;
    let counter = counter.iter().find(|c| c.category_id == 1).unwrap().total_products;
    let db = rusqlite::Connection::open(shop.folder.data.database()).unwrap();
    let count = |sql| db.query_row(sql, [], |row| row.get::<_, u64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM products WHERE category_id = 1"), counter);
    assert_eq!(counter as usize, 1 + WRITERS * 3);
    let all = count("SELECT products FROM category_version WHERE category_id = 0");
    assert_eq!(count("SELECT count(*) FROM products"), all);
}

/// So that a fault in the store is none of the request's.
#[tokio::test]
async fn an_edit_that_is_broken_is_an_internal_error() {
    let shop = shop().await;
    let edit: Edit = Box::new(|old| Ok(old.map(|old| Product { asin: asin("B2"), ..old.clone() })));
    let error: ApiError = shop.writes.edit(asin("B1"), edit).await.unwrap_err().into();
    assert_eq!(error.respond(None).status(), StatusCode::INTERNAL_SERVER_ERROR);
}
