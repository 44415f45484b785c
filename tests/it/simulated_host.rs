//! The simulated host is as strict as the real one: each of its rules has a test here that
//! would fail without it. The handler is this very program, started again.

mod admin;
mod blobs;
mod envelope;
mod life;
mod passing;
mod routing;

use serde_json::{Value, json};

use crate::support::fake_handler::{self, REPLIES, Reply};
use crate::support::host::folder::PackageFolder;
use crate::support::host::package::Package;
use crate::support::host::{Host, HostOptions};

#[test]
#[ignore = "no test: the handler that the tests beside it start"]
fn fake_handler() {
    fake_handler::serve();
}

/// A `host.json` that starts the fake handler and passes HTTP through.
fn host_json() -> Value {
    json!({
        "version": "2.0",
        "extensions": { "http": { "routePrefix": "" } },
        "customHandler": {
            "description": {
                "defaultExecutablePath": "fake",
                "arguments":
                    ["simulated_host::fake_handler", "--exact", "--ignored", "--nocapture"],
            },
            "enableProxyingHttpRequest": true,
        },
    })
}

fn package_of(host_json: &Value) -> PackageFolder {
    PackageFolder::new(host_json).with_executable("fake", &std::env::current_exe().unwrap())
}

/// A package whose one function takes everything.
fn open_package(host_json: &Value) -> PackageFolder {
    package_of(host_json)
        .with_function("All", &http("{*path}", &json!({ "authLevel": "anonymous" })))
}

/// The `function.json` of an HTTP function; `more` goes into its trigger.
fn http(route: &str, more: &Value) -> Value {
    let mut trigger = json!({
        "name": "req", "type": "httpTrigger", "direction": "in", "route": route,
        "authLevel": "anonymous",
    });
    extend(&mut trigger, more);
    json!({ "bindings": [trigger, { "name": "res", "type": "http", "direction": "out" }] })
}

fn extend(object: &mut Value, more: &Value) {
    let more = more.as_object().unwrap().clone();
    object.as_object_mut().unwrap().extend(more);
}

/// A host with a function that takes everything.
async fn open_host(options: HostOptions) -> (PackageFolder, Host) {
    let folder = open_package(&host_json());
    let host = Host::start(folder.path(), options).await;
    (folder, host)
}

/// What is wrong with the functions of a package.
fn problems(folder: &PackageFolder) -> Vec<String> {
    let problems = Package::read(folder.path()).unwrap().problems;
    problems.into_iter().map(|problem| format!("{}: {}", problem.function, problem.what)).collect()
}

/// Settings under which a function is answered so.
fn replying(function: &str, replies: &[Reply]) -> HostOptions {
    HostOptions::default().with(REPLIES, json!({ function: replies }).to_string())
}

/// The next envelope that the handler got, as it came.
async fn next_envelope(stdout: &mut crate::support::host::log::Follower<String>) -> Value {
    let line = stdout.line_with("ENVELOPE ").await;
    let (_, request) = line.split_once("ENVELOPE ").unwrap();
    serde_json::from_str(request).unwrap()
}

/// The names of an object's members; their order is nobody's promise.
fn names(object: &Value) -> Vec<&str> {
    let mut names: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

fn header<'a>(echo: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = echo["headers"].as_array().unwrap();
    headers.iter().filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap()).collect()
}
