//! The real binary as the Functions host runs it: the catalogue, uploads, the timer, people,
//! and what callers see when it is killed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::TestFolder;
use crate::support::files::{gzip, many, products, row};
use crate::support::host::folder::PackageFolder;
use crate::support::host::invocation::{Invocation, Outcome};
use crate::support::host::log::until_true;
use crate::support::host::{Host, HostOptions};

struct App {
    host: Host,
    data: TestFolder,
    _package: PackageFolder,
}

async fn app_with(more: &[(&str, &str)]) -> App {
    let (package, data) = (PackageFolder::of_vitrine(), TestFolder::new());
    let path = data.data.path().to_str().unwrap();
    let options = HostOptions::default().with("VITRINE_DATA_DIR", path);
    let options = more.iter().fold(options, |options, (name, value)| options.with(name, *value));
    let host = Host::start(package.path(), options).await;
    let app = App { host, data, _package: package };
    // It listens before its database is there.
    until_true("it is ready", async || app.host.get("/health/ready").await.status() == 200).await;
    app
}

async fn app() -> App {
    app_with(&[]).await
}

async fn json(app: &App, path: &str) -> Value {
    let response = app.host.get(path).await;
    assert_eq!(response.status(), 200, "{path}");
    response.json().await.unwrap()
}

#[tokio::test]
async fn an_upload_is_imported_and_served() {
    let app = app().await;
    let tries = app.host.upload("lamps.csv", many(300)).await;
    assert_eq!(tries.len(), 1);
    assert!(tries[0].result().logs[0].contains("loaded 300"), "{:?}", tries[0]);
    let page = app.host.get("/products?limit=10").await;
    assert_eq!(page.headers()["x-total-count"], "300");
    let link = page.headers()["link"].to_str().unwrap().to_owned();
    let etag = page.headers()["etag"].to_str().unwrap().to_owned();
    let next = &link[1..link.find('>').unwrap()];
    assert_eq!(json(&app, next).await.as_array().unwrap().len(), 10);
    let url = format!("{}/products?limit=10", app.host.url);
    let known = app.host.client.get(&url).header("if-none-match", &etag).send().await.unwrap();
    assert_eq!(known.status(), 304);
    let zipped = app.host.client.get(&url).header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(zipped.headers()["content-encoding"], "gzip");
    let head = app.host.client.head(&url).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers()["etag"].to_str().unwrap()), (200, &*etag));
    let again = app.host.redeliver("lamps.csv").await;
    assert!(again[0].result().logs[0].contains("was dealt with before"), "{again:?}");
}

#[tokio::test]
async fn uploads_of_every_kind_end_as_one_run_each() {
    let app = app().await;
    let dirty = products(&[&row("B1", "A lamp", "1", 1), "B2,x"]);
    for (name, content, said) in [
        ("c.csv", b"id,category_name\n1,Lamps\n".to_vec(), "loaded 1"),
        ("z.csv.gz", gzip(many(20).as_bytes()), "loaded 20"),
        ("dirty.csv", dirty.into_bytes(), "rejected 1"),
        ("é und Leerzeichen.csv", many(5).into_bytes(), "read 5"),
        ("empty.csv", Vec::new(), "the import has failed"),
        ("odd.csv", b"colour\nred\n".to_vec(), "unknown header"),
    ] {
        let tries = app.host.upload(name, content).await;
        assert_eq!(tries.len(), 1, "{name}: trying again would not help: {tries:?}");
        assert!(tries[0].result().logs[0].contains(said), "{name}: {tries:?}");
    }
    assert!(app.host.poison().is_empty());
    assert_eq!(json(&app, "/categories").await[0]["category_name"], "Lamps");
}

/// As an operator presses Test/Run in the portal: 202 at once, the outcome in the logs. Shown
/// with `--nocapture`.
#[tokio::test]
async fn an_operator_runs_the_functions_by_hand() {
    let app = app().await;
    app.host.put("x.csv", many(40));
    let run = async |function: &str, key: Option<&str>, body: &Value| {
        let path = format!("/admin/functions/{function}");
        let mut request = app.host.client.post(format!("{}{path}", app.host.url)).json(body);
        if let Some(key) = key {
            request = request.header("x-functions-key", key);
        }
        let status = request.send().await.unwrap().status().as_u16();
        let by = if key.is_some() { "master key" } else { "no key" };
        println!("POST {path} {body} ({by}) -> {status}");
        status
    };
    let (master, input) = (Some(&*app.host.keys.master), json!({ "input": "imports/x.csv" }));
    assert_eq!(run("ImportBlob", None, &input).await, 401);
    assert_eq!(run("Nothing", master, &input).await, 404);
    assert_eq!(run("ImportBlob", master, &Value::Null).await, 400);
    let mut invocations = app.host.invocations();
    assert_eq!(run("ImportBlob", master, &input).await, 202);
    let import = invocations.find(|i| i.function == "ImportBlob").await;
    show(&app, &import);
    assert!(import.result().logs[0].contains("loaded 40"), "{import:?}");
    assert_eq!(run("ImportBlob", master, &json!({ "input": "imports/none.csv" })).await, 202);
    let none = invocations.find(|i| i.function == "ImportBlob").await;
    show(&app, &none);
    assert!(!none.succeeded() && none.status.is_none(), "the handler is not asked: {none:?}");
    assert_eq!(run("Maintain", master, &json!({ "input": "" })).await, 202);
    let maintain = invocations.find(|i| i.function == "Maintain").await;
    show(&app, &maintain);
    assert_eq!(maintain.result().logs, ["maintained"]);
    assert_eq!(app.host.get("/products").await.headers()["x-total-count"], "40");
}

