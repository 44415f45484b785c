//! `functions/` and `host.json`: held against the handler's own table of routes, and against
//! what the real host accepts.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vitrine::http::routes::ROUTES;

use crate::support::TestFolder;
use crate::support::host::folder::{PackageFolder, pack, repository};
use crate::support::host::function::{BlobMode, Function, Level};
use crate::support::host::package::Package;
use crate::support::host::routes::Template;
use crate::support::host::{Host, HostOptions};
use crate::support::process::binary;

/// Functions that no HTTP request reaches: the host posts an envelope to `/<name>`.
const ENVELOPE_FUNCTIONS: [&str; 3] = ["ImportBlob", "ImportQueue", "Maintain"];
/// The root of the site: an empty route would mean the function's name.
const ROOT: &str = "{ignored:maxlength(0)?}";

fn package() -> Package {
    Package::read(PackageFolder::of_vitrine().path()).unwrap()
}

/// Method and path of every route that `functions/` declares, and the function's name.
fn declared() -> BTreeMap<(String, String), String> {
    let mut routes = BTreeMap::new();
    for function in package().functions {
        let Some(http) = function.http() else { continue };
        let path = if http.route == ROOT { "/".to_owned() } else { format!("/{}", http.route) };
        for method in http.methods.expect("each function lists its methods") {
            routes.insert((method, path.clone()), function.name.clone());
        }
    }
    routes
}

/// The same of the handler's table.
fn served() -> BTreeMap<(String, String), String> {
    ROUTES
        .iter()
        .flat_map(|route| {
            route.verb.methods().split(", ").map(|method| {
                ((method.to_owned(), route.path.to_owned()), route.function.to_owned())
            })
        })
        .collect()
}

#[test]
fn what_the_functions_declare_is_what_the_handler_serves() {
    assert_eq!(declared(), served());
}

#[test]
fn every_other_function_is_one_that_the_host_sends_envelopes_to() {
    let package = package();
    let others = package.functions.iter().filter(|function| function.http().is_none());
    let names: Vec<_> = others.map(|function| function.name.as_str()).collect();
    assert_eq!(names, ENVELOPE_FUNCTIONS);
}

#[test]
fn the_host_accepts_every_function() {
    assert_eq!(package().problems, []);
}

#[test]
fn every_folder_is_a_function_and_holds_nothing_else() {
    for entry in std::fs::read_dir(repository().join("functions")).unwrap() {
        let folder = entry.unwrap().path();
        let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name());
        assert_eq!(files.collect::<Vec<_>>(), ["function.json"], "{}", folder.display());
    }
}

/// Who may get is asked with HEAD too, and the host adds no method by itself.
#[test]
fn a_function_that_takes_get_takes_head() {
    for function in package().functions {
        let Some(http) = function.http() else { continue };
        assert_eq!(http.takes("GET"), http.takes("HEAD"), "{}", function.name);
    }
}

/// The service checks its own tokens; a function key would shut out those who hold one. And
/// with one binding more the host would send an envelope, silently.
#[test]
fn http_functions_are_anonymous_and_passed_through() {
    for function in package().functions {
        let Some(http) = function.http() else { continue };
        assert_eq!(http.level, Level::Anonymous, "{}", function.name);
        assert!(function.is_http_in_and_out(), "{}", function.name);
        assert_eq!(names_of_bindings(&function), ["req", "res"], "{}", function.name);
    }
}

fn names_of_bindings(function: &Function) -> Vec<&str> {
    function.bindings.iter().map(|binding| binding.name.as_str()).collect()
}

/// A catch-all would let a client reach `POST /ImportBlob`, which is for the host alone.
#[test]
fn no_route_leads_a_client_to_what_is_the_hosts() {
    for function in package().functions {
        let Some(http) = function.http() else { continue };
        let template = Template::parse(&http.route).unwrap();
        assert!(!template.has_catch_all(), "{}", function.name);
        for name in ENVELOPE_FUNCTIONS {
            assert_eq!(template.matches(&format!("/{name}")), None, "{} and {name}", function.name);
        }
    }
}

#[test]
fn the_blob_trigger_hands_over_a_reference_and_hears_from_event_grid() {
    let package = package();
    let import = package.function("ImportBlob").unwrap();
    assert_eq!(import.blob_mode(), BlobMode::Reference);
    assert!(import.hears_of_blobs());
    let trigger = import.trigger();
    assert_eq!(names_of_bindings(import), ["blob"]);
    assert_eq!(trigger.text("path"), Some("imports/{name}"));
    assert_eq!(trigger.text("connection"), Some("IMPORT_STORAGE"));
}

