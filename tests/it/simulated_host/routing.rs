//! Which function a request reaches, and who may send it.

use serde_json::{Value, json};

use super::{extend, host_json, http, package_of, problems};
use crate::support::host::routes::Template;
use crate::support::host::{Host, HostOptions};

async fn status(host: &Host, method: &str, path: &str) -> u16 {
    let method = method.parse().unwrap();
    let request = host.client.request(method, format!("{}{path}", host.url));
    request.send().await.unwrap().status().as_u16()
}

/// The fake handler answers `/echo` and nothing that a path begins with otherwise.
async fn reaches_the_handler(host: &Host, path: &str) -> bool {
    host.get(path).await.text().await.unwrap().contains("\"target\"")
}

#[tokio::test]
async fn an_unlisted_method_is_a_bare_404_and_head_is_unlisted_too() {
    let folder = package_of(&host_json())
        .with_function("Echo", &http("echo", &json!({ "methods": ["get"] })));
    let host = Host::start(folder.path(), HostOptions::default()).await;
    assert_eq!(status(&host, "GET", "/echo").await, 200);
    for method in ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(status(&host, method, "/echo").await, 404, "{method}");
    }
    let answer = host.client.post(format!("{}/echo", host.url)).send().await.unwrap();
    assert!(!answer.headers().contains_key("content-type"));
    assert_eq!(answer.text().await.unwrap(), "");
}

#[tokio::test]
async fn no_listed_methods_means_all() {
    let folder = package_of(&host_json()).with_function("Echo", &http("echo", &json!({})));
    let host = Host::start(folder.path(), HostOptions::default()).await;
    for method in ["GET", "HEAD", "POST", "PATCH"] {
        assert_eq!(status(&host, method, "/echo").await, 200, "{method}");
    }
}

#[tokio::test]
async fn a_prefix_is_part_of_every_path_and_is_api_unless_told() {
    let mut json = host_json();
    json["extensions"] = json!({});
    let folder = package_of(&json).with_function("Echo", &http("echo", &json!({})));
    let host = Host::start(folder.path(), HostOptions::default()).await;
    assert_eq!(status(&host, "GET", "/echo").await, 404);
    // The handler gets the path with its prefix, which the fake one does not know.
    assert_eq!(status(&host, "GET", "/api/echo").await, 404);
    let invocation = host.invocations().next().await;
    assert_eq!((invocation.function.as_str(), invocation.status.unwrap().as_u16()), ("Echo", 404));
}

#[tokio::test]
async fn without_a_route_the_name_is_the_route_and_an_empty_one_is_none() {
    let mut unnamed = http("", &json!({}));
    let folder = package_of(&host_json()).with_function("Echo", &unnamed);
    unnamed["bindings"][0].as_object_mut().unwrap().remove("route");
    let folder = folder.with_function("Environment", &unnamed);
    let host = Host::start(folder.path(), HostOptions::default()).await;
    assert!(reaches_the_handler(&host, "/echo").await);
    assert_eq!(status(&host, "GET", "/environment").await, 200);
    // Nothing has the root: the host's own page does.
    assert!(host.get("/").await.text().await.unwrap().contains("up and running"));
}

#[tokio::test]
async fn the_hosts_own_page_can_be_switched_off() {
    let folder = package_of(&host_json());
    let options = HostOptions::default().with("AzureWebJobsDisableHomepage", "true");
    let host = Host::start(folder.path(), options).await;
    assert_eq!(status(&host, "GET", "/").await, 204);
}

