//! What goes to Application Insights, received by a stand-in: what it is, what is not in it, and
//! that nobody notices where the place is away.
//!
//! The real binary exports, and is told to stop so that it sends what it has.

use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::TestFolder;
use crate::support::files::{many, products, row};
use crate::support::ingestion::{Envelope, Ingestion, Mood};
use crate::support::process::{Serving, handler, run, stderr, stdout};

const ADMIN: &str = "boss@shop.example";
const PASSWORD: &str = "Secret1!word";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
/// Far above what a stop takes on a machine under load, and far below the export's own patience.
const STOPS_WITHIN: Duration = Duration::from_secs(12);

fn serving(folder: &TestFolder, connection_string: &str) -> Serving {
    serving_with(folder, connection_string, &[])
}

fn serving_with(folder: &TestFolder, place: &str, variables: &[(&str, &str)]) -> Serving {
    let mut command = handler(folder.data.path());
    command.arg("serve").env("APPLICATIONINSIGHTS_CONNECTION_STRING", place);
    command.env("ADMIN_EMAILS", ADMIN).envs(variables.iter().copied());
    Serving::start_by(&mut command)
}

/// Tells it to stop; how it ended, and how long that took.
async fn stop(serving: &mut Serving) -> (ExitStatus, Duration) {
    let told = Instant::now();
    let kill = Command::new("kill").args(["-TERM", &serving.child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    loop {
        if let Some(status) = serving.child.try_wait().unwrap() {
            return (status, told.elapsed());
        }
        assert!(told.elapsed() < Duration::from_secs(40), "it does not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn post(serving: &Serving, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
    let mut request = serving.client.post(format!("{}{path}", serving.url)).json(body);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

/// Asks for one product after the other until one is traced: the bucket of a second may be
/// empty.
async fn asked_and_traced(serving: &Serving, place: &Ingestion) {
    let parent = format!("00-{TRACE}-{CALLER}-01");
    let headers = [("traceparent", parent.as_str()), ("x-request-id", "my-request-7")];
    let began = Instant::now();
    let is_there = || {
        let requests = place.of_kind("RequestData");
        requests.iter().any(|envelope| envelope.property("request.id") == "my-request-7")
    };
    for number in 0.. {
        serving.ask(Method::GET, &format!("/products/NONE-{number}"), &headers).await;
        if is_there() {
            return;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{:?}", place.kinds());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn one(envelopes: &[Envelope], is_it: impl Fn(&Envelope) -> bool) -> &Envelope {
    envelopes.iter().find(|envelope| is_it(envelope)).unwrap_or_else(|| panic!("{envelopes:#?}"))
}

/// A request that its caller traces is a part of the caller's trace, and what it calls of it.
#[tokio::test]
async fn a_request_is_told_with_what_it_called_in_the_callers_trace() {
    let folder = TestFolder::new();
    let place = Ingestion::that(Mood::Takes).await;
    let variables = [("OTEL_SERVICE_NAME", "shop-test")];
    let mut serving = serving_with(&folder, &place.connection_string(), &variables);
    asked_and_traced(&serving, &place).await;
    assert!(stop(&mut serving).await.0.success());

    let requests = place.of_kind("RequestData");
    let request = one(&requests, |e| e.property("request.id") == "my-request-7");
    assert_eq!(request.tag("ai.operation.id"), TRACE);
    assert_eq!(request.tag("ai.operation.parentId"), CALLER);
    assert_eq!(request.tag("ai.operation.name"), "GET /products/{asin}");
    assert_eq!(request.tag("ai.cloud.role"), "shop-test");
    assert_eq!(request.base()["responseCode"], "404");
    assert_eq!(request.base()["success"], true, "our part of it went well");
    assert!(request.property("product.asin").starts_with("NONE-"), "{request:?}");
    let dependencies = place.of_kind("RemoteDependencyData");
    let id = request.base()["id"].as_str().unwrap();
    let ours = dependencies.iter().filter(|e| e.tag("ai.operation.id") == TRACE);
    let ours: Vec<_> = ours.cloned().collect();
    let cache = one(&ours, |e| e.property("cache.outcome") == "miss");
    let store = one(&ours, |e| e.base()["type"] == "sqlite" && e.name() == "product");
    assert_eq!(store.property("rows"), "0");
    assert_eq!((store.property("outcome"), store.property("attempt")), ("ok", "1"));
    assert!(ours.iter().any(|e| e.tag("ai.operation.parentId") == id), "{ours:#?}");
    assert_eq!(cache.base()["success"], true);
}

/// Traced or not, the requests that are told of stand for all there were.
#[tokio::test]
async fn counts_are_those_of_all_requests_and_metrics_are_exact() {
    let folder = TestFolder::new();
    let place = Ingestion::that(Mood::Takes).await;
    let mut serving = serving(&folder, &place.connection_string());
    place.until_traced(&serving).await;
    for _ in 0..300 {
        assert_eq!(serving.get("/categories").await.status(), 200);
    }
    // The next second has places, so that one more is traced, and stands for those before.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    serving.get("/categories").await;
    assert!(stop(&mut serving).await.0.success());

    let asked = place.sum_of_counts("/categories");
    // The sample is imported, which is a request of nobody.
    let mut requests = place.of_kind("RequestData");
    requests.retain(|envelope| !envelope.property("http.route").is_empty());
    let stands_for: f64 = requests.iter().map(Envelope::weight).sum();
    let all = place.sum_of_counts_of_all();
    assert!(requests.len() < 200, "they are sampled");
    assert!(asked >= 300.0 && (stands_for - all).abs() < 0.5, "{asked} {stands_for} of {all}");
    let hits = place.sum("vitrine.cache.lookups", &[("layer", "local"), ("outcome", "hit")]);
    let misses = place.sum("vitrine.cache.lookups", &[("layer", "local"), ("outcome", "miss")]);
    assert!((hits + misses - asked).abs() < 0.5, "{hits} + {misses} = {asked}");
    let calls = [("name", "categories"), ("outcome", "ok")];
    assert!((place.sum("vitrine.store.calls", &calls) - 1.0).abs() < 0.5);
    let closed = [("part", "database"), ("state", "closed")];
    assert!((place.sum("vitrine.breaker", &closed) - 1.0).abs() < 0.5);
    assert!(place.sum("vitrine.store.pool", &[("state", "max")]) >= 1.0);
}

#[tokio::test]
async fn every_kind_arrives_and_no_secret_is_in_any_of_it() {
    let folder = TestFolder::new();
    let place = Ingestion::that(Mood::Takes).await;
    let key = "a-key-that-nobody-may-see-0123456789";
    let variables = [("JWT_SECRET_KEY", key), ("RATE_LIMITS", "off")];
    let mut serving = serving_with(&folder, &place.connection_string(), &variables);
    place.until_traced(&serving).await;
    let sign_up = |email: &str| json!({"email": email, "password": PASSWORD, "firstName": "Annabel", "lastName": "Leeward"});
    let (status, _) = post(&serving, "/signup", None, &sign_up(ADMIN)).await;
    assert_eq!(status, 201);
    let credentials = json!({"email": ADMIN, "password": PASSWORD});
    let (_, signed_in) = post(&serving, "/login", None, &credentials).await;
    let token = signed_in["idToken"].as_str().unwrap().to_owned();
    let refresh = signed_in["refreshToken"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let parent = format!("00-{TRACE}-{CALLER}-01");
    // A dozen rounds: whatever is sampled, each of them is by and by.
    for round in 0..12 {
        let email = format!("ann{round}@shop.example");
        post(&serving, "/signup", None, &sign_up(&email)).await;
        let wrong = json!({"email": email, "password": "Wrong1!password"});
        post(&serving, "/login", None, &wrong).await;
        let session = json!({"refreshToken": refresh});
        post(&serving, "/login/refresh", None, &session).await;
        for (path, authorization) in [
            ("/me", bearer.as_str()),
            ("/users", bearer.as_str()),
            ("/me", "Bearer bad.token.sentinel"),
            ("/products?q=sentinelword&code=platformkey&clientId=platformname", ""),
        ] {
            let headers = [("authorization", authorization), ("traceparent", &parent)];
            let id = [("x-request-id", "ann@shop.example")];
            serving.ask(Method::GET, path, &[&headers[..], &id[..]].concat()).await;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let lines = [row("A1", "sentineltitle", "1", 1), row("", "sentinelreject", "1", 1)];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    std::fs::write(folder.data.imports().join("a.csv"), products(&lines)).unwrap();
    std::fs::write(folder.data.imports().join("b.csv"), "no,such,header\n1,2,3\n").unwrap();
    serving.until_it_says("unknown header");
    place.until("exception or message", |p| p.kinds().len() >= 3).await;
    assert!(stop(&mut serving).await.0.success());

    let kinds = place.kinds();
    println!("{kinds:?}");
    for kind in ["RequestData", "RemoteDependencyData", "MetricData"] {
        assert!(kinds.contains_key(kind), "{kinds:?}");
    }
    assert!(kinds.contains_key("ExceptionData") || kinds.contains_key("MessageData"), "{kinds:?}");
    let runs = |state| place.sum("vitrine.import.runs", &[("state", state)]);
    assert!((runs("done") - 1.0).abs() < 0.5 && (runs("failed") - 1.0).abs() < 0.5);
    let rejected = place.sum("vitrine.import.rows", &[("outcome", "rejected")]);
    assert!((rejected - 1.0).abs() < 0.5);
    assert!(place.sum("vitrine.auth.attempts", &[("outcome", "ok")]) >= 2.0);
    assert!(place.sum("vitrine.auth.attempts", &[("outcome", "refused")]) >= 12.0);
    for secret in [
        PASSWORD,
        "Wrong1!password",
        key,
        &token,
        &refresh,
        "bad.token.sentinel",
        "shop.example",
        "@",
        "Annabel",
        "Leeward",
        "sentinelword",
        "platformkey",
        "platformname",
        "sentineltitle",
        "sentinelreject",
        "bearer",
        "authorization",
        "127.0.0.1:0",
        "InstrumentationKey",
        "SELECT",
        folder.data.path().to_str().unwrap(),
    ] {
        assert!(!place.has_seen(secret), "{secret}");
    }
}

/// What fails is told of, sampled or not; and only so often. There is no database.
#[tokio::test]
async fn a_request_that_fails_is_told_of_whoever_is_sampled() {
    let folder = TestFolder::new();
    let place = Ingestion::that(Mood::Takes).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = format!("127.0.0.1,{}", nobody.port());
    let variables = [
        ("SQL_SERVER", server.as_str()),
        ("SQL_DATABASE", "shop"),
        ("SQL_USERNAME", "shop"),
        ("SQL_PASSWORD", "sentinel-password"),
    ];
    let mut serving = serving_with(&folder, &place.connection_string(), &variables);
    place.until_traced(&serving).await;
    let parent = format!("00-{TRACE}-{CALLER}-00");
    for round in 0..60 {
        let path = format!("/products/GONE-{round}");
        // Whatever its caller traces.
        let asked = serving.ask(Method::GET, &path, &[("traceparent", &parent)]).await;
        assert_eq!(asked.status(), 503);
    }
    assert!(stop(&mut serving).await.0.success());
    let requests = place.of_kind("RequestData");
    let told: Vec<_> = requests.iter().filter(|e| e.base()["success"] == false).collect();
    assert!(!told.is_empty() && told.len() < 60, "{}", told.len());
    assert!(
        told.iter().all(|e| e.tag("ai.operation.id") == TRACE && e.base()["responseCode"] == "503")
    );
    let stands_for: f64 = told.iter().map(|envelope| envelope.weight()).sum();
    assert!((stands_for - 60.0).abs() < 0.5, "{stands_for}");
    let exceptions = place.of_kind("ExceptionData");
    assert!(!exceptions.is_empty(), "{:?}", place.kinds());
    assert!(!place.has_seen("sentinel-password"));
    let failed = [("status", "5xx"), ("route", "/products/{asin}")];
    assert!(place.sum("vitrine.request.duration", &failed) > 0.0);
}

/// The place is away, slow or wrong: requests are answered as ever, and the end is not held up.
#[tokio::test]
async fn nobody_notices_a_place_that_is_away_slow_or_wrong() {
    let moods = [
        Mood::IsSilent,
        Mood::HangsUp,
        Mood::Floods,
        Mood::Babbles,
        Mood::Answers(400),
        Mood::Answers(403),
        Mood::Answers(429),
        Mood::Answers(500),
        Mood::Answers(503),
    ];
    let together = tokio::task::LocalSet::new();
    let all = moods.map(|mood| together.spawn_local(nobody_notices(mood)));
    let all_end = async {
        for one in all {
            one.await.unwrap();
        }
    };
    together.run_until(all_end).await;
}

async fn nobody_notices(mood: Mood) {
    let folder = TestFolder::new();
    let place = Ingestion::that(mood).await;
    let mut serving = serving(&folder, &place.connection_string());
    place.until_posted(&serving).await;
    for _ in 0..50 {
        let asked = Instant::now();
        assert_eq!(serving.get("/categories").await.status(), 200, "{mood:?}");
        assert!(asked.elapsed() < Duration::from_secs(5), "{mood:?}: {:?}", asked.elapsed());
    }
    let (status, took) = stop(&mut serving).await;
    assert!(status.success() && took < STOPS_WITHIN, "{mood:?}: {status} after {took:?}");
}

/// What was traced while the place was away may be lost. What was counted is not.
#[tokio::test]
async fn a_place_that_comes_back_is_told_all_counts() {
    let folder = TestFolder::new();
    let place = Ingestion::that(Mood::HangsUp).await;
    let mut serving = serving(&folder, &place.connection_string());
    for _ in 0..20 {
        assert_eq!(serving.get("/categories").await.status(), 200);
    }
    place.until("post", |place| place.posts() > 0).await;
    assert!(place.taken().is_empty());
    place.becomes(Mood::Takes);
    assert!(stop(&mut serving).await.0.success());
    assert!((place.sum_of_counts("/categories") - 20.0).abs() < 0.5);
}

#[tokio::test]
async fn what_does_not_arrive_is_told_of_once_a_minute() {
    let folder = TestFolder::new();
    let place = Ingestion::that(Mood::Answers(400)).await;
    let mut serving = serving(&folder, &place.connection_string());
    place.until_posted(&serving).await;
    assert!(stop(&mut serving).await.0.success());
    let lines = serving.end();
    let told: Vec<_> = lines.iter().filter(|l| l.contains("does not all arrive")).collect();
    assert_eq!(told.len(), 1, "{lines:?}");
    assert!(told[0].contains("400") && !told[0].contains("127.0.0.1"), "{}", told[0]);
}

#[tokio::test]
async fn the_doctor_proves_that_an_event_arrives() {
    let folder = TestFolder::new();
    let place = Ingestion::that(Mood::Takes).await;
    let examine = |connection_string: String| {
        let mut command = handler(folder.data.path());
        command.arg("doctor").env("APPLICATIONINSIGHTS_CONNECTION_STRING", connection_string);
        tokio::task::spawn_blocking(move || run(&mut command))
    };
    let line = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("telemetry"));
        line.unwrap_or_default().to_owned()
    };
    let output = examine(place.connection_string()).await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(line(&stdout(&output)).contains(" ok "), "{}", stdout(&output));
    assert!(!stdout(&output).contains("abcd"), "the key is not shown");
    let events = place.of_kind("EventData");
    assert_eq!((events.len(), events[0].name()), (1, "vitrine.doctor"));
    assert_eq!(events[0].tag("ai.cloud.role"), "vitrine");
    for mood in [
        Mood::Answers(400),
        Mood::Answers(503),
        Mood::Babbles,
        Mood::LeavesOne,
        Mood::HangsUp,
        Mood::IsSilent,
        Mood::Floods,
    ] {
        place.becomes(mood);
        let output = examine(place.connection_string()).await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{mood:?}: {}", stdout(&output));
        assert!(line(&stdout(&output)).contains("FAILED"), "{mood:?}: {}", stdout(&output));
        assert!(!stdout(&output).contains("abcd"));
    }
}

#[tokio::test]
async fn a_malformed_place_is_refused_by_name_and_one_that_is_well_formed_never() {
    let folder = TestFolder::new();
    let mut command = handler(folder.data.path());
    command.arg("serve").env("APPLICATIONINSIGHTS_CONNECTION_STRING", "InstrumentationKey=x;");
    let output = tokio::task::spawn_blocking(move || run(&mut command)).await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let line = stderr(&output);
    assert!(line.contains("APPLICATIONINSIGHTS_CONNECTION_STRING") && line.lines().count() == 1);

    // A port where nobody listens.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let key = crate::support::ingestion::KEY;
    let text = format!("InstrumentationKey={key};IngestionEndpoint=http://{nobody}");
    let mut serving = serving(&folder, &text);
    assert_eq!(serving.get("/products").await.status(), 200);
    let (status, took) = stop(&mut serving).await;
    assert!(status.success() && took < STOPS_WITHIN, "{status} after {took:?}");
}

/// An import is told of as a piece of work, with its batches and their calls of the store.
#[tokio::test]
async fn an_import_is_traced_by_its_batches() {
    let folder = TestFolder::new();
    let place = Ingestion::that(Mood::Takes).await;
    let mut serving = serving(&folder, &place.connection_string());
    place.until_traced(&serving).await;
    std::fs::write(folder.data.imports().join("a.csv"), many(500)).unwrap();
    serving.until_it_says("import done");
    assert!(stop(&mut serving).await.0.success());
    // The sample is another, of fewer rows.
    let all = place.of_kind("RemoteDependencyData");
    let batch = one(&all, |e| e.name() == "import.batch" && e.property("rows") == "500");
    let (trace, id) = (batch.tag("ai.operation.id"), batch.property("import.id"));
    let requests = place.of_kind("RequestData");
    let import = one(&requests, |envelope| envelope.tag("ai.operation.id") == trace);
    assert_eq!((import.name(), import.property("import.id")), ("import", id));
    assert_eq!(import.base()["success"], true);
    let mut parts = all.clone();
    parts.retain(|envelope| envelope.tag("ai.operation.id") == trace);
    let commit = one(&parts, |envelope| envelope.name() == "commit_batch");
    assert_eq!(commit.property("rows"), "500");
    assert_eq!(commit.tag("ai.operation.parentId"), batch.base()["id"].as_str().unwrap());
}
