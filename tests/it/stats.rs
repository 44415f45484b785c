//! What `/stats` counts besides the cache: requests by route and latency, calls of the store,
//! imports, attempts to sign in.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;
use vitrine::store::observed::Observed;
use vitrine::store::{HowStarted, RunState, Store};
use vitrine::telemetry::activity::Activity;
use vitrine::telemetry::calls::CallOutcome;

use crate::support::TestFolder;
use crate::support::app::TestApp;
use crate::support::files::{many, products, row};

const ADMIN: &str = "boss@shop.example";
const PASSWORD: &str = "Secret1!";

async fn app_and_token() -> (TestApp, String) {
    let app = TestApp::start_with(TestFolder::new(), |settings| {
        settings.people.admins = vec![ADMIN.to_owned()];
    })
    .await;
    let form = json!({"email": ADMIN, "password": PASSWORD, "firstName": "A", "lastName": "B"});
    assert_eq!(post(&app, "/signup", form).await, 201);
    let credentials = json!({"email": ADMIN, "password": PASSWORD});
    let login = app.client.post(format!("{}/login", app.url)).json(&credentials).send().await;
    let signed_in: Value = login.unwrap().json().await.unwrap();
    let token = format!("Bearer {}", signed_in["idToken"].as_str().unwrap());
    (app, token)
}

async fn post(app: &TestApp, path: &str, body: Value) -> u16 {
    let request = app.client.post(format!("{}{path}", app.url)).json(&body);
    request.send().await.unwrap().status().as_u16()
}

async fn stats(app: &TestApp, token: &str) -> Value {
    let request = app.client.get(format!("{}/stats", app.url)).header("authorization", token);
    request.send().await.unwrap().json().await.unwrap()
}

/// What was counted of a route; nothing if it is not listed.
fn of_route<'a>(stats: &'a Value, route: &str, method: &str) -> Option<&'a Value> {
    let all = stats["totals"]["requests"].as_array().unwrap();
    all.iter().find(|one| one["route"] == route && one["method"] == method)
}

fn sum(numbers: &Value) -> u64 {
    numbers.as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).sum()
}

/// An answer that is at hand goes another way than one that is loaded: both are counted, and
/// each once.
#[tokio::test]
async fn requests_are_counted_by_route_class_and_latency() {
    let (app, token) = app_and_token().await;
    let first = app.get("/products?limit=3").await;
    let etag = first.headers()["etag"].clone();
    for _ in 0..3 {
        assert_eq!(app.get("/products?limit=3").await.status(), 200);
    }
    let again = app.client.get(format!("{}/products?limit=3", app.url));
    assert_eq!(again.header("if-none-match", etag).send().await.unwrap().status(), 304);
    assert_eq!(app.get("/products?limit=0").await.status(), 400);
    assert_eq!(app.get("/products/NOSUCH").await.status(), 404);
    let head = app.client.request(Method::HEAD, format!("{}/products/NOSUCH", app.url));
    assert_eq!(head.send().await.unwrap().status(), 404);
    app.get("/no/such/path").await;

    let stats = stats(&app, &token).await;
    let bounds = stats["latency_bounds_us"].as_array().unwrap();
    assert_eq!((bounds[0].as_u64(), bounds[1].as_u64()), (Some(64), Some(91)));
    let list = of_route(&stats, "/products", "GET").unwrap();
    assert_eq!(list["answers"], json!({"2xx": 4, "3xx": 1, "4xx": 1, "5xx": 0}));
    assert_eq!(list["latency"].as_array().unwrap().len(), bounds.len() + 1);
    assert_eq!(sum(&list["latency"]), 6, "each is in one bucket");
    let one = of_route(&stats, "/products/{asin}", "GET").unwrap();
    assert_eq!(one["answers"]["4xx"], 2, "HEAD is a GET");
    if !app.is_through_host() {
        // What a client asks for is never a name of ours.
        assert_eq!(of_route(&stats, "other", "other").unwrap()["answers"]["4xx"], 1);
    }
    assert!(of_route(&stats, "/imports", "GET").is_none(), "nobody has asked for it");
    assert!(!stats.to_string().contains("no/such"), "{stats}");
}

#[tokio::test]
async fn attempts_to_sign_in_are_counted_by_how_they_end() {
    let (app, token) = app_and_token().await;
    let wrong = json!({"email": ADMIN, "password": "Wrong11!"});
    let mut limited = 0;
    let mut refused = 0;
    while limited == 0 {
        match post(&app, "/login", wrong.clone()).await {
            401 => refused += 1,
            429 => limited += 1,
            status => panic!("{status}"),
        }
    }
    let stats = stats(&app, &token).await;
    let expected = json!({"ok": 2, "refused": refused, "limited": 1, "failed": 0});
    assert_eq!(stats["totals"]["auth"], expected);
}

