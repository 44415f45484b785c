//! Live answers, held against the API document: every operation, once at least for each answer
//! that the document tells of and a client can bring about.

mod tour;

use std::collections::BTreeSet;
use std::sync::Arc;

use reqwest::Method;
use reqwest::header::HeaderMap;
use rusqlite::Connection;
use serde_json::{Value, json};
use vitrine::store::{Claimed, HowStarted, Store};

use self::tour::{Case, Tour, Who};
use crate::contract_store::claim;
use crate::support::TestFolder;
use crate::support::app::TestApp;
use crate::support::files::many;
use crate::support::office::import_held;
use crate::support::openapi::{Answer, Document};
use crate::support::wire::Wire;

/// Enough for a stream that is not read to wait for its client.
const ROWS: usize = 40_000;
/// More than two batches.
const ROWS_OF_BATCHES: usize = 70_000;

/// What is told of and cannot be brought about here: of which operation, of any if it is empty,
/// and where it is looked at.
const ELSEWHERE: [(&str, &str, &str); 5] = [
    ("", "internal", "a fault of ours: nothing that a client sends makes one"),
    ("", "idempotency-key-in-flight", "a matter of microseconds: writes"),
    ("", "search-not-available", "a SQL Server without full-text search: sqlserver"),
    ("", "too-many-imports", "a matter of milliseconds: retries_over_http"),
    ("ResetPassword", "unavailable", "a vault that has told nothing yet: key_vault_process"),
];

/// What stands for the `{…}` of a path.
fn example(path: &str) -> &'static str {
    match path.split_once('{') {
        None => "",
        Some(("/users/", _)) => "0f8fad5b-d9cb-469f-a165-70867728950e",
        Some(_) => "1",
    }
}

