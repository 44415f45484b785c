//! The real binary as the Functions host runs it: the catalogue, uploads, the timer, people,
//! and what callers see when it is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::TestFolder;
use crate::support::files::{gzip, many, products, row};
use crate::support::host::folder::PackageFolder;
use crate::support::host::invocation::Outcome;
use crate::support::host::{Host, HostOptions};

struct App {
    host: Host,
    _data: TestFolder,
    _package: PackageFolder,
}

async fn app_with(more: &[(&str, &str)]) -> App {
    let (package, data) = (PackageFolder::of_vitrine(), TestFolder::new());
    let path = data.data.path().to_str().unwrap();
    let options = HostOptions::default().with("VITRINE_DATA_DIR", path);
    let options = more.iter().fold(options, |options, (name, value)| options.with(name, *value));
    let host = Host::start(package.path(), options).await;
    let app = App { host, _data: data, _package: package };
    // It listens before its database is there.
    while app.host.get("/health/ready").await.status() != 200 {}
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

/// As an operator presses Test/Run in the portal: 202 at once, the outcome in the logs.
#[tokio::test]
async fn an_operator_runs_the_functions_by_hand() {
    let app = app().await;
    app.host.put("x.csv", many(40));
    let run = |function: &str, input: &str| {
        let url = format!("{}/admin/functions/{function}", app.host.url);
        let request = app.host.client.post(url).header("x-functions-key", &app.host.keys.master);
        request.json(&json!({ "input": input })).send()
    };
    let mut invocations = app.host.invocations();
    assert_eq!(run("ImportBlob", "imports/x.csv").await.unwrap().status(), 202);
    let import = invocations.find(|i| i.function == "ImportBlob").await;
    assert!(import.result().logs[0].contains("loaded 40"), "{import:?}");
    assert_eq!(run("Maintain", "").await.unwrap().status(), 202);
    let maintain = invocations.find(|i| i.function == "Maintain").await;
    assert_eq!(maintain.result().logs, ["maintained"]);
    assert_eq!(app.host.get("/products").await.headers()["x-total-count"], "40");
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

/// Killed under load: callers see failures for a moment, then the same answers as before,
/// and an import that was under way is there in the end, once.
#[tokio::test]
async fn a_handler_that_is_killed_comes_back_and_an_import_goes_on() {
    /// Two batches, in a file that still comes within its envelope.
    const ROWS: usize = 50_000;
    let app = app().await;
    let process = app.host.status().pid.expect("it runs");
    let starts = app.host.status().starts;
    let url = format!("{}/products?limit=1", app.host.url);
    let (client, stop) = (app.host.client.clone(), Arc::<AtomicBool>::default());
    let (url_of_load, stopped) = (url.clone(), Arc::clone(&stop));
    let load = tokio::spawn(async move {
        let (mut before, mut bad, mut after) = (0, 0, 0);
        while !stopped.load(Ordering::Relaxed) {
            match client.get(&url_of_load).send().await {
                Ok(answer) if answer.status() == 200 && bad == 0 => before += 1,
                Ok(answer) if answer.status() == 200 => after += 1,
                _ => bad += 1,
            }
        }
        (before, bad, after)
    });
    let total = async || {
        let page = app.host.get("/products?limit=1").await;
        let total = page.headers().get("x-total-count")?.to_str().unwrap().parse::<usize>();
        total.ok()
    };
    let killed_in_the_middle = async {
        // A batch is there and the next is not: the sample has fewer rows than a batch.
        while total().await.unwrap_or(0) < 10_000 {}
        let kill = std::process::Command::new("kill").args(["-9", &process.to_string()]).status();
        assert!(kill.unwrap().success());
        app.host.until_started(starts + 1).await;
    };
    let mut upload = std::pin::pin!(app.host.upload("large.csv", many(ROWS)));
    tokio::select! {
        tries = &mut upload => panic!("it ended before it was killed: {tries:?}"),
        () = killed_in_the_middle => {}
    }
    let tries = upload.await;
    let (last, cut) = tries.split_last().unwrap();
    assert!(last.succeeded() && !cut.is_empty(), "{tries:?}");
    // The run that was cut off went on: none of its rows counts twice.
    let said = &last.result().logs[0];
    assert!(said.contains(&format!("is imported, read {ROWS}, loaded {ROWS}")), "{said}");
    assert_eq!(total().await, Some(ROWS));
    stop.store(true, Ordering::Relaxed);
    let (before, bad, after) = load.await.unwrap();
    println!("killed under load: {before} answered, then {bad} failed, then {after} answered");
    assert!(before > 0 && after > 0, "{before} before, {bad} bad, {after} after");
    assert!(bad < after, "{before} before, {bad} bad, {after} after");
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
