//! What becomes of an upload when its delivery goes wrong: each run ends once, with nothing twice
//! and nothing missing, and readers are served meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::TestFolder;
use crate::support::app::TestApp;
use crate::support::delivery::both_ways;
use crate::support::files::{many, products, row};
use crate::support::host::blobs::Account;
use crate::support::host::folder::PackageFolder;
use crate::support::host::invocation::{Invocation, Outcome};
use crate::support::host::log::until_true;
use crate::support::host::{Host, HostOptions};
use crate::support::storage::{Fault, SAS, Storage};

struct App {
    host: Host,
    storage: Storage,
    data: TestFolder,
    _package: PackageFolder,
}

async fn app_with(change: impl FnOnce(HostOptions) -> HostOptions) -> App {
    let (package, data, storage) =
        (PackageFolder::of_vitrine(), TestFolder::new(), Storage::start());
    let options = HostOptions {
        account: Account::Simulated(storage.clone()),
        error_window: Duration::ZERO,
        ..HostOptions::default()
    };
    let options = change(options.with("VITRINE_DATA_DIR", data.data.path().to_str().unwrap()));
    let app =
        App { host: Host::start(package.path(), options).await, storage, data, _package: package };
    until_true("it is ready", async || app.host.get("/health/ready").await.status() == 200).await;
    app
}

async fn app() -> App {
    app_with(|options| options).await
}

fn said(invocation: &Invocation) -> &str {
    &invocation.result().logs[0]
}

impl App {
    /// How often a run of an upload has ended, by state.
    fn runs(&self) -> Vec<(String, i64, i64)> {
        let db = Connection::open(self.data.data.database()).unwrap();
        let sql = "SELECT state, rows_read, rows_loaded FROM import_run
                   WHERE source NOT LIKE 'sample:%' ORDER BY id";
        let mut query = db.prepare(sql).unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn in_database(&self, sql: &str) {
        let db = Connection::open(self.data.data.database()).unwrap();
        db.busy_timeout(Duration::from_secs(30)).unwrap();
        db.execute_batch(sql).unwrap();
    }
}

fn done(rows: i64) -> Vec<(String, i64, i64)> {
    vec![("done".to_owned(), rows, rows)]
}

both_ways! {
/// The host's five tries, the poison record, and once the right is given the upload is there.
async fn an_account_that_refuses_us_ends_in_a_poison_record_and_not_in_a_run(way: Way) {
    let app = app().await;
    app.host.put("a.csv", many(30));
    app.storage.meet(vec![Fault::Status(403, "AuthorizationPermissionMismatch"); 5]);
    let tries = way.deliver(&app.host, "a.csv").await;
    assert_eq!(tries.len(), 5, "{tries:?}");
    assert!(tries.iter().all(|one| !one.succeeded()));
    assert_eq!(app.host.poison().len(), 1);
    assert!(app.runs().is_empty());
    let lines = app.host.stdout().so_far();
    assert!(lines.iter().any(|line| line.contains("lets us not read")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("sig=")), "no token in a line");
    assert!(said(&way.deliver(&app.host, "a.csv").await[0]).contains("loaded 30"));
    assert_eq!(app.runs(), done(30));
}

/// An account that is away for a moment costs a wait, and readers nothing.
async fn an_upload_waits_for_storage_that_is_away(way: Way) {
    let app = app().await;
    app.host.put("a.csv", many(30));
    // More than one round of asking again.
    app.storage.meet(vec![Fault::Status(503, "ServerBusy"); 8]);
    let reading = async {
        until_true("it waits", async || {
            let lines = app.host.stdout().so_far();
            lines.iter().any(|line| line.contains("the import waits"))
        })
        .await;
        assert_eq!(app.host.get("/products").await.status(), 200);
        assert_eq!(app.host.get("/health/ready").await.status(), 200);
    };
    let (tries, ()) = tokio::join!(way.deliver(&app.host, "a.csv"), reading);
    assert_eq!(tries.len(), 1, "{tries:?}");
    assert_eq!(app.runs(), done(30));
}

/// At its limit the host kills the whole process; the next try goes on.
async fn a_function_that_takes_too_long_is_killed_and_goes_on(way: Way) {
    let app = app_with(|options| HostOptions {
        function_timeout: Some(Duration::from_secs(10)),
        ..options
    })
    .await;
    app.host.put("a.csv", many(200));
    app.storage.meet([Fault::Stall]);
    let tries = way.deliver(&app.host, "a.csv").await;
    assert_eq!(tries[0].outcome, Outcome::TimedOut, "{tries:?}");
    assert!(said(tries.last().unwrap()).contains("loaded 200"), "{tries:?}");
    assert_eq!(app.runs(), done(200));
}

/// The event comes twice at once, and once more when all is over.
async fn the_same_event_twice_is_one_run(way: Way) {
    let app = app().await;
    app.host.put("a.csv", many(20_000));
    let (one, other) = tokio::join!(way.deliver(&app.host, "a.csv"), way.deliver(&app.host, "a.csv"));
    let again = way.deliver(&app.host, "a.csv").await;
    let told: Vec<_> = [&one, &other, &again].map(|tries| said(&tries[0])).to_vec();
    let imported = told.iter().filter(|told| told.contains("is imported")).count();
    let before = told.iter().filter(|told| told.contains("was dealt with before")).count();
    assert_eq!((imported, before), (1, 2), "{told:?}");
    assert_eq!(app.runs(), done(20_000));
}
}

/// Nobody delivers it again: the timer takes the run up.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_left_behind_is_taken_up_by_the_timer() {
    let app = app().await;
    app.host.put("a.csv", many(200));
    let etag = app.host.etag("a.csv");
    let uri = app.storage.address("imports/a.csv");
    // As a killed process leaves it: claimed, nothing applied, and its lease over.
    app.in_database(&format!(
        "INSERT INTO import_run (source, etag, attempt, state, size, created_at)
         VALUES ('{uri}', '{etag}', 1, 'loading', 1, 1)"
    ));
    assert!(app.host.fire_timer("Maintain").await.succeeded());
    assert_eq!(app.runs(), done(200));
    // While storage is away it waits for the next time, and is not given up.
    app.in_database(&format!(
        "INSERT INTO import_run (source, etag, attempt, state, size, created_at)
         VALUES ('{uri}', '{etag}', 2, 'loading', 1, 1)"
    ));
    for closed in [
        vec![Fault::Status(503, "ServerBusy"); 6],
        vec![Fault::Status(403, "AuthorizationPermissionMismatch")],
    ] {
        app.storage.meet(closed);
        assert!(app.host.fire_timer("Maintain").await.succeeded());
        assert_eq!(app.runs()[1].0, "loading");
    }
    assert!(app.host.fire_timer("Maintain").await.succeeded());
    assert_eq!(app.runs()[1], ("done".to_owned(), 200, 200));
    // Another blob lies there by now: nobody has asked for that one.
    app.in_database(&format!(
        "INSERT INTO import_run (source, etag, attempt, state, size, created_at)
         VALUES ('{uri}', 'older', 1, 'loading', 1, 1)"
    ));
    assert!(app.host.fire_timer("Maintain").await.succeeded());
    assert_eq!(app.runs()[2].0, "failed");
}

