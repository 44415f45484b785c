//! Uploads through the simulated host out of Azurite, over https and with an identity's tokens:
//! the whole way of a production app, in which only the endpoint and the trust differ.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};
use vitrine::generate::{Asins, Options, write_products};

use crate::kills::assert_equal;
use crate::support::TestFolder;
use crate::support::azurite::Azurite;
use crate::support::delivery::{Way, both_ways, event};
use crate::support::files::{gzip, many, products, row};
use crate::support::host::blobs::Account;
use crate::support::host::folder::PackageFolder;
use crate::support::host::invocation::Invocation;
use crate::support::host::log::until_true;
use crate::support::host::{Host, HostOptions};
use crate::support::process::{handler, run, stdout};

/// CONTRACT: a reference is all that the host hands over.
const ENVELOPE_BYTES_MAX: usize = 4_096;
/// CI's measure; `TEST_UPLOAD_ROWS` and `TEST_UPLOAD_KILLS` ask for more.
const ROWS: u64 = 75_000;
const KILLS: u64 = 5;

/// A function app, its account and its database.
struct App {
    host: Host,
    azurite: Arc<Azurite>,
    data: Arc<TestFolder>,
    _package: PackageFolder,
}

impl App {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(more: &[(&str, &str)]) -> Self {
        Self::start_beside(Arc::new(Azurite::start()), Arc::new(TestFolder::new()), more).await
    }

    async fn start_beside(
        azurite: Arc<Azurite>,
        data: Arc<TestFolder>,
        more: &[(&str, &str)],
    ) -> Self {
        let package = PackageFolder::of_vitrine();
        let path = data.data.path().to_str().unwrap();
        let mut options = HostOptions {
            account: Account::Azurite(Arc::clone(&azurite)),
            // A handler that is killed again and again is started again and again.
            error_window: Duration::ZERO,
            ..HostOptions::default()
        };
        options = options.with("VITRINE_DATA_DIR", path);
        options = more.iter().fold(options, |options, (name, value)| options.with(name, *value));
        let host = Host::start(package.path(), options).await;
        let app = Self { host, azurite, data, _package: package };
        until_true("it is ready", async || app.host.get("/health/ready").await.status() == 200)
            .await;
        app
    }

    /// What is said of an upload that was taken at once.
    async fn upload(&self, way: Way, name: &str, bytes: &[u8]) -> String {
        said(&way.upload(&self.host, name, bytes).await)
    }

    async fn total(&self) -> String {
        let page = self.host.get("/products?limit=1").await;
        page.headers()["x-total-count"].to_str().unwrap().to_owned()
    }
}

fn said(tries: &[Invocation]) -> String {
    assert_eq!(tries.len(), 1, "{tries:?}");
    assert!(tries[0].body_sent < ENVELOPE_BYTES_MAX, "{} bytes", tries[0].body_sent);
    tries[0].result().logs[0].clone()
}