/// How an invocation ended, and what the handler said about it.
fn show(app: &App, invocation: &Invocation) {
    let Invocation { id, function, status, outcome, .. } = invocation;
    let lines = app.host.stdout().so_far();
    for line in lines.iter().filter(|line| line.contains(&id.to_string())) {
        println!("  handler: {line}");
    }
    println!("  {function} {id}: {status:?}, {outcome:?}");
}

#[tokio::test]
async fn the_timer_and_the_ping_cost_nothing_and_say_nothing_on_stderr() {
    let app = app().await;
    assert!(app.host.fire_timer("Maintain").await.succeeded());
    assert_eq!(app.host.ping().await.unwrap(), 200);
    for path in ["/ImportBlob", "/Maintain"] {
        let post = app.host.client.post(format!("{}{path}", app.host.url)).body("{}");
        assert_eq!(post.send().await.unwrap().status(), 404, "{path} cannot be reached");
    }
    assert_eq!(app.host.stop().await.stderr, [""; 0]);
}

/// Every log line about an invocation names it.
#[tokio::test]
async fn a_log_line_names_its_invocation() {
    let app = app().await;
    let tries = app.host.upload("x.csv", many(10)).await;
    let id = tries[0].id.to_string();
    let lines = app.host.stop().await.stdout;
    let of_import: Vec<_> = lines.iter().filter(|line| line.contains("import begins")).collect();
    let named = of_import.iter().filter(|line| line.contains(&id)).count();
    assert_eq!(named, 1, "{of_import:?}");
}

#[tokio::test]
async fn people_sign_in_and_write_through_the_host() {
    let app = app_with(&[("ADMIN_EMAILS", "boss@shop.example")]).await;
    app.host.upload("x.csv", many(10)).await;
    let post = |path: &str, body: Value| {
        app.host.client.post(format!("{}{path}", app.host.url)).json(&body).send()
    };
    let form = json!({"email": "boss@shop.example", "password": "Secret1!", "firstName": "B",
        "lastName": "Oss"});
    assert_eq!(post("/signup", form).await.unwrap().status(), 201);
    let credentials = json!({"email": "boss@shop.example", "password": "Secret1!"});
    let signed_in: Value = post("/login", credentials).await.unwrap().json().await.unwrap();
    let token = format!("Bearer {}", signed_in["idToken"].as_str().unwrap());
    let url = format!("{}/products", app.host.url);
    let lamp = json!({"asin": "NEW-1", "title": "A new lamp", "category_id": 1, "price": 9.5});
    let made = app.host.client.post(&url).header("authorization", &token).json(&lamp);
    let made = made.send().await.unwrap();
    assert_eq!(
        (made.status().as_u16(), &made.headers()["location"]),
        (201, &"/products/NEW-1".parse().unwrap())
    );
    assert_eq!(json(&app, "/products/NEW-1").await["price"], 9.5);
    assert_eq!(app.host.get("/products").await.headers()["x-total-count"], "11");
    let gone = app.host.client.delete(format!("{url}/NEW-1")).header("authorization", &token);
    assert_eq!(gone.send().await.unwrap().status(), 204);
    assert_eq!(app.host.get("/products/NEW-1").await.status(), 404);
}

/// The reason why an invocation failed too, whatever the log's filter.
#[tokio::test]
async fn a_failed_invocation_is_named_by_the_line_that_says_why() {
    let app = app_with(&[("RUST_LOG", "error")]).await;
    app.host.put("x.csv", "colour\nred\n");
    let tries = app.host.upload("x.csv", "colour\nred\n").await;
    let id = tries.last().unwrap().id.to_string();
    let lines = app.host.stop().await.stdout;
    let about: Vec<_> = lines.iter().filter(|line| line.contains("failed for good")).collect();
    assert!(!about.is_empty() && about.iter().all(|line| line.contains("invocation.id=")));
    assert!(about.iter().any(|line| line.contains(&id)), "{about:?}");
}