impl Tour {
    /// What a request can get wrong whatever it is about.
    async fn every_common_fault(&mut self) {
        for (operation, status, word) in self.document.answers() {
            let operation = operation.as_str();
            let path = example(self.document.operation(operation).path);
            let odd = format!("{path}?colour=red");
            let who = match word.as_str() {
                "unauthorized" if operation == "SignUp" => continue,
                "unauthorized" => Who::Nobody,
                "forbidden" if ["SignUp", "Logout", "Me"].contains(&operation) => continue,
                "forbidden" => Who::Ann,
                _ => Who::Boss,
            };
            let (path, headers, body): (_, Vec<(&str, &str)>, _) = match word.as_str() {
                "unauthorized" | "forbidden" => (path, vec![], None),
                "invalid-parameter" => (odd.as_str(), vec![], None),
                "not-acceptable" => (path, vec![("accept", "image/png")], None),
                "malformed-body" => (path, vec![], Some("{".to_owned())),
                "too-large" => (path, vec![], Some("x".repeat(1_024 * 1_024 + 1))),
                "unsupported-media-type" => {
                    (path, vec![("content-type", "text/plain")], Some("{}".to_owned()))
                }
                "invalid-field" => (path, vec![], Some(r#"{"colour":"red"}"#.to_owned())),
                _ => continue,
            };
            let case = Case { operation, who, path: path.to_owned(), headers, body };
            self.ask(case, status, &word).await;
        }
    }

    /// A body of chunks, one of which is none.
    async fn bodies_that_end_early(&mut self) {
        for (operation, status, word) in self.document.answers() {
            if word != "incomplete-body" {
                continue;
            }
            let told = self.document.operation(&operation);
            let path = told.path.split('{').next().unwrap().to_owned() + example(told.path);
            let request = format!(
                "{} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Type: application/json\r\n\
                 Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                told.method.to_uppercase(),
                self.office.token,
            );
            let mut wire = Wire::connect(&self.office.app.url).await;
            wire.send(request).await;
            let answer = wire.answer().await.unwrap();
            let headers = answer.head.lines().skip(1).filter_map(|line| line.split_once(": "));
            let headers =
                headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let headers: HeaderMap = headers.collect();
            let answer = Answer { status: answer.status, headers, body: answer.body.into() };
            self.hold(&operation, &answer, status, &word);
        }
    }

    async fn what_there_is_not(&mut self) {
        let app = &self.office.app;
        let asked = [("not-found", "/nothing"), ("method-not-allowed", "/logout")];
        for (word, path) in asked {
            let answer = Answer::of(app.get(path).await).await;
            if app.is_through_host() {
                // The host's own.
                continue;
            }
            assert_eq!(answer.problem(), word);
            let response = &self.document.0["components"]["responses"][word];
            assert_eq!(self.document.faults_by(response, &answer), Vec::<String>::new(), "{word}");
        }
    }

    async fn every_document(&mut self) {
        for operation in ["Home", "Health", "Ready", "Docs", "Dashboard", "OpenApi", "Stats"] {
            self.got(operation, "", 200, "").await;
        }
        self.with("Home", "", &[("accept", "text/html")], 200, "").await;
        let known = ("if-none-match", "*");
        self.with("Home", "", &[("accept", "text/html"), known], 304, "").await;
        for operation in ["Docs", "Dashboard", "OpenApi", "ListCategories", "CategoryCount"] {
            self.with(operation, "", &[known], 304, "").await;
        }
    }

    async fn the_catalogue(&mut self) {
        for path in
            ["", "?category_id=1&sort=-price&limit=2", "?q=lamp&min_price=1", "?max_price=0"]
        {
            self.got("ListProducts", path, 200, "").await;
        }
        for accept in ["application/x-ndjson", "text/csv"] {
            self.with("ListProducts", "?category_id=1", &[("accept", accept)], 200, "").await;
        }
        for encoding in ["gzip", "br", "zstd"] {
            // Read as it comes: the head is what differs.
            let asked = [("accept-encoding", encoding), ("if-none-match", "*")];
            self.with("ListProducts", "", &asked, 304, "").await;
        }
        self.got("ListProducts", "?category_id=777", 404, "unknown-category").await;
        let kept = self.got("ListProducts", "?limit=2", 200, "").await;
        assert_eq!(kept.header("cache-status"), Some("vitrine; fwd=miss"));
        self.got("GetProduct", "B000000000", 200, "").await;
        self.with("GetProduct", "B000000000", &[("if-none-match", "*")], 304, "").await;
        self.got("GetProduct", "NONE", 404, "no-such-product").await;
        self.got("ListCategories", "", 200, "").await;
        self.got("CategoryCount", "", 200, "").await;
        self.got("CategoryName", "?category_id=1", 200, "").await;
        self.with("CategoryName", "?category_id=1", &[("if-none-match", "*")], 304, "").await;
        self.got("CategoryName", "?category_id=777", 404, "unknown-category").await;
    }

    async fn writes(&mut self) {
        let new = |asin: &str, category: u32| {
            format!(r#"{{"asin":"{asin}","title":"A lamp","category_id":{category},"price":0.1}}"#)
        };
        let named = |key: &'static str, body: String| Case {
            operation: "CreateProduct",
            who: Who::Boss,
            path: String::new(),
            headers: vec![("idempotency-key", key)],
            body: Some(body),
        };
        self.ask(named("one", new("NEW-1", 1)), 201, "").await;
        self.ask(named("one", new("NEW-1", 1)), 201, "").await;
        self.ask(named("one", new("NEW-2", 1)), 422, "idempotency-key-reused").await;
        self.ask(named("two words", new("NEW-2", 1)), 400, "invalid-header").await;
        let boss = Who::Boss;
        self.sent("CreateProduct", boss, "", &new("NEW-1", 1), 409, "product-exists").await;
        self.sent("CreateProduct", boss, "", &new("NEW-2", 777), 422, "unknown-category").await;
        let body = r#"{"title":"A lamp","category_id":1}"#;
        self.sent("ReplaceProduct", boss, "NEW-3", body, 201, "").await;
        self.sent("ReplaceProduct", boss, "NEW-3", body, 200, "").await;
        let nowhere = r#"{"title":"A lamp","category_id":777}"#;
        self.sent("ReplaceProduct", boss, "NEW-3", nowhere, 422, "unknown-category").await;
        self.sent("UpdateProduct", boss, "NEW-3", r#"{"price":1}"#, 200, "").await;
        let moved = r#"{"category_id":777}"#;
        self.sent("UpdateProduct", boss, "NEW-3", moved, 422, "unknown-category").await;
        self.sent("UpdateProduct", boss, "NONE", r#"{"price":1}"#, 404, "no-such-product").await;
        for operation in ["ReplaceProduct", "UpdateProduct", "DeleteProduct"] {
            let is_delete = operation == "DeleteProduct";
            let case = Case {
                operation,
                who: boss,
                path: "NEW-3".to_owned(),
                headers: vec![("if-match", "\"another\"")],
                body: (!is_delete).then(|| body.to_owned()),
            };
            self.ask(case, 412, "precondition-failed").await;
        }
        self.got("DeleteProduct", "NEW-3", 204, "").await;
        self.got("DeleteProduct", "NEW-3", 404, "no-such-product").await;
    }

    async fn people(&mut self) {
        let form = |email: &str, more: &str| {
            format!(
                r#"{{"email":"{email}","password":"Secret1!","firstName":"Bea","lastName":"Lee"{more}}}"#
            )
        };
        let (boss, nobody) = (Who::Boss, Who::Nobody);
        self.sent("SignUp", nobody, "", &form("ann@shop.example", ""), 409, "email-taken").await;
        let asks = form("bea@shop.example", r#","admin":true"#);
        self.sent("SignUp", nobody, "", &asks, 403, "forbidden").await;
        let made = self.sent("SignUp", boss, "", &asks, 201, "").await;
        let case = Case {
            operation: "SignUp",
            who: nobody,
            path: String::new(),
            headers: vec![("authorization", "Bearer nonsense")],
            body: Some(form("cid@shop.example", "")),
        };
        self.ask(case, 401, "unauthorized").await;
        let wrong = r#"{"email":"ann@shop.example","password":"Wrong1!!"}"#;
        self.sent("Login", nobody, "", wrong, 401, "login-failed").await;
        let right = r#"{"email":"ann@shop.example","password":"Secret1!"}"#;
        let signed_in = self.sent("Login", nobody, "", right, 200, "").await;
        let token = json!({ "refreshToken": signed_in["refreshToken"] }).to_string();
        self.sent("RefreshToken", nobody, "", &token, 200, "").await;
        self.sent("RefreshToken", nobody, "", &token, 401, "login-failed").await;
        let reset = r#"{"email":"nobody@shop.example"}"#;
        self.sent("ResetPassword", nobody, "", reset, 202, "").await;
        let me = self.sent("Me", boss, "", "", 200, "").await;
        assert!(self.got("ListUsers", "?limit=1", 200, "").await.header("link").is_some());
        self.got("ListUsers", "", 200, "").await;
        let (bea, boss_id) = (made["user_id"].as_str().unwrap(), me["user_id"].as_str().unwrap());
        self.sent("UpdateUser", boss, bea, r#"{"admin":false}"#, 200, "").await;
        let last =
            self.sent("UpdateUser", boss, boss_id, r#"{"admin":false}"#, 409, "last-administrator");
        last.await;
        let unknown = "0f8fad5b-d9cb-469f-a165-70867728950e";
        self.sent("UpdateUser", boss, unknown, r#"{"admin":false}"#, 404, "no-such-user").await;
        self.sent("Logout", Who::Ann, "", "", 204, "").await;
        // Who is shut out is told so by whatever needs a user.
        let who = self.sent("Me", Who::Ann, "", "", 200, "").await;
        let ann = who["user_id"].as_str().unwrap();
        self.sent("UpdateUser", boss, ann, r#"{"active":false}"#, 200, "").await;
        for operation in ["Me", "Logout"] {
            self.sent(operation, Who::Ann, "", "", 403, "forbidden").await;
        }
        self.sent("UpdateUser", boss, ann, r#"{"active":true}"#, 200, "").await;
    }

    async fn imports(&mut self) {
        let store: Arc<dyn Store> = self.office.app.folder.store();
        let mut ids = Vec::new();
        for name in ["gone.csv", "changed.csv", "good.csv"] {
            let folder = &self.office.app.folder;
            let run = folder.import(&store, &folder.file(name, many(10))).await.unwrap();
            ids.push(run.id.to_string());
        }
        std::fs::remove_file(self.office.app.folder.dir.path().join("gone.csv")).unwrap();
        self.office.app.folder.file("changed.csv", many(11));
        assert!(self.got("ListImports", "?limit=1", 200, "").await.header("link").is_some());
        self.got("GetImport", &ids[0], 200, "").await;
        self.got("ImportRejects", &ids[0], 200, "").await;
        for operation in ["GetImport", "ImportRejects", "CancelImport", "RetryImport"] {
            self.got(operation, "777", 404, "no-such-import").await;
        }
        self.got("CancelImport", &ids[0], 409, "import-ended").await;
        self.got("RetryImport", &ids[0], 409, "source-gone").await;
        self.got("RetryImport", &ids[1], 409, "source-changed").await;
        let uploaded = claim(
            "https://shop.blob.core.windows.net/imports/p.csv",
            "0x8D",
            HowStarted::Delivered,
        );
        let Claimed::Ours(run, _) = store.claim_run(&uploaded).await.unwrap() else {
            panic!("nobody else has it")
        };
        self.got("CancelImport", &run.id.to_string(), 202, "").await;
        self.got("RetryImport", &run.id.to_string(), 409, "source-not-kept").await;
        self.got("RetryImport", &ids[2], 202, "").await;
        let next = self.office.run(run.id.0 + 1).await;
        self.office.ended(next["id"].as_i64().unwrap()).await;
        while self.office.retry(ids[2].parse().unwrap()).await.status() == 429 {}
        self.got("RetryImport", &ids[2], 409, "import-retried").await;
        self.a_held_import(&store).await;
    }

    async fn a_held_import(&mut self, store: &Arc<dyn Store>) {
        let file = self.office.app.folder.file("big.csv", many(ROWS_OF_BATCHES));
        let (url, client) = (self.office.app.url.clone(), self.office.app.client.clone());
        let (token, said) = (self.office.token.clone(), tokio::sync::Mutex::new(None));
        let refused = async || {
            let asked = |method, path: String| {
                client
                    .request(method, format!("{url}{path}"))
                    .header("authorization", &token)
                    .send()
            };
            let newest = asked(Method::GET, "/imports?limit=1".to_owned()).await.unwrap();
            let newest: Value = newest.json().await.unwrap();
            let retry = format!("/imports/{}/retry", newest[0]["id"]);
            *said.lock().await = Some(asked(Method::POST, retry).await.unwrap());
        };
        import_held(&self.office.app.folder, store, &file, refused).await.unwrap();
        let response = said.lock().await.take().unwrap();
        self.look_at("RetryImport", response, 409, "import-in-progress").await;
    }

    /// Two lists that nobody reads hold both places.
    async fn too_many_streams(&mut self) {
        let accept = vec![("accept", "text/csv")];
        let streamed = || Case {
            operation: "ListProducts",
            who: Who::Nobody,
            path: String::new(),
            headers: accept.clone(),
            body: None,
        };
        let held = [self.request(&streamed()).await, self.request(&streamed()).await];
        self.ask(streamed(), 429, "too-many-streams").await;
        self.got("ImportRejects", "1", 429, "too-many-streams").await;
        drop(held);
    }

    /// A second server whose limits are on.
    async fn too_many_attempts(&mut self) {
        let app = TestApp::start_in(TestFolder::new()).await;
        let cases = [
            ("SignUp", r#"{"email":"a@b.example","password":"x","firstName":"A","lastName":"B"}"#),
            ("Login", r#"{"email":"a@b.example","password":"x"}"#),
            ("RefreshToken", r#"{"refreshToken":"x"}"#),
            ("ResetPassword", r#"{"email":"a@b.example"}"#),
        ];
        for (operation, body) in cases {
            let path = self.document.operation(operation).path.to_owned();
            loop {
                let request = app.client.post(format!("{}{path}", app.url)).body(body);
                let sent = request.header("content-type", "application/json").send().await.unwrap();
                if sent.status() == 429 {
                    self.look_at(operation, sent, 429, "too-many-attempts").await;
                    break;
                }
            }
        }
    }

    /// The same folder once more, under a host: its database has become too new for us.
    async fn a_database_that_is_away(mut self) -> BTreeSet<(String, u16, String)> {
        let data = self.office.app.folder.data.path().to_owned();
        let database = Connection::open(self.office.app.folder.data.database()).unwrap();
        let newer = "UPDATE meta SET value = '9999' WHERE name IN ('schema', 'oldest_handler')";
        assert_eq!(database.execute(newer, []).unwrap(), 2);
        drop(database);
        let away = TestApp::start_with(TestFolder::new(), |settings| {
            settings.data_dir = data;
            settings.under_host = true;
            settings.people.are_limited = false;
        })
        .await;
        let former = std::mem::replace(&mut self.office.app, away);
        let examples = self.document.clone();
        for (operation, status, word) in examples.answers() {
            let is_meant = word == "unavailable" && operation != "ResetPassword";
            if !is_meant && (operation.as_str(), status) != ("Ready", 503) {
                continue;
            }
            let told = examples.operation(&operation);
            let segment = example(told.path).to_owned();
            let segment = segment + if operation == "CategoryName" { "?category_id=1" } else { "" };
            let content = told.told["requestBody"]["content"]["application/json"].as_object();
            let body = content.map(|content| content["example"].to_string());
            let who = if operation == "SignUp" { Who::Nobody } else { Who::Boss };
            let headers = vec![];
            let case = Case { operation: &operation, who, path: segment, headers, body };
            self.ask(case, status, &word).await;
        }
        drop(former);
        self.seen
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_the_document_says() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    folder.import(&store, &folder.file("p.csv", many(ROWS))).await.unwrap();
    drop(store);
    let mut tour = Tour::begin(folder).await;
    tour.what_there_is_not().await;
    tour.every_document().await;
    tour.every_common_fault().await;
    tour.bodies_that_end_early().await;
    tour.the_catalogue().await;
    tour.writes().await;
    tour.people().await;
    tour.imports().await;
    tour.too_many_streams().await;
    tour.too_many_attempts().await;
    let told: BTreeSet<_> = tour.document.answers().into_iter().collect();
    let seen = tour.a_database_that_is_away().await;
    let is_elsewhere = |operation: &str, word: &str| {
        ELSEWHERE.iter().any(|(o, w, _)| *w == word && ["", operation].contains(o))
    };
    let left = told.difference(&seen).filter(|(operation, _, word)| !is_elsewhere(operation, word));
    let left: Vec<_> = left.collect();
    assert_eq!(left, Vec::<&(String, u16, String)>::new(), "told of and not seen");
    println!("{} of {} answers seen", seen.len(), told.len());
}

/// An operation and an answer of it, and where the document says something else of it, and what.
type Change<'a> = (&'a str, &'a Answer, String, Value);

/// A document that is wrong in one word is caught by the answers that are right.
#[tokio::test]
async fn a_document_that_is_wrong_is_found_out() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    folder.import(&store, &folder.file("p.csv", many(10))).await.unwrap();
    drop(store);
    let app = TestApp::start_in(folder).await;
    let health = Answer::of(app.get("/health").await).await;
    let page = Answer::of(app.get("/products?limit=2").await).await;
    let refused = Answer::of(app.get("/products?limit=0").await).await;
    let right = Document::of_vitrine();
    for (operation, answer) in
        [("Health", &health), ("ListProducts", &page), ("ListProducts", &refused)]
    {
        assert_eq!(right.faults(operation, answer), Vec::<String>::new());
    }
    let answers = "/paths/~1health/get/responses";
    let fields = format!("{answers}/200/content/application~1json/schema/properties");
    let listed = "/paths/~1products/get/responses";
    let types = format!("{listed}/400/content/application~1problem+json/schema/properties");
    let changes: [Change<'_>; 9] = [
        ("Health", &health, answers.to_owned(), json!({ "201": {} })),
        ("Health", &health, format!("{fields}/version"), json!({ "type": "integer" })),
        ("Health", &health, fields, json!({ "status": { "type": "string" } })),
        ("Health", &health, format!("{answers}/200/headers"), json!({})),
        ("Health", &health, format!("{answers}/200/content"), json!({ "text/plain": {} })),
        (
            "ListProducts",
            &page,
            format!("{listed}/200/headers/ETag"),
            json!({ "required": true, "schema": { "type": "integer" } }),
        ),
        (
            "ListProducts",
            &page,
            "/components/schemas/Asin".to_owned(),
            json!({ "type": "integer" }),
        ),
        (
            "ListProducts",
            &page,
            "/components/headers/X-Total-Count/schema".to_owned(),
            json!({ "type": "integer", "minimum": 1_000_000_000 }),
        ),
        (
            "ListProducts",
            &refused,
            format!("{types}/type"),
            json!({ "enum": ["/problems/forbidden"] }),
        ),
    ];
    for (operation, answer, place, value) in changes {
        let mut wrong = right.clone();
        *wrong.0.pointer_mut(&place).unwrap() = value;
        assert!(!wrong.faults(operation, answer).is_empty(), "{place}");
    }
}