/// A host without a limit of its own hands over hundreds at once: all are taken, a few at a time,
/// and readers do not notice.
#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_uploads_at_once_are_worked_a_few_at_a_time() {
    // `TEST_UPLOADS` asks for more than CI does; no more than a thousand are under way at once.
    let uploads = std::env::var("TEST_UPLOADS").map_or(300, |number| number.parse().unwrap());
    let storage = Storage::start();
    let variables =
        [("IMPORT_STORAGE__blobServiceUri", storage.url.as_str()), ("IMPORT_STORAGE_SAS", SAS)];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let given = vitrine::settings::Settings::from_variables(&variables).unwrap();
    let app = TestApp::start_with(TestFolder::new(), |settings| {
        settings.under_host = true;
        settings.storage = given.storage;
        settings.secrets = given.secrets;
    })
    .await;
    while app.get("/health/ready").await.status() != 200 {}
    let (app, under_way) = (Arc::new(app), Arc::new(Semaphore::new(1_000)));
    let mut posts = JoinSet::new();
    for number in 0..uploads {
        let path = format!("imports/{number}.csv");
        storage.put(&path, products(&[&row(&format!("S{number}"), "A lamp", "1", 1)]));
        let body = json!({
            "Data": { "blob": { "Version": "1.0", "Content": { "Length": 95 } } },
            "Metadata": { "Uri": json!(storage.address(&path)).to_string() }
        });
        let post = app.client.post(format!("{}/ImportBlob", app.url)).json(&body).send();
        let place = Arc::clone(&under_way).acquire_owned().await.unwrap();
        posts.spawn(async move {
            let told = post.await.unwrap().text().await.unwrap();
            drop(place);
            told
        });
    }
    let mut slowest = Duration::ZERO;
    while let Some(told) = posts.join_next().await {
        let told = told.unwrap();
        assert!(told.contains("loaded 1"), "{told}");
        let asked = Instant::now();
        assert_eq!(app.get("/products?limit=3").await.status(), 200);
        slowest = slowest.max(asked.elapsed());
    }
    println!("{uploads} uploads; the slowest page meanwhile took {slowest:?}");
    assert_eq!(app.get("/products?limit=1").await.headers()["x-total-count"], uploads.to_string());
    assert!(storage.most_at_once() <= 2, "{}", storage.most_at_once());
}