/// The second batch of an import never ends, whoever does it.
const STANDS_STILL: &str = "
    CREATE TRIGGER stands_still AFTER UPDATE OF byte_offset ON import_run
    WHEN OLD.byte_offset > 0 BEGIN
        SELECT max(n) FROM
            (WITH RECURSIVE up(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM up) SELECT n FROM up);
    END";
/// It does again, and the lease of a dead owner does not have to be sat out.
const GOES_ON: &str = "
    BEGIN IMMEDIATE;
    DROP TRIGGER stands_still;
    UPDATE import_run SET lease_until = 0 WHERE state = 'loading';
    COMMIT";

fn in_database(path: &Path, sql: &str) {
    let db = Connection::open(path).unwrap();
    db.busy_timeout(Duration::from_secs(30)).unwrap();
    db.execute_batch(sql).unwrap();
}

/// What callers see who ask without a pause.
#[derive(Default)]
struct Load {
    answered: AtomicUsize,
    failed: AtomicUsize,
}

impl Load {
    /// Asks until its handle is aborted.
    async fn run(self: Arc<Self>, client: reqwest::Client, url: String) {
        loop {
            let is_answered = client.get(&url).send().await.is_ok_and(|a| a.status() == 200);
            let count = if is_answered { &self.answered } else { &self.failed };
            count.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn seen(&self) -> (usize, usize) {
        (self.answered.load(Ordering::SeqCst), self.failed.load(Ordering::SeqCst))
    }
}

async fn total(app: &App) -> usize {
    let page = app.host.get("/products?limit=1").await;
    let total = page.headers().get("x-total-count").map(|total| total.to_str().unwrap().parse());
    total.map_or(0, Result::unwrap)
}

/// Killed under load: callers see a failure at the most for a moment, then the same answers as
/// before, and an import that was in the middle is there in the end, once.
#[tokio::test]
async fn a_handler_that_is_killed_comes_back_and_an_import_goes_on() {
    /// More than a batch, in a file that still comes within its envelope.
    const ROWS: usize = 50_000;
    let app = app().await;
    let database = app.data.data.database();
    in_database(&database, STANDS_STILL);
    let before = app.host.status();
    let load = Arc::<Load>::default();
    let url = format!("{}/products?limit=1", app.host.url);
    let asking = tokio::spawn(Arc::clone(&load).run(app.host.client.clone(), url));
    let kill_in_the_middle = async {
        // The sample has fewer rows, so the first batch is there. The next one stands still.
        until_true("a batch is there", async || total(&app).await >= 10_000).await;
        assert!(total(&app).await < ROWS);
        let process = before.pid.expect("it runs").to_string();
        let kill = std::process::Command::new("kill").args(["-9", &process]).status();
        assert!(kill.unwrap().success());
        let seen = load.seen();
        app.host.until_started(before.starts + 1).await;
        in_database(&database, GOES_ON);
        seen
    };
    let (tries, (answered, _)) =
        tokio::join!(app.host.upload("large.csv", many(ROWS)), kill_in_the_middle);
    let (last, cut) = tries.split_last().unwrap();
    assert!(last.succeeded() && !cut.is_empty(), "{tries:?}");
    // The run that was cut off went on: none of its rows counts twice.
    let said = &last.result().logs[0];
    assert!(said.contains(&format!("is imported, read {ROWS}, loaded {ROWS}")), "{said}");
    assert_eq!(total(&app).await, ROWS);
    asking.abort();
    let (all, failed) = load.seen();
    let after = all - answered;
    println!("killed under load: {answered} answered, {failed} failed, then {after} answered");
    assert!(answered > 0 && failed < after, "{answered} before, {failed} failed, {after} after");
}

/// What cannot be imported is tried five times and then put aside, as the host does it.
#[tokio::test]
async fn an_upload_that_is_refused_ends_as_a_poison_record() {
    let (package, data) = (PackageFolder::of_vitrine(), TestFolder::new());
    let path = data.data.path().to_str().unwrap();
    // The handler takes uploads from another container than the one that the host watches.
    let options =
        HostOptions::default().with("VITRINE_DATA_DIR", path).with("IMPORT_CONTAINER", "uploads");
    let host = Host::start(package.path(), options).await;
    let tries = host.upload("x.csv", many(10)).await;
    assert_eq!(tries.len(), 5);
    assert!(tries.iter().all(|t| matches!(t.outcome, Outcome::Failed(_))), "{tries:?}");
    assert_eq!(host.poison().len(), 1);
}
