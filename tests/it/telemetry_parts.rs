//! What is called besides the store: each call is told of as a part of what it was made for, and
//! without the address, the key and the values that it has.

use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::json;

use crate::support::TestFolder;
use crate::support::delivery::Way;
use crate::support::files::many;
use crate::support::host::blobs::Account;
use crate::support::host::folder::PackageFolder;
use crate::support::host::{Host, HostOptions};
use crate::support::ingestion::{Envelope, Ingestion, Mood};
use crate::support::process::{Serving, handler};
use crate::support::redis::{PASSWORD, RedisServer, free_port};
use crate::support::storage::Storage;

const PLACE: &str = "APPLICATIONINSIGHTS_CONNECTION_STRING";
/// Longer than anything waits for a batch, on a machine under load.
const PATIENCE: Duration = Duration::from_mins(1);

/// Does something again and again, until a call of this type and all that it is a part of are
/// told of; the call, and the request or the import that it was made for.
async fn call_of(
    place: &Ingestion,
    kind: &str,
    again: impl AsyncFn(usize),
) -> (Envelope, Envelope) {
    let began = Instant::now();
    for number in 0.. {
        again(number).await;
        let mut calls = place.of_kind("RemoteDependencyData");
        calls.retain(|call| call.base()["type"] == kind);
        for call in calls {
            let trace = call.tag("ai.operation.id");
            let requests = place.of_kind("RequestData");
            let whole = requests.iter().find(|request| request.tag("ai.operation.id") == trace);
            if let Some(whole) = whole {
                return (call.clone(), whole.clone());
            }
        }
        assert!(began.elapsed() < PATIENCE, "{kind}: {:#?}", place.taken());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    unreachable!("numbers do not end")
}

fn has_seen_none_of(place: &Ingestion, secrets: &[&str]) {
    for secret in secrets {
        assert!(!place.has_seen(secret), "{secret}");
    }
}

#[tokio::test]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_call_of_redis_is_a_part_of_its_request() {
    let (folder, redis) = (TestFolder::new(), RedisServer::start());
    let place = Ingestion::that(Mood::Takes).await;
    let mut command = handler(folder.data.path());
    command.env(PLACE, place.connection_string()).env("REDIS_CONNECTION_STRING", redis.url());
    command.env("CACHE_PREFIX", "a-prefix-of-keys");
    let serving = Serving::start_by(&mut command);
    let (call, request) = call_of(&place, "redis", async |number| {
        serving.get(&format!("/products/NONE-{number}")).await;
    })
    .await;
    assert_eq!(request.name(), "GET /products/{asin}");
    assert_eq!(call.base()["success"], true);
    assert!(["get", "get_or_lease", "versions"].contains(&call.name()), "{call:?}");
    has_seen_none_of(&place, &[PASSWORD, &redis.url(), "a-prefix-of-keys"]);
}

#[tokio::test]
async fn a_call_of_firebase_is_a_part_of_its_request_and_told_when_it_fails() {
    let folder = TestFolder::new();
    let place = Ingestion::that(Mood::Takes).await;
    // Nobody listens there.
    let away = format!("127.0.0.1:{}", free_port());
    let mut command = handler(folder.data.path());
    command
        .env(PLACE, place.connection_string())
        .env("RATE_LIMITS", "off")
        .env("FIREBASE_API_KEY", "a-key-that-nobody-may-see")
        .env("FIREBASE_PROJECT_ID", "demo-shop")
        .env("FIREBASE_AUTH_EMULATOR_HOST", &away);
    let serving = Serving::start_by(&mut command);
    let credentials = json!({ "email": "ann@shop.example", "password": "Secret1!word" });
    let (call, request) = call_of(&place, "firebase", async |_| {
        let login = Client::new().post(format!("{}/login", serving.url)).json(&credentials);
        assert_eq!(login.send().await.unwrap().status(), 503);
    })
    .await;
    assert_eq!((request.name(), call.name()), ("POST /login", "Firebase"));
    assert_eq!(
        (&call.base()["success"], &request.base()["success"]),
        (&json!(false), &json!(false))
    );
    has_seen_none_of(&place, &["a-key-that", "shop.example", "Secret1!word", &away]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_of_a_blob_is_a_part_of_its_import() {
    let (package, data, storage) =
        (PackageFolder::of_vitrine(), TestFolder::new(), Storage::start());
    let place = Ingestion::that(Mood::Takes).await;
    let options = HostOptions { account: Account::Simulated(storage), ..HostOptions::default() }
        .with("VITRINE_DATA_DIR", data.data.path().to_str().unwrap())
        .with(PLACE, place.connection_string());
    let host = Host::start(package.path(), options).await;
    let (call, import) = call_of(&place, "azure_blob", async |number| {
        let name = format!("sentinel{number}.csv");
        assert!(Way::Blob.upload(&host, &name, many(30)).await[0].succeeded());
    })
    .await;
    assert_eq!((import.name(), call.name()), ("import", "blob range"));
    assert_eq!(call.base()["success"], true);
    let bytes = many(30).len().to_string();
    assert_eq!((call.property("bytes"), call.property("attempt")), (bytes.as_str(), "1"));
    has_seen_none_of(&place, &["sig=", "sentinel"]);
}
