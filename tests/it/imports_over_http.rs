//! Import runs as an administrator lists them, looks at them and cancels them.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use vitrine::store::{HowStarted, RunId, RunState, Store};

use crate::contract_store::claim;
use crate::support::TestFolder;
use crate::support::files::{many, products, row};
use crate::support::office::{Office, body, dirty, import_held, problem};

/// More than two batches.
const ROWS: usize = 70_000;

#[tokio::test]
async fn a_run_is_shown_with_all_that_is_known_of_it() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    let file = dirty(&folder, "Straße, 日本 \"😀\".csv");
    folder.import(&store, &file).await.unwrap();
    drop(store);
    let office = Office::open(folder).await;
    let list = body(office.get("/imports").await, 200).await;
    let run = &list[0];
    let size = std::fs::metadata(&file).unwrap().len();
    let expected = json!({"id": 1, "source": file.canonicalize().unwrap().to_str().unwrap(),
        "attempt": 1, "state": "done", "bytes_done": size, "bytes_total": size, "rows_read": 5,
        "rows_loaded": 2, "rows_replaced": 1, "rows_rejected": 2, "rate": run["rate"],
        "estimate": null, "error": null, "created_at": run["created_at"],
        "ended_at": run["ended_at"]});
    assert_eq!(list, json!([expected]));
    assert!(run["rate"].as_f64().unwrap() > 0.0);
    let moments = ["created_at", "ended_at"].map(|name| run[name].as_str().unwrap().to_owned());
    assert!(moments[0] < moments[1], "{moments:?}");
    for moment in moments {
        assert!(moment.starts_with("20") && moment.ends_with('Z') && moment.contains('T'));
    }
    assert_eq!(office.run(1).await, list[0]);
    for path in ["/imports", "/imports/", "/imports/1", "/imports/1/rejects"] {
        let head = office.ask(Method::HEAD, path).await;
        assert_eq!(
            (head.status().as_u16(), &head.headers()["cache-control"] == "no-store"),
            (200, true)
        );
    }
}

#[tokio::test]
async fn the_list_is_walked_newest_first_by_its_links() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    for i in 0..7 {
        folder.import(&store, &folder.file(&format!("{i}.csv"), many(1))).await.unwrap();
    }
    drop(store);
    let office = Office::open(folder).await;
    let (mut path, mut ids, mut pages) = ("/imports?limit=3".to_owned(), Vec::new(), 0);
    loop {
        let response = office.get(&path).await;
        let link = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        let runs = body(response, 200).await;
        ids.extend(runs.as_array().unwrap().iter().map(|run| run["id"].as_i64().unwrap()));
        pages += 1;
        let Some(link) = link else { break };
        let next = link.strip_prefix('<').and_then(|l| l.strip_suffix(">; rel=\"next\""));
        next.unwrap().clone_into(&mut path);
        assert!(path.starts_with("/imports?limit=3&cursor="), "{path}");
    }
    assert_eq!((ids, pages), ((1..=7).rev().collect(), 3));
    let whole = office.get("/imports?limit=7&code=x&clientId=y").await;
    assert!(!whole.headers().contains_key("link"), "there is no more");
    for (query, named) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=", "cursor"),
        ("cursor=AAAA", "cursor"),
        ("cursor=AAAAAAAAAAc&cursor=AAAAAAAAAAc", "cursor"),
        ("colour=red", "colour"),
    ] {
        let refused = office.get(&format!("/imports?{query}")).await;
        let detail = problem(refused, 400, "invalid-parameter").await;
        assert!(detail.contains(named), "{query}: {detail}");
    }
    for path in ["/imports/1", "/imports/1/rejects"] {
        let refused = office.get(&format!("{path}?limit=1")).await;
        assert!(problem(refused, 400, "invalid-parameter").await.contains("limit"));
    }
}