#[test]
fn templates_match_segment_by_segment() {
    for (template, path, parameters) in [
        ("products", "/products", Some("{}")),
        ("products", "/products/", Some("{}")),
        ("products", "/Products", Some("{}")),
        ("products", "/products/1", None),
        ("products", "//products", None),
        ("products/{asin}", "/products/a%2Fb", Some(r#"{"asin":"a/b"}"#)),
        ("products/{asin}", "/products", None),
        ("products/{asin}", "/products//", None),
        ("{ignored:maxlength(0)?}", "/", Some("{}")),
        ("{ignored:maxlength(0)?}", "/x", None),
        ("users/{id:int}", "/users/7", Some(r#"{"id":"7"}"#)),
        ("users/{id:int}", "/users/x", None),
        ("users/{id:guid?}", "/users", Some("{}")),
        ("users/{id:range(1,3)}", "/users/4", None),
        ("{*path}", "/", Some("{}")),
        ("{*path}", "/a/b", Some(r#"{"path":"a/b"}"#)),
        ("files/{name:alpha:maxlength(3)}", "/files/abc", Some(r#"{"name":"abc"}"#)),
        ("files/{name:alpha:maxlength(3)}", "/files/abcd", None),
    ] {
        let found = Template::parse(template).unwrap().matches(path);
        let found = found.map(|parameters| json!(parameters).to_string());
        assert_eq!(found.as_deref(), parameters, "{template} {path}");
    }
}

#[test]
fn a_template_that_is_not_understood_is_refused_and_not_guessed() {
    for template in ["a//b", "{}", "x{y}", "{x:regex(.)}", "{x?}/b", "{*x}/b"] {
        assert!(Template::parse(template).is_err(), "{template}");
    }
}

#[tokio::test]
async fn the_most_exact_route_wins() {
    let folder = package_of(&host_json())
        .with_function("A", &http("{*rest}", &json!({})))
        .with_function("B", &http("echo/{any}", &json!({})))
        .with_function("C", &http("echo/{number:int}", &json!({})))
        .with_function("D", &http("echo/me", &json!({})));
    let host = Host::start(folder.path(), HostOptions::default()).await;
    let mut invocations = host.invocations();
    for (path, function) in [("me", "D"), ("7", "C"), ("x", "B"), ("x/y", "A")] {
        host.get(&format!("/echo/{path}")).await;
        assert_eq!(invocations.next().await.function, function, "{path}");
    }
}

#[tokio::test]
async fn one_route_may_have_two_functions_if_their_methods_differ() {
    let folder = package_of(&host_json())
        .with_function("Get", &http("echo", &json!({ "methods": ["get"] })))
        .with_function("Post", &http("echo", &json!({ "methods": ["post"] })));
    assert_eq!(problems(&folder), [""; 0]);
    let host = Host::start(folder.path(), HostOptions::default()).await;
    let mut invocations = host.invocations();
    for (method, function) in [("GET", "Get"), ("POST", "Post")] {
        assert_eq!(status(&host, method, "/echo").await, 200);
        assert_eq!(invocations.next().await.function, function);
    }
}

#[test]
fn routes_that_overlap_are_an_error_of_the_second() {
    for (first, second) in [
        (json!({ "methods": ["get", "head"] }), json!({ "methods": ["HEAD"] })),
        (json!({ "methods": ["get"] }), json!({})),
    ] {
        let folder = package_of(&host_json())
            .with_function("A", &http("echo", &first))
            .with_function("B", &http("Echo", &second));
        assert_eq!(problems(&folder), ["B: its route conflicts with that of A"]);
    }
}

/// The host looks at how a route begins, not at its first segment.
#[test]
fn routes_may_not_begin_like_the_hosts_own() {
    for route in ["admin", "administration", "Runtime/x", "/admin/x"] {
        let folder = package_of(&host_json()).with_function("A", &http(route, &json!({})));
        assert_eq!(problems(&folder), ["A: its route conflicts with one of the host's own"]);
    }
    let folder = package_of(&host_json()).with_function("A", &http("my/admin", &json!({})));
    assert_eq!(problems(&folder), [""; 0]);
}

#[tokio::test]
async fn a_catch_all_sees_nothing_of_the_hosts_own_paths() {
    let folder = package_of(&host_json()).with_function("All", &http("{*path}", &json!({})));
    let host = Host::start(folder.path(), HostOptions::default()).await;
    assert_eq!(status(&host, "GET", "/runtime/webhooks/blobs").await, 404);
    assert_eq!(status(&host, "GET", "/admin/x").await, 401);
    assert_eq!(host.stop().await.invocations, []);
}

#[tokio::test]
async fn keys_open_what_their_level_allows() {
    let folder = package_of(&host_json())
        .with_function("Open", &http("echo/open", &json!({ "authLevel": "anonymous" })))
        .with_function("Keyed", &http("echo/keyed", &json!({ "authLevel": "function" })))
        .with_function("Master", &http("echo/master", &json!({ "authLevel": "admin" })));
    let host = Host::start(folder.path(), HostOptions::default()).await;
    let (none, wrong) = (String::new(), "wrong".to_owned());
    let keys = &host.keys;
    for (path, key, expected) in [
        ("open", &none, 200),
        ("open", &wrong, 200),
        ("keyed", &none, 401),
        ("keyed", &wrong, 401),
        ("keyed", &keys.function, 200),
        ("keyed", &keys.host, 200),
        ("keyed", &keys.master, 200),
        ("master", &none, 401),
        ("master", &keys.function, 401),
        ("master", &keys.host, 401),
        ("master", &keys.master, 200),
    ] {
        let url = format!("{}/echo/{path}", host.url);
        let by_query = host.client.get(format!("{url}?code={key}")).send().await.unwrap();
        let by_header = host.client.get(url).header("x-functions-key", key).send().await.unwrap();
        assert_eq!(
            (by_query.status().as_u16(), by_header.status().as_u16()),
            (expected, expected),
            "{path} {key}"
        );
    }
}

#[tokio::test]
async fn the_default_level_is_function_and_the_key_is_passed_on() {
    let mut function = http("echo", &json!({}));
    function["bindings"][0].as_object_mut().unwrap().remove("authLevel");
    let folder = package_of(&host_json()).with_function("Echo", &function);
    let host = Host::start(folder.path(), HostOptions::default()).await;
    assert_eq!(status(&host, "GET", "/echo").await, 401);
    let echo: Value =
        host.get(&format!("/echo?code={}", host.keys.function)).await.json().await.unwrap();
    assert_eq!(echo["target"], format!("/echo?code={}", host.keys.function));
}

#[tokio::test]
async fn a_disabled_function_is_a_404_but_for_the_master() {
    let folder = package_of(&host_json()).with_function("Echo", &http("echo", &json!({})));
    let options = HostOptions::default().with("AzureWebJobs.Echo.Disabled", "true");
    let host = Host::start(folder.path(), options).await;
    assert_eq!(status(&host, "GET", "/echo").await, 404);
    let master = format!("/echo?code={}", host.keys.master);
    assert_eq!(status(&host, "GET", &master).await, 200);
}

#[tokio::test]
async fn a_function_that_is_wrong_is_left_out_and_the_rest_load() {
    let binding = |more: Value| {
        let mut binding = json!({ "name": "req", "type": "httpTrigger", "direction": "in" });
        extend(&mut binding, &more);
        binding
    };
    let cases = [
        ("1st", json!([binding(json!({}))]), "`1st` is no name of a function"),
        ("Host", json!([binding(json!({}))]), "`Host` is no name of a function"),
        ("NoBinding", json!([]), "it has no trigger"),
        (
            "TwoTriggers",
            json!([binding(json!({})), binding(json!({ "name": "t", "type": "timerTrigger" }))]),
            "it has more than one trigger",
        ),
        (
            "TwoOfAName",
            json!([binding(json!({})), { "name": "REQ", "type": "http", "direction": "out" }]),
            "two of its bindings have one name",
        ),
        ("BadName", json!([binding(json!({ "name": "a-b" }))]), "`a-b` is no name of a binding"),
        (
            "ReturnIn",
            json!([binding(json!({ "name": "$return" }))]),
            "`$return` is no name of a binding",
        ),
        ("NoType", json!([binding(json!({ "type": "" }))]), "the binding req has no type"),
        (
            "NoPath",
            json!([binding(json!({ "type": "blobTrigger" }))]),
            "its blob trigger has no path",
        ),
        (
            "Stream",
            json!([binding(
                json!({ "type": "blobTrigger", "path": "a/{b}", "dataType": "stream" })
            )]),
            "a trigger of dataType stream fails",
        ),
        (
            "BadRoute",
            json!([binding(json!({ "route": "{x:what}" }))]),
            "the constraint `what` is not known here",
        ),
    ];
    let mut folder = package_of(&host_json()).with_function("Echo", &http("echo", &json!({})));
    let mut expected: Vec<_> =
        cases.iter().map(|(name, _, what)| format!("{name}: {what}")).collect();
    expected.sort();
    for (name, bindings, _) in cases {
        folder = folder.with_function(name, &json!({ "bindings": bindings }));
    }
    let host = Host::start(folder.path(), HostOptions::default()).await;
    let told: Vec<_> =
        host.problems().iter().map(|p| format!("{}: {}", p.function, p.what)).collect();
    assert_eq!(told, expected);
    assert_eq!(status(&host, "GET", "/echo").await, 200);
}

#[tokio::test]
async fn a_host_json_that_cannot_be_used_keeps_the_host_from_starting() {
    let mut old = host_json();
    old["version"] = json!("1.0");
    let mut headless = host_json();
    headless["customHandler"]["description"] = json!({});
    for json in [old, headless] {
        let folder = package_of(&json);
        assert!(Host::launch(folder.path(), HostOptions::default()).is_err(), "{json}");
    }
}

/// Only folders directly beside `host.json` are looked at.
#[tokio::test]
async fn a_function_one_level_deeper_is_not_found() {
    let folder = package_of(&host_json());
    let deep = folder.path().join("functions/Echo");
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::write(deep.join("function.json"), http("echo", &json!({})).to_string()).unwrap();
    let host = Host::start(folder.path(), HostOptions::default()).await;
    assert_eq!(status(&host, "GET", "/echo").await, 404);
}