#[tokio::test]
async fn calls_of_the_store_the_pool_and_the_version_are_told() {
    let (app, token) = app_and_token().await;
    app.json("/categories").await;
    app.json("/categories").await;
    let stats = stats(&app, &token).await;
    let calls = stats["totals"]["store"].as_array().unwrap();
    let count = |name: &str, outcome: &str| {
        let found = calls.iter().find(|call| call["name"] == name && call["outcome"] == outcome);
        found.map_or(0, |call| call["count"].as_u64().unwrap())
    };
    assert_eq!(count("categories", "ok"), 1, "the second is kept: {calls:?}");
    assert_eq!(count("begin_sign_up", "ok"), 1);
    assert_eq!(count("categories", "failed"), 0);
    let here = &stats["instances"][0];
    assert!(here["pool"]["open"].as_u64() >= Some(1) && here["pool"]["max"].as_u64() > Some(1));
    assert!(here["versions"]["catalogue"].as_i64() > Some(1_700_000_000_000_000), "{here}");
}

fn observed(folder: &TestFolder) -> (Arc<dyn Store>, Arc<Activity>) {
    let activity = Arc::<Activity>::default();
    (Observed::around(folder.store(), &activity), activity)
}

#[tokio::test]
async fn rows_and_runs_of_imports_are_counted() {
    let folder = TestFolder::new();
    let (store, activity) = observed(&folder);
    let lines = [
        &row("A1", "one", "1", 1),
        &row("A1", "the same again", "2", 1),
        &row("A2", "two", "1", 1),
        &row("", "no asin", "1", 1),
    ];
    let lines: Vec<&str> = lines.iter().map(|line| line.as_str()).collect();
    let file = folder.file("a.csv", products(&lines));
    folder.import(&store, &file).await.unwrap();
    folder.import(&store, &file).await.unwrap();
    let counted = activity.imports.read();
    assert_eq!((counted.rows_loaded, counted.rows_replaced, counted.rows_rejected), (2, 1, 1));
    assert_eq!((counted.runs_begun, counted.runs_done), (1, 1), "the second was done before");

    let unknown = folder.file("b.csv", "what,is,this\n1,2,3\n");
    folder.import(&store, &unknown).await.unwrap_err();
    let counted = activity.imports.read();
    assert_eq!((counted.runs_begun, counted.runs_failed, counted.runs_done), (2, 1, 1));
}

/// The owner of a run hears that it has been superseded from whatever it does next, more than
/// once; it counts once.
#[tokio::test]
async fn a_run_that_is_superseded_under_its_owner_counts_once() {
    let folder = TestFolder::new();
    let (store, activity) = observed(&folder);
    let claim = |etag: &str| vitrine::store::Claim {
        source: "file:a".to_owned(),
        etag: etag.to_owned(),
        modified: None,
        size: 1,
        rejects_max: None,
        how: HowStarted::ByHand,
    };
    let claimed = store.claim_run(&claim("1")).await.unwrap();
    let vitrine::store::Claimed::Ours(run, lease) = claimed else { panic!("{claimed:?}") };
    let newer = store.claim_run(&claim("2")).await.unwrap();
    assert!(matches!(newer, vitrine::store::Claimed::Ours(..)));
    let now = store.run(run.id).await.unwrap().unwrap();
    assert_eq!(now.state, RunState::Superseded);
    for _ in 0..3 {
        store.renew_lease(&lease).await.unwrap_err();
    }
    let counted = activity.imports.read();
    assert_eq!((counted.runs_superseded, counted.runs_begun), (1, 2));
}

/// A store that never answers: whoever asks gives up, and that counts as such.
#[tokio::test]
async fn a_call_that_is_given_up_counts_as_one_that_took_too_long() {
    let folder = TestFolder::new();
    let (store, activity) = observed(&folder);
    let file = folder.file("a.csv", many(10));
    folder.import(&store, &file).await.unwrap();
    let lock = rusqlite::Connection::open(folder.data.database()).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let pruning = timeout(Duration::from_millis(50), store.prune()).await;
    assert!(pruning.is_err());
    let calls = activity.calls.read();
    assert!(calls.contains(&("prune", CallOutcome::Deadline, 1)), "{calls:?}");
    lock.execute_batch("ROLLBACK").unwrap();
}
