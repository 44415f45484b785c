//! The host's own API.

use reqwest::Response;
use serde_json::{Value, json};

use super::{host_json, http, next_envelope, package_of};
use crate::support::host::folder::PackageFolder;
use crate::support::host::invocation::Outcome;
use crate::support::host::{Host, HostOptions};

async fn host() -> (PackageFolder, Host) {
    let blob = json!({
        "name": "blob", "type": "blobTrigger", "direction": "in", "path": "imports/{name}",
        "dataType": "binary", "properties": { "supportsDeferredBinding": "true" },
    });
    let timer = json!({
        "name": "timer", "type": "timerTrigger", "direction": "in", "schedule": "0 0 * * * *",
    });
    let folder = package_of(&host_json())
        .with_function("Echo", &http("echo/{id}", &json!({})))
        .with_function("Import", &json!({ "bindings": [blob] }))
        .with_function("Nightly", &json!({ "bindings": [timer] }));
    let options = HostOptions::default().with("AzureWebJobs.Nightly.Disabled", "true");
    let host = Host::start(folder.path(), options).await;
    (folder, host)
}

/// As the portal's Test/Run does.
async fn run(host: &Host, function: &str, body: &'static str) -> Response {
    let url = format!("{}/admin/functions/{function}", host.url);
    let request = host.client.post(url).header("x-functions-key", &host.keys.master);
    request.header("content-type", "application/json").body(body).send().await.unwrap()
}

#[tokio::test]
async fn a_run_is_accepted_at_once_and_ends_in_the_log() {
    let (_folder, host) = host().await;
    host.put("a.csv", "hi");
    assert_eq!(run(&host, "Import", r#"{"input":"imports/a.csv"}"#).await.status(), 202);
    let ended = host.invocations().next().await;
    assert!(ended.succeeded());
    let request = next_envelope(&mut host.stdout()).await;
    let body: Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["Data"]["blob"]["Source"], "AzureStorageBlobs");
    assert_eq!(body["Metadata"]["name"], "\"a.csv\"");
}

#[tokio::test]
async fn a_run_for_a_blob_that_is_not_there_is_accepted_and_fails_once() {
    let (_folder, host) = host().await;
    assert_eq!(run(&host, "Import", r#"{"input":"imports/none.csv"}"#).await.status(), 202);
    assert!(matches!(host.invocations().next().await.outcome, Outcome::Failed(_)));
    assert_eq!(host.poison(), [""; 0]);
}

/// A disabled function can be run so; the input means nothing to a timer.
#[tokio::test]
async fn a_timer_runs_with_any_input() {
    let (_folder, host) = host().await;
    for body in ["{}", r#"{"input":"x"}"#] {
        assert_eq!(run(&host, "Nightly", body).await.status(), 202);
    }
    let mut invocations = host.invocations();
    for _ in 0..2 {
        let ended = invocations.next().await;
        assert_eq!((ended.function.as_str(), ended.succeeded()), ("Nightly", true));
    }
}

#[tokio::test]
async fn a_run_of_nothing_is_refused() {
    let (_folder, host) = host().await;
    for (function, body, status) in
        [("Nightly", "null", 400), ("Nightly", "", 400), ("NoSuch", "{}", 404)]
    {
        assert_eq!(run(&host, function, body).await.status(), status, "{function} {body}");
    }
    assert_eq!(host.stop().await.invocations, []);
}

#[tokio::test]
async fn all_but_the_ping_needs_the_master_key() {
    let (_folder, host) = host().await;
    let post = host.client.post(format!("{}/admin/functions/Nightly", host.url));
    assert_eq!(post.try_clone().unwrap().body("{}").send().await.unwrap().status(), 401);
    let post = post.header("x-functions-key", &host.keys.host).body("{}");
    assert_eq!(post.send().await.unwrap().status(), 401);
    assert_eq!(host.get("/admin/functions").await.status(), 401);
    assert_eq!(host.get("/admin/host/ping").await.status(), 200);
}

#[tokio::test]
async fn a_ping_of_the_host_pings_the_handler() {
    let (_folder, host) = host().await;
    let mut stdout = host.stdout();
    stdout.line_with("HOME").await;
    host.get("/admin/host/ping").await;
    stdout.line_with("HOME").await;
}

#[tokio::test]
async fn functions_are_listed_with_what_the_portal_needs() {
    let (_folder, host) = host().await;
    let list = host.get(&format!("/admin/functions?code={}", host.keys.master)).await;
    let list: Value = list.json().await.unwrap();
    let shown = |function: &Value| {
        json!([function["name"], function["invoke_url_template"], function["isDisabled"]])
    };
    let shown: Vec<_> = list.as_array().unwrap().iter().map(shown).collect();
    assert_eq!(
        json!(shown),
        json!([["Echo", "/echo/{id}", false], ["Import", null, false], ["Nightly", null, true]])
    );
    assert_eq!(list[0]["config"]["bindings"][0]["type"], "httpTrigger");
}