#[tokio::test]
async fn runs_are_for_administrators_alone() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    folder.import(&store, &folder.file("a.csv", many(1))).await.unwrap();
    drop(store);
    let office = Office::open(folder).await;
    let app = &office.app;
    let post =
        |path: &str, body: Value| app.client.post(format!("{}{path}", app.url)).json(&body).send();
    let form = json!({"email": "ann@shop.example", "password": "Secret1!", "firstName": "Ann",
        "lastName": "Lee"});
    assert_eq!(post("/signup", form).await.unwrap().status(), 201);
    let form = json!({"email": "ann@shop.example", "password": "Secret1!"});
    let signed_in: Value = post("/login", form).await.unwrap().json().await.unwrap();
    let ann = format!("Bearer {}", signed_in["idToken"].as_str().unwrap());
    for (method, path) in [
        (Method::GET, "/imports"),
        (Method::GET, "/imports?limit=nonsense"),
        (Method::GET, "/imports/1"),
        (Method::GET, "/imports/77"),
        (Method::GET, "/imports/1/rejects"),
        (Method::DELETE, "/imports/1"),
        (Method::POST, "/imports/1/retry"),
    ] {
        let request = || app.client.request(method.clone(), format!("{}{path}", app.url));
        let nobody = request().send().await.unwrap();
        assert!(nobody.headers().contains_key("www-authenticate"));
        problem(nobody, 401, "unauthorized").await;
        let forged = request().header("authorization", "Bearer x.y.z").send().await.unwrap();
        problem(forged, 401, "unauthorized").await;
        let somebody = request().header("authorization", &ann).send().await.unwrap();
        problem(somebody, 403, "forbidden").await;
    }
    assert_eq!(body(office.get("/imports").await, 200).await.as_array().unwrap().len(), 1);
    for (method, path, allowed) in [
        (Method::PUT, "/imports/1", "GET, HEAD, DELETE"),
        (Method::POST, "/imports", "GET, HEAD"),
        (Method::DELETE, "/imports/1/rejects", "GET, HEAD"),
        (Method::GET, "/imports/1/retry", "POST"),
    ] {
        let refused = office.ask(method, path).await;
        if app.is_through_host() {
            assert_eq!(refused.status(), 404);
        } else {
            assert_eq!(refused.headers()["allow"], allowed);
            problem(refused, 405, "method-not-allowed").await;
        }
    }
}

#[tokio::test]
async fn what_is_no_run_is_not_found() {
    let office = Office::open(TestFolder::new()).await;
    for id in ["77", "0", "-1", "007", "+7", "x", "1e3", "9223372036854775808", "%37%37"] {
        for (method, end) in [
            (Method::GET, ""),
            (Method::GET, "/rejects"),
            (Method::DELETE, ""),
            (Method::POST, "/retry"),
        ] {
            let refused = office.ask(method, &format!("/imports/{id}{end}")).await;
            problem(refused, 404, "no-such-import").await;
        }
    }
}

#[tokio::test]
async fn every_refused_row_is_a_line_in_the_order_of_the_file() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    let lines: Vec<_> =
        (0..12_345).map(|i| row(&format!("B{i:05}"), &format!("Löwe {i}"), "much", 1)).collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let run = folder.import(&store, &folder.file("bad.csv", products(&lines))).await.unwrap();
    folder.import(&store, &folder.file("good.csv", many(3))).await.unwrap();
    let written = std::fs::read_to_string(folder.rejects().shown(run.id, "bad.csv")).unwrap();
    drop(store);
    let office = Office::open(folder).await;
    let streamed = office.get("/imports/1/rejects").await;
    assert_eq!(streamed.headers()["content-type"], "application/x-ndjson");
    assert_eq!(streamed.headers()["cache-control"], "no-store");
    let text = streamed.text().await.unwrap();
    assert!(text == written, "the same as in the folder of refused rows");
    let rejects: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(rejects.len(), 12_345);
    for (i, reject) in rejects.iter().enumerate() {
        assert_eq!(
            (reject["line"].as_u64(), &reject["column"]),
            (Some(i as u64 + 2), &json!("price"))
        );
        assert!(reject["record"].as_str().unwrap().starts_with(&format!("B{i:05},Löwe {i},")));
    }
    let none = office.get("/imports/2/rejects").await;
    assert_eq!((none.status().as_u16(), none.text().await.unwrap().as_str()), (200, ""));
}

/// 200 records of 60 KB: far more than lies between a server and a client that does not read.
async fn with_large_rejects() -> Office {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    let long = "x".repeat(60_000);
    let lines: Vec<_> = (0..300).map(|i| row(&format!("B{i:03}"), &long, "1.5", 1)).collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    folder.import(&store, &folder.file("bad.csv", products(&lines))).await.unwrap();
    drop(store);
    Office::open(folder).await
}

#[tokio::test]
async fn an_error_behind_the_first_refused_row_cuts_the_connection() {
    let office = with_large_rejects().await;
    let whole = office.get("/imports/1/rejects").await.text().await.unwrap();
    assert_eq!(whole.lines().count(), 300);
    let streamed = office.get("/imports/1/rejects").await;
    assert_eq!(streamed.status(), 200);
    office.database().execute_batch("ALTER TABLE import_reject RENAME TO hidden").unwrap();
    assert!(streamed.text().await.is_err(), "no end was sent");
}