both_ways! {
#[ignore = "needs TEST_AZURITE"]
async fn an_upload_is_read_by_its_address_and_imported_once(way: Way) {
    let app = App::start().await;
    let text = many(2_000);
    assert!(app.upload(way, "a b/é.csv", text.as_bytes()).await.contains("loaded 2000"));
    assert!(said(&way.deliver(&app.host, "a b/é.csv").await).contains("was dealt with before"));
    assert!(app.upload(way, "z.csv.gz", &gzip(many(2_010).as_bytes())).await.contains("read 2010"));
    assert_eq!(app.total().await, "2010");
    // The same bytes again are another state, and change nothing.
    let again = app.upload(way, "a b/é.csv", text.as_bytes()).await;
    assert!(again.contains("is imported"), "{again}");
    assert!(app.host.poison().is_empty());
}

#[ignore = "needs TEST_AZURITE"]
async fn refused_rows_are_written_beside(way: Way) {
    let app = App::start().await;
    let dirty = products(&[&row("B1", "A lamp", "1", 1), "B2,x"]);
    let told = app.upload(way, "dirty.csv", dirty.as_bytes()).await;
    assert!(told.contains("rejected 1"), "{told}");
    let id = told.trim_start_matches("run ").split(':').next().unwrap();
    let written = app.azurite.get(&format!("rejects/dirty.csv.{id}.ndjson")).unwrap();
    let reject: Value = serde_json::from_slice(&written).unwrap();
    assert_eq!(reject["record"], "B2,x");
}

#[ignore = "needs TEST_AZURITE"]
async fn uploads_that_cannot_be_imported_are_named(way: Way) {
    let app = App::start().await;
    for (name, content, told) in [
        ("empty.csv", "", "the file is empty"),
        ("odd.csv", "colour\nred\n", "unknown header"),
        ("broken.csv.gz", "\u{1f}\u{8b}rubbish", "unknown header"),
    ] {
        let said = app.upload(way, name, content.as_bytes()).await;
        assert!(said.contains("the import has failed") && said.contains(told), "{name}: {said}");
    }
    // Its event comes when it is gone.
    app.host.put("gone.csv", many(3));
    app.azurite.delete("imports/gone.csv");
    let tries = way.deliver(&app.host, "gone.csv").await;
    assert_eq!(tries.len(), 5, "{tries:?}");
    assert_eq!(app.host.poison().len(), 1);
    let lines = app.host.stdout().so_far();
    assert!(lines.iter().any(|line| line.contains("is not there")), "{lines:?}");
    assert!(app.host.get("/products").await.status().is_success());
}
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_AZURITE"]
async fn another_account_or_container_is_never_read() {
    let app = App::start().await;
    app.azurite.put("other/a.csv", many(3).as_bytes());
    for url in [
        format!("{}/other/a.csv", app.azurite.url),
        format!("{}/imports/../other/a.csv", app.azurite.url),
        format!("{}/imports/%2e%2e/other/a.csv", app.azurite.url),
        app.azurite.url.replace("https://", "https://user@") + "/imports/a.csv",
        "https://theirs.blob.core.windows.net/imports/a.csv".to_owned(),
    ] {
        let tries = app.host.send("ImportQueue", &event(&url)).await;
        assert_eq!(tries.len(), 5, "{url}: {tries:?}");
    }
    let lines = app.host.stdout().so_far();
    let alerts = lines.iter().filter(|line| line.contains("ERROR") && line.contains("not to be"));
    assert_eq!(alerts.count(), 25);
    assert_ne!(app.total().await, "3");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_AZURITE"]
async fn a_message_is_read_in_both_schemas_and_others_are_left() {
    let app = App::start().await;
    app.azurite.put("imports/q.csv", many(50).as_bytes());
    let url = format!("{}/imports/q.csv", app.azurite.url);
    for (kind, told) in [("eventType", "loaded 50"), ("type", "was dealt with before")] {
        // Its own schema, and that of CloudEvents.
        let event = json!({ kind: "Microsoft.Storage.BlobCreated", "data": { "url": url } });
        let said = said(&app.host.send("ImportQueue", &event.to_string()).await);
        assert!(said.contains(told), "{said}");
    }
    let deleted = json!({ "eventType": "Microsoft.Storage.BlobDeleted", "data": { "url": url } });
    assert!(said(&app.host.send("ImportQueue", &deleted.to_string()).await).contains("no blob"));
    assert!(app.azurite.dequeue("imports").is_none(), "what was done is gone");
    assert_eq!(app.host.send("ImportQueue", "hello <é>").await.len(), 5);
    assert_eq!(app.azurite.dequeue("imports-poison").unwrap().text, "hello <é>");
    assert_eq!(app.total().await, "50");
}

/// Many small uploads at once: each is a run, and readers are served meanwhile.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_AZURITE"]
async fn many_small_uploads_are_each_imported() {
    const UPLOADS: usize = 100;
    let app = App::start().await;
    let host = Arc::new(app.host);
    let mut uploads = tokio::task::JoinSet::new();
    for number in 0..UPLOADS {
        let host = Arc::clone(&host);
        let text = products(&[&row(&format!("S{number}"), "A lamp", "1", 1)]);
        uploads.spawn(async move { host.upload(&format!("{number}.csv"), text).await });
    }
    while let Some(tries) = uploads.join_next().await {
        assert!(said(&tries.unwrap()).contains("loaded 1"));
        assert_eq!(host.get("/products?limit=3").await.status(), 200);
    }
    let page = host.get("/products?limit=1").await;
    assert_eq!(page.headers()["x-total-count"], UPLOADS.to_string());
}

/// The doctor asks as the service does.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_AZURITE"]
async fn the_doctor_tells_whether_the_container_can_be_read() {
    let (azurite, data) = (Azurite::start(), TestFolder::new());
    for (container, told) in [("imports", "ok"), ("none", "FAILED")] {
        let mut doctor = handler(data.data.path());
        doctor.arg("doctor").envs(azurite.identity());
        doctor.env("IMPORT_STORAGE__blobServiceUri", &azurite.url);
        let shown = stdout(&run(doctor.env("IMPORT_CONTAINER", container)));
        let line = shown.lines().find(|line| line.starts_with("storage")).unwrap();
        assert!(line.contains(told) && line.contains(container), "{line}");
    }
}

/// Two instances of an app hear of the same upload: one imports it, the other waits and answers.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_AZURITE"]
async fn two_instances_at_once_import_it_once() {
    let one = App::start().await;
    let other = App::start_beside(Arc::clone(&one.azurite), Arc::clone(&one.data), &[]).await;
    let text = many(60_000);
    one.host.put("a.csv", text.as_bytes());
    other.host.adopt("a.csv", &one.host);
    // Told in both ways, which is what happens when both functions are switched on.
    let (first, second) = tokio::join!(
        Way::Blob.deliver(&one.host, "a.csv"),
        Way::Queue.deliver(&other.host, "a.csv")
    );
    let mut told = [said(&first), said(&second)];
    told.sort();
    assert!(told[0].contains("is imported, read 60000, loaded 60000"), "{told:?}");
    assert!(told[1].contains("was dealt with before, read 60000"), "{told:?}");
    assert_eq!(runs(&one.data.data.database()), 1);
}

fn runs(database: &Path) -> i64 {
    let db = Connection::open(database).unwrap();
    let sql = "SELECT count(*) FROM import_run WHERE source NOT LIKE 'sample:%'";
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Killed at random moments and delivered again each time, as the host does, it ends as an
/// undisturbed import does: row by row, refused rows among them.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_AZURITE"]
async fn an_upload_that_is_killed_again_and_again_ends_like_an_undisturbed_one() {
    let asked = |name: &str, default| {
        std::env::var(name).map_or(default, |number| number.parse::<u64>().unwrap())
    };
    let (rows, kills) = (asked("TEST_UPLOAD_ROWS", ROWS), asked("TEST_UPLOAD_KILLS", KILLS));
    let options = Options { rows, seed: 3, dirty_per_mille: 40, asins: Asins::Random };
    let mut text = Vec::new();
    write_products(&options, &mut text).unwrap();
    let calm = App::start().await;
    let begun = std::time::Instant::now();
    let told = calm.upload(Way::Blob, "big.csv", &text).await;
    let undisturbed = begun.elapsed();
    println!("{} bytes in {undisturbed:?}, at most {} KiB: {told}", text.len(), peak_kib(&calm));
    let rough = App::start().await;
    rough.host.put("big.csv", &text);
    let mut moment = 0.3;
    for _ in 0..kills {
        let delivered = rough.host.redeliver("big.csv");
        // A fixed sequence that is spread evenly and never the same.
        moment = (moment + 0.618_034) % 1.0;
        let killed = async {
            tokio::time::sleep(undisturbed.mul_f64(0.05 + 0.3 * moment)).await;
            let pid = rough.host.status().pid.unwrap();
            let kill = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
            assert!(kill.unwrap().success());
        };
        let (tries, ()) = tokio::join!(delivered, killed);
        assert!(tries.last().unwrap().succeeded(), "{tries:?}");
    }
    let last = rough.host.redeliver("big.csv").await;
    assert!(last.last().unwrap().succeeded());
    let counts = |told: &str| told.split(", read").nth(1).unwrap().to_owned();
    assert_eq!(counts(&last.last().unwrap().result().logs[0]), counts(&told));
    assert_equal(&calm.data, &rough.data);
}

/// The most memory that the handler has had.
fn peak_kib(app: &App) -> String {
    let pid = app.host.status().pid.unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().to_owned()
}
