//! Import runs as an administrator retries them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vitrine::import::source::Source;
use vitrine::import::{ImportError, Options, Outcome, import};
use vitrine::store::{Claimed, HowStarted, RunState, Store};

use crate::contract_store::claim;
use crate::support::TestFolder;
use crate::support::files::{asin, many, row};
use crate::support::office::{Office, body, dirty, import_held, problem};
use crate::support::process::{Serving, handler};
use crate::support::shop::{BOSS, administrator};

/// More than two batches.
const ROWS: usize = 70_000;

/// An import that ended as failed behind its first batch; gives its number.
async fn failed_in_the_middle(office: &Office, file: &Path) -> i64 {
    let store: Arc<dyn Store> = office.app.folder.store();
    let fail = async || {
        let failed = "UPDATE import_run SET state = 'failed', error = 'the cat was on it', \
             errors = 5, lease_token = NULL, ended_at = created_at + 1 WHERE state = 'loading'";
        assert_eq!(office.database().execute(failed, []).unwrap(), 1);
    };
    let lost = import_held(&office.app.folder, &store, file, fail).await;
    let Err(ImportError::Lost(run)) = lost else { panic!("{lost:?}") };
    assert_eq!(run.state, RunState::Failed);
    run.id.0
}

/// What the server itself carries on is cancelled as what others do.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_can_be_cancelled() {
    let office = Office::open(TestFolder::new()).await;
    let file = office.app.folder.file("p.csv", many(6 * ROWS));
    let id = failed_in_the_middle(&office, &file).await;
    let before = office.run(id).await["rows_read"].as_u64();
    assert_eq!(office.retried(id).await, id);
    office.until(id, |run| run["rows_read"].as_u64() > before).await;
    let cancelled = body(office.cancel(id).await, 202).await;
    let read = cancelled["rows_read"].as_u64().unwrap();
    assert!(read < 6 * ROWS as u64, "{cancelled}");
    // Its place is free once it has stopped.
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < Duration::from_secs(25), "its place is not given back");
        let next = office.retry(id).await;
        if next.status() == 202 {
            break;
        }
        assert!(next.headers().contains_key("retry-after"));
        problem(next, 429, "too-many-imports").await;
    }
    let after = office.run(id).await;
    assert_eq!((&after["state"], after["rows_read"].as_u64()), (&json!("cancelled"), Some(read)));
    body(office.cancel(id + 1).await, 202).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_goes_on_where_it_stopped_and_its_counts_add_up() {
    let office = Office::open(TestFolder::new()).await;
    // Bad rows in every batch, and one that replaces a row of another batch.
    let mut text = many(ROWS);
    for i in 0..9 {
        let at = text.len() * i / 9;
        let at = at + text[at..].find('\n').unwrap() + 1;
        text.insert_str(at, &(row(&format!("BAD{i}"), "Lamp", "much", 1) + "\n"));
    }
    text.push_str(&(row(&asin(5), "Another", "9.5", 1) + "\n"));
    let file = office.app.folder.file("p.csv", text);
    let id = failed_in_the_middle(&office, &file).await;
    let failed = office.run(id).await;
    assert_eq!(
        (&failed["state"], &failed["error"]),
        (&json!("failed"), &json!("the cat was on it"))
    );
    assert_eq!(failed["estimate"], Value::Null);
    let first = failed["rows_read"].as_u64().unwrap();
    assert_eq!(office.retried(id).await, id);
    let done = office.ended(id).await;
    let rows = ROWS as u64;
    assert_eq!(
        (&done["state"], &done["attempt"], &done["error"]),
        (&json!("done"), &json!(1), &Value::Null)
    );
    assert_eq!(
        (&done["rows_read"], &done["rows_loaded"], &done["rows_replaced"], &done["rows_rejected"]),
        (&json!(rows + 10), &json!(rows), &json!(1), &json!(9))
    );
    assert_eq!(office.products().await, rows);
    let from: u64 = office
        .database()
        .query_row("SELECT taken_read FROM import_run WHERE id = ?1", [id], |row| row.get(0))
        .unwrap();
    assert_eq!(from, first, "what was done before was not done again");
    let lines = office.get(&format!("/imports/{id}/rejects")).await.text().await.unwrap();
    assert_eq!(lines.lines().count(), 9);
}