#[tokio::test]
async fn refused_rows_take_a_place_among_the_streams() {
    let office = with_large_rejects().await;
    let first = office.get("/imports/1/rejects").await;
    let second = office.get("/imports/1/rejects").await;
    let third = office.get("/imports/1/rejects").await;
    assert!(third.headers().contains_key("retry-after"));
    problem(third, 429, "too-many-streams").await;
    drop(first);
    // The server learns of it when it next writes.
    while office.get("/imports/1/rejects").await.status() != 200 {}
    assert_eq!(second.text().await.unwrap().lines().count(), 300);
}

/// Cancelled between two batches of somebody else's: the first one stays, no other is applied,
/// and the file is imported again when somebody asks for just that.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_import_ends_at_its_next_batch() {
    let office = Office::open(TestFolder::new()).await;
    let folder = &office.app.folder;
    // One of its rows is refused.
    let file = folder.file("p.csv", format!("{}B0,x\n", many(ROWS)).replacen('\n', "\nB0,x\n", 1));
    let store: Arc<dyn Store> = folder.store();
    let newest = async || body(office.get("/imports?limit=1").await, 200).await[0].clone();
    let cancel = async || {
        let running = newest().await;
        assert_eq!((&running["state"], &running["ended_at"]), (&json!("loading"), &Value::Null));
        let (done, total) = (&running["bytes_done"], &running["bytes_total"]);
        assert!(done.as_u64() > Some(0) && done.as_u64() < total.as_u64(), "{running}");
        assert!(running["rate"].as_f64() > Some(0.0) && running["estimate"].is_u64());
        let cancelled = body(office.cancel(running["id"].as_i64().unwrap()).await, 202).await;
        assert_eq!(
            (&cancelled["state"], &cancelled["estimate"]),
            (&json!("cancelled"), &Value::Null)
        );
        assert!(cancelled["ended_at"].is_string());
    };
    let stopped = import_held(folder, &store, &file, cancel).await.unwrap_err();
    assert!(stopped.to_string().contains("is cancelled elsewhere"), "{stopped}");
    let run = newest().await;
    let (id, read) = (run["id"].as_i64().unwrap(), run["rows_read"].as_u64().unwrap());
    assert_eq!((&run["state"], &run["error"]), (&json!("cancelled"), &Value::Null));
    assert!(read > 0 && read < ROWS as u64, "{run}");
    assert_eq!(office.products().await, read - 1, "no further batch, and the first one whole");
    let rejects = std::fs::read_to_string(folder.rejects().shown(RunId(id), "p.csv")).unwrap();
    assert_eq!(rejects.lines().count(), 1);
    let detail = problem(office.cancel(id).await, 409, "import-ended").await;
    assert!(detail.contains("cancelled"), "{detail}");

    let delivered = folder.import_as(&store, &file, HowStarted::Delivered).await.unwrap();
    assert_eq!((delivered.id.0, delivered.state), (id, RunState::Cancelled));
    assert_eq!(office.products().await, read - 1);
    let next = office.retried(id).await;
    let done = office.ended(next).await;
    assert_eq!((&done["state"], &done["attempt"]), (&json!("done"), &json!(2)));
    assert_eq!((&done["rows_read"], &done["rows_loaded"]), (&json!(ROWS + 2), &json!(ROWS)));
    assert_eq!(office.products().await, ROWS as u64);
}

#[tokio::test]
async fn what_has_ended_is_not_cancelled() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    folder.import(&store, &folder.file("good.csv", many(1))).await.unwrap();
    folder.import(&store, &folder.file("bad.csv", "colour\nred\n")).await.unwrap_err();
    for etag in ["1", "2"] {
        store.claim_run(&claim("/tmp/s.csv", etag, HowStarted::ByHand)).await.unwrap();
    }
    drop(store);
    let office = Office::open(folder).await;
    for (id, state) in [(1, "done"), (2, "failed"), (3, "superseded")] {
        let before = office.run(id).await;
        let detail = problem(office.cancel(id).await, 409, "import-ended").await;
        assert!(detail.contains(state), "{detail}");
        assert_eq!(office.run(id).await, before);
    }
    assert!(office.run(2).await["error"].as_str().unwrap().contains("unknown header"));
}