/// Plan B is there and does nothing until somebody wants it.
#[test]
fn the_queue_trigger_is_off_by_a_setting() {
    let package = package();
    let import = package.function("ImportQueue").unwrap();
    assert!(import.is_triggered_by("queueTrigger"));
    assert_eq!(names_of_bindings(import), ["item"]);
    assert_eq!(import.trigger().text("queueName"), Some("imports"));
    assert_eq!(import.trigger().text("connection"), Some("IMPORT_STORAGE"));
    let text = std::fs::read(repository().join("local.settings.json")).unwrap();
    let json: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(json["Values"]["AzureWebJobs.ImportQueue.Disabled"], "true");
    // Event Grid's messages are plain.
    let queues = json!({ "messageEncoding": "none", "batchSize": 1, "maxDequeueCount": 5 });
    assert_eq!(package.host.json["extensions"]["queues"], queues);
}

#[test]
fn the_timer_fires_every_five_minutes() {
    let package = package();
    let maintain = package.function("Maintain").unwrap();
    assert_eq!(names_of_bindings(maintain), ["timer"]);
    // Seconds come first.
    assert_eq!(maintain.trigger().text("schedule"), Some("0 */5 * * * *"));
}

/// Keys are bound by name and a misspelt one is ignored, so they are held to the letter.
#[test]
fn host_json_says_exactly_what_we_rely_on() {
    let json = package().host.json;
    let executable = json!({ "defaultExecutablePath": "handler" });
    assert_eq!(
        json["customHandler"],
        json!({ "description": executable, "enableProxyingHttpRequest": true })
    );
    assert_eq!(json["extensions"]["http"], json!({ "routePrefix": "" }));
    assert_eq!(json["extensions"]["blobs"], json!({ "maxDegreeOfParallelism": 1 }));
    assert_eq!(json["functionTimeout"], "00:30:00");
    assert_eq!(
        json["extensionBundle"],
        json!({ "id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)" })
    );
}

/// A bare 404 is the host's: the handler's own has a body.
#[tokio::test]
async fn the_real_handler_answers_every_declared_route_through_the_host() {
    let (folder, data) = (PackageFolder::of_vitrine(), TestFolder::new());
    let options = HostOptions::default()
        .with("VITRINE_DATA_DIR", data.dir.path().join("data").to_str().unwrap());
    let host = Host::start(folder.path(), options).await;
    for route in ROUTES {
        let path = route.path.replace("{asin}", "B01").replace("{id}", "B01");
        let method = route.verb.methods().split(", ").next().unwrap().parse().unwrap();
        let request = host.client.request(method, format!("{}{path}", host.url));
        assert_answered_by_the_route(request.send().await.unwrap()).await;
    }
    let put = host.client.put(format!("{}/products", host.url)).send().await.unwrap();
    assert_eq!((put.status().as_u16(), put.text().await.unwrap().as_str()), (404, ""));
    let remains = host.stop().await;
    assert_eq!(remains.stderr, [""; 0]);
    let functions: Vec<_> = remains.invocations.iter().map(|i| i.function.as_str()).collect();
    assert_eq!(functions, ROUTES.map(|route| route.function));
}

/// It does what it is for, or says why not; never that there is nothing at this path.
async fn assert_answered_by_the_route(answer: reqwest::Response) {
    let (status, url) = (answer.status(), answer.url().clone());
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    if ["/dashboard", "/docs"].contains(&url.path()) {
        return assert_eq!((status.as_u16(), kind.as_str()), (200, "text/html; charset=utf-8"));
    }
    let body: Value = answer.json().await.unwrap();
    if status.is_success() {
        assert_eq!(kind, "application/json", "{url}: {body}");
    } else {
        let word = body["type"].as_str().unwrap().strip_prefix("/problems/").unwrap();
        assert_eq!(kind, "application/problem+json", "{url}: {body}");
        assert!(!["not-found", "method-not-allowed"].contains(&word), "{url}: {body}");
        assert!(status.is_client_error(), "{url}: {body}");
    }
}

/// A plain `cargo run` reads these too: they must not be settings that it refuses.
#[test]
fn local_settings_are_texts_that_the_handler_accepts() {
    let text = std::fs::read(repository().join("local.settings.json")).unwrap();
    let json: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(json["IsEncrypted"], false);
    let values = json["Values"].as_object().unwrap();
    let values = values.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().into()));
    let values: std::collections::HashMap<_, _> = values.collect();
    assert_eq!(values["FUNCTIONS_WORKER_RUNTIME"], "custom");
    vitrine::settings::Settings::from_variables(&values).unwrap();
}

/// Packed anew, the folder has what there is by now, and what somebody put there.
#[test]
fn a_package_is_what_the_host_starts() {
    let packed = PackageFolder::of_vitrine();
    let (folder, handler) = (packed.path(), packed.path().join("handler"));
    let mode = std::os::unix::fs::PermissionsExt::mode(&handler.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o755);
    std::fs::create_dir(folder.join("Gone")).unwrap();
    std::fs::write(folder.join("Gone/function.json"), "{}").unwrap();
    std::fs::write(folder.join("Home/notes.txt"), "mine").unwrap();
    pack(&binary(), folder);
    assert!(!folder.join("Gone").exists() && folder.join("Home/notes.txt").exists());
    let functions = std::fs::read_dir(repository().join("functions")).unwrap().count();
    assert_eq!(Package::read(folder).unwrap().functions.len(), functions);
}