#[tokio::test]
async fn what_has_ended_well_gets_the_next_attempt_once() {
    let office = Office::open(TestFolder::new()).await;
    let folder = &office.app.folder;
    let store: Arc<dyn Store> = folder.store();
    let run = folder.import(&store, &dirty(folder, "a.csv")).await.unwrap();
    let next = office.retried(run.id.0).await;
    let done = office.ended(next).await;
    assert_eq!(
        (&done["state"], &done["attempt"], &done["rows_loaded"]),
        (&json!("done"), &json!(2), &json!(2))
    );
    let refused = office.retry_with_a_place(run.id.0).await;
    let told = problem(refused, 409, "import-retried").await;
    assert!(told.contains(&next.to_string()), "{told}");
    let again = office.retried(next).await;
    assert_eq!(office.ended(again).await["attempt"], 3);
}

/// Four requests at once, by two servers on one file: one begins, and the file is read once.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_retries_at_once_one_is_carried_out() {
    let office = Office::open(TestFolder::new()).await;
    let next_door = office.next_door().await;
    let file = office.app.folder.file("p.csv", many(ROWS));
    let id = failed_in_the_middle(&office, &file).await;
    let answers =
        tokio::join!(office.retry(id), next_door.retry(id), office.retry(id), next_door.retry(id));
    let mut statuses = Vec::new();
    for answer in [answers.0, answers.1, answers.2, answers.3] {
        let status = answer.status().as_u16();
        if status == 409 {
            problem(answer, 409, "import-in-progress").await;
        }
        statuses.push(status);
    }
    statuses.sort_unstable();
    // A third at the same door may find its place taken before the run is.
    assert_eq!(statuses[0], 202, "{statuses:?}");
    assert!(statuses[1..].iter().all(|status| [409, 429].contains(status)), "{statuses:?}");
    let done = next_door.ended(id).await;
    assert_eq!((&done["state"], &done["rows_read"]), (&json!("done"), &json!(ROWS)));
    let runs = body(office.get("/imports").await, 200).await;
    let of_file = |run: &&Value| run["source"].as_str().unwrap().ends_with("/p.csv");
    assert_eq!(runs.as_array().unwrap().iter().filter(of_file).count(), 1);
    assert_eq!(office.products().await, ROWS as u64);
    // What one has done, the other shows and retries.
    assert_eq!(next_door.run(id).await, office.run(id).await);
    let second = next_door.retried(id).await;
    assert_eq!(office.ended(second).await["state"], "done");
    assert_eq!(next_door.run(second).await, office.run(second).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_cannot_be_had_says_why() {
    let office = Office::open(TestFolder::new()).await;
    let folder = &office.app.folder;
    let store: Arc<dyn Store> = folder.store();
    let file = |name: &str| folder.file(name, many(10));
    let import = async |file: &Path| folder.import(&store, file).await.unwrap().id.0;
    let gone = import(&file("gone.csv")).await;
    std::fs::remove_file(folder.dir.path().join("gone.csv")).unwrap();
    problem(office.retry(gone).await, 409, "source-gone").await;
    std::fs::create_dir(folder.dir.path().join("gone.csv")).unwrap();
    problem(office.retry(gone).await, 409, "source-gone").await;
    let changed = import(&file("changed.csv")).await;
    folder.file("changed.csv", many(11));
    problem(office.retry(changed).await, 409, "source-changed").await;
    let uploaded = "https://shop.blob.core.windows.net/imports/p.csv";
    let Claimed::Ours(envelope, _) =
        store.claim_run(&claim(uploaded, "0x8D", HowStarted::Delivered)).await.unwrap()
    else {
        panic!("nobody else has it")
    };
    body(office.cancel(envelope.id.0).await, 202).await;
    problem(office.retry(envelope.id.0).await, 409, "source-not-kept").await;
    for id in [gone, changed, envelope.id.0] {
        assert_eq!(office.run(id).await["attempt"], 1, "nothing was begun");
    }
    let big = folder.file("big.csv", many(ROWS));
    let held = import_held(folder, &store, &big, async || {
        let newest = body(office.get("/imports?limit=1").await, 200).await[0]["id"].clone();
        let refused = office.retry(newest.as_i64().unwrap()).await;
        problem(refused, 409, "import-in-progress").await;
    });
    let Outcome::Done(run) = held.await.unwrap() else { panic!("its owner was left alone") };
    assert_eq!(run.counts.read, ROWS as u64);
}

/// It is tried in earnest, and fails as it did: by the limit that it was given.
#[tokio::test]
async fn a_retry_that_fails_says_why_in_its_run() {
    let office = Office::open(TestFolder::new()).await;
    let folder = &office.app.folder;
    let store: Arc<dyn Store> = folder.store();
    let options = Options { how: HowStarted::ByHand, rejects_max: Some(1) };
    let source = Source::File(dirty(folder, "a.csv"));
    import(&store, &folder.rejects(), source, options, &|_| {}).await.unwrap_err();
    let newest = body(office.get("/imports?limit=1").await, 200).await[0].clone();
    let id = newest["id"].as_i64().unwrap();
    assert_eq!(office.retried(id).await, id);
    let failed = office.ended(id).await;
    assert_eq!(failed["state"], "failed");
    assert_eq!(failed["error"], "2 rows are refused, more than the 1 allowed");
}

/// Two ask at once while nobody can write, so that one waits for its claim and the other one is
/// told that there is no place. Then the first one is gone: its run is done all the same.
#[tokio::test]
async fn a_retry_outlives_the_one_who_asked() {
    let office = Office::open(TestFolder::new()).await;
    let folder = &office.app.folder;
    let store: Arc<dyn Store> = folder.store();
    let run = folder.import(&store, &folder.file("a.csv", many(2_000))).await.unwrap();
    drop(store);
    let lock = office.database();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let address = office.app.url.strip_prefix("http://").unwrap();
    let request = format!(
        "POST /imports/{}/retry HTTP/1.1\r\nhost: {address}\r\nauthorization: {}\r\n\
         content-length: 0\r\n\r\n",
        run.id, office.token
    );
    let ask = async || {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        connection
    };
    let (mut one, mut other) = (ask().await, ask().await);
    let (mut to_one, mut to_other) = ([0; 12], [0; 12]);
    let (answer, waiting) = tokio::select! {
        _ = one.read_exact(&mut to_one) => (to_one, other),
        _ = other.read_exact(&mut to_other) => (to_other, one),
    };
    assert_eq!(&answer, b"HTTP/1.1 429");
    drop(waiting);
    for _until_the_server_has_seen_it in 0..20 {
        office.app.get("/health").await;
    }
    lock.execute_batch("ROLLBACK").unwrap();
    let next = run.id.0 + 1;
    let began = Instant::now();
    while office.get(&format!("/imports/{next}")).await.status() == 404 {
        assert!(began.elapsed() < Duration::from_secs(10), "nothing was begun");
    }
    let done = office.ended(next).await;
    assert_eq!((&done["state"], &done["rows_loaded"]), (&json!("done"), &json!(2_000)));
}

/// A process of its own, which can be told to stop.
fn serve(folder: &TestFolder) -> Serving {
    Serving::start_by(handler(folder.data.path()).env("ADMIN_EMAILS", BOSS).arg("serve"))
}

/// A process that is told to stop in the middle of a retry leaves the run where its last batch
/// ended, and the next process goes on there without being asked.
#[tokio::test]
async fn a_retry_that_a_stop_cuts_off_is_taken_up_where_it_was() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    let total = 6 * ROWS as u64;
    let run = folder.import(&store, &folder.file("p.csv", many(6 * ROWS))).await.unwrap();
    drop(store);
    let mut serving = serve(&folder);
    let token = administrator(&serving.client, &serving.url).await;
    let path = format!("/imports/{}/retry", run.id);
    let retried = serving.ask(Method::POST, &path, &[("authorization", &token)]).await;
    let next = body(retried, 202).await["id"].as_i64().unwrap();
    let look = async |serving: &Serving| {
        let path = format!("/imports/{next}");
        body(serving.ask(Method::GET, &path, &[("authorization", &token)]).await, 200).await
    };
    while look(&serving).await["rows_read"] == 0 {}
    let pid = serving.child.id().to_string();
    let told = std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(told.success() && serving.child.wait().unwrap().success(), "it ends well");

    let database = Connection::open(folder.data.database()).unwrap();
    let (state, read): (String, u64) = database
        .query_row("SELECT state, rows_read FROM import_run WHERE id = ?1", [next], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert!(state == "loading" && read > 0 && read < total, "{state} {read}");
    // As if its lease had lapsed, for which nobody wants to wait here.
    database.execute("UPDATE import_run SET lease_until = 0 WHERE id = ?1", [next]).unwrap();
    let serving = serve(&folder);
    let done = loop {
        let run = look(&serving).await;
        if !run["ended_at"].is_null() {
            break run;
        }
    };
    assert_eq!((&done["state"], &done["attempt"]), (&json!("done"), &json!(2)));
    assert_eq!((&done["rows_read"], &done["rows_loaded"]), (&json!(total), &json!(total)));
    let from: u64 = database
        .query_row("SELECT taken_read FROM import_run WHERE id = ?1", [next], |row| row.get(0))
        .unwrap();
    assert_eq!(from, read);
}

/// The same on a server: shown, retried, cancelled between two batches.
mod on_sqlserver {
    use vitrine::clock::Clock;

    use super::*;
    use crate::support::sqlserver::TestDatabase;

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs TEST_SQL_CONNECTION_STRING"]
    async fn runs_are_handled_as_on_the_embedded_store() {
        let (database, folder) = (TestDatabase::make().await, TestFolder::new());
        let store: Arc<dyn Store> = database.store(Clock::System).await;
        folder.import(&store, &dirty(&folder, "Straße, 日本 😀.csv")).await.unwrap();
        let sql = database.sql.clone();
        let office = Office::open_with(folder, |settings| settings.sql = Some(sql)).await;
        let first = body(office.get("/imports").await, 200).await[0].clone();
        assert!(first["source"].as_str().unwrap().ends_with("Straße, 日本 😀.csv"));
        assert_eq!((&first["rows_read"], &first["rows_rejected"]), (&json!(5), &json!(2)));
        let id = first["id"].as_i64().unwrap();
        let rejects = office.get(&format!("/imports/{id}/rejects")).await.text().await.unwrap();
        assert_eq!(rejects.lines().count(), 2);
        let second = office.retried(id).await;
        assert_eq!(office.ended(second).await["state"], "done");
        problem(office.cancel(second).await, 409, "import-ended").await;

        let folder = &office.app.folder;
        let big = folder.file("big.csv", many(5 * store.batch_rows() / 2));
        let cancel = async || {
            let newest = body(office.get("/imports?limit=1").await, 200).await[0].clone();
            let held = newest["id"].as_i64().unwrap();
            problem(office.retry(held).await, 409, "import-in-progress").await;
            body(office.cancel(held).await, 202).await;
        };
        let stopped = import_held(folder, &store, &big, cancel).await;
        let Err(ImportError::Lost(run)) = stopped else { panic!("{stopped:?}") };
        assert_eq!(run.state, RunState::Cancelled);
        assert_eq!(office.products().await, 2 + run.counts.loaded, "and no further batch");
    }
}
