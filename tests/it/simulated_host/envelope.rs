//! What is posted to the handler, and what its answers mean.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::{header, host_json, http, names, next_envelope, package_of, replying};
use crate::support::SOME_DAY;
use crate::support::fake_handler::Reply;
use crate::support::host::envelope::{Datum, Envelope};
use crate::support::host::folder::PackageFolder;
use crate::support::host::invocation::{Outcome, Output};
use crate::support::host::{Host, HostOptions};

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("{other} is no object"),
    }
}

fn timer() -> Value {
    json!({
        "name": "timer", "type": "timerTrigger", "direction": "in", "schedule": "0 0 * * * *",
    })
}

fn timer_package() -> PackageFolder {
    let function = json!({ "bindings": [timer(), { "name": "message", "type": "queue", "direction": "out" }] });
    package_of(&host_json()).with_function("Nightly", &function)
}

async fn host_replying(replies: &[Reply]) -> (PackageFolder, Host) {
    let folder = timer_package();
    let host = Host::start(folder.path(), replying("Nightly", replies)).await;
    (folder, host)
}

#[test]
fn every_kind_of_value_has_its_own_encoding() {
    let moment = UNIX_EPOCH + Duration::from_micros(SOME_DAY as u64);
    for (value, encoded) in [
        (Datum::Object(object(json!({ "a": 1 }))), json!({ "a": 1 })),
        (Datum::Text("hi".to_owned()), json!("\"hi\"")),
        (Datum::Text("a \"b\" ü".to_owned()), json!("\"a \\\"b\\\" ü\"")),
        (Datum::Plain(json!(4)), json!("4")),
        (Datum::Plain(json!(true)), json!("true")),
        (Datum::Plain(json!([1, "a"])), json!("[1,\"a\"]")),
        (Datum::Moment(moment), json!("2026-01-01T00:00:00+00:00")),
        (Datum::Bytes(b"hi".to_vec()), json!("aGk=")),
        (Datum::Null, json!("null")),
    ] {
        let sent = Envelope::of("x", value.clone()).to_json("F");
        assert_eq!(sent["Data"], json!({ "x": encoded }), "{value:?}");
        // Metadata have the same encoding, but nothing where there is nothing.
        let sent = Envelope::of("x", Datum::Null).with("y", value.clone()).to_json("F");
        let expected = if value == Datum::Null { Value::Null } else { encoded };
        assert_eq!(sent["Metadata"]["y"], expected, "{value:?}");
    }
}

#[test]
fn what_is_named_like_a_trigger_is_held_back_and_sys_is_always_there() {
    let text = || Datum::Text("x".to_owned());
    let envelope = Envelope::of("blob", text())
        .with("BlobTrigger", text())
        .with("mytrigger", text())
        .with("trigger1", text());
    let metadata = &envelope.to_json("Import")["Metadata"];
    assert_eq!(names(metadata), ["sys", "trigger1"]);
    let sys = &metadata["sys"];
    assert_eq!(names(sys), ["MethodName", "RandGuid", "UtcNow"]);
    assert_eq!(sys["MethodName"], "Import");
}

#[test]
fn a_text_that_is_an_object_spills_all_but_its_arrays() {
    let text = r#"{"k":1,"ok":true,"s":"t","list":[1],"nothing":null,"o":{"a":1}}"#;
    let sent = Envelope::of("item", Datum::Text(text.to_owned())).spill(text).to_json("F");
    let mut metadata = object(sent["Metadata"].clone());
    metadata.remove("sys");
    let expected = json!({ "k": "\"1\"", "ok": "\"True\"", "s": "\"t\"", "o": { "a": 1 } });
    assert_eq!(Value::Object(metadata), expected);
    let plain = Envelope::of("item", Datum::Null).spill("[1]").to_json("F");
    assert_eq!(object(plain["Metadata"].clone()).len(), 1);
}

/// No prefix, the name as it is spelled, and the timer as an object.
#[tokio::test]
async fn a_timer_is_posted_to_the_path_of_the_functions_name() {
    let mut json = host_json();
    json["extensions"]["http"]["routePrefix"] = json!("api");
    let folder = package_of(&json).with_function("Nightly", &json!({ "bindings": [timer()] }));
    let host = Host::start(folder.path(), HostOptions::default()).await;
    let invocation = host.fire_timer("Nightly").await;
    let request = next_envelope(&mut host.stdout()).await;
    assert_eq!((&request["method"], &request["target"]), (&json!("POST"), &json!("/Nightly")));
    assert_eq!(header(&request, "content-type"), ["application/json; charset=utf-8"]);
    let id = invocation.id.to_string();
    assert_eq!(header(&request, "x-azure-functions-invocationid"), [id.as_str()]);
    let body = request["body"].as_str().unwrap();
    assert_eq!(invocation.body_sent, body.len());
    let body: Value = serde_json::from_str(body).unwrap();
    let timer = &body["Data"]["timer"];
    assert_eq!(timer["Schedule"], json!({ "AdjustForDST": true }));
    assert_eq!(timer["IsPastDue"], false);
    assert!(timer["ScheduleStatus"]["Next"].is_string());
    assert_eq!(names(&body["Metadata"]), ["sys"]);
}

#[tokio::test]
async fn a_timer_that_nobody_watches_has_no_status() {
    let mut timer = timer();
    timer["useMonitor"] = json!(false);
    let folder = package_of(&host_json()).with_function("Nightly", &json!({ "bindings": [timer] }));
    let host = Host::start(folder.path(), HostOptions::default()).await;
    host.fire_timer("Nightly").await;
    let request = next_envelope(&mut host.stdout()).await;
    let body: Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["Data"]["timer"]["ScheduleStatus"], Value::Null);
}

fn reply(status: u16, kind: &str, body: &str) -> Reply {
    let (kind, body) = (kind.to_owned(), body.to_owned());
    Reply { status, kind, body, ..Reply::failure() }
}

#[tokio::test]
async fn success_is_2xx_with_a_json_object_and_nothing_else() {
    let json = "application/json";
    let cases = [
        (reply(200, json, "{}"), true),
        (reply(201, "application/json; charset=utf-8", "{\"anything\":1}"), true),
        (reply(200, "application/problem+json", "{}"), true),
        (reply(500, json, "{}"), false),
        (reply(404, json, "{}"), false),
        (reply(304, json, ""), false),
        (reply(200, "text/plain", "{}"), false),
        (reply(200, json, "{"), false),
        (reply(200, json, "[]"), false),
        (reply(200, json, "\"text\""), false),
    ];
    let replies: Vec<_> = cases.iter().map(|(reply, _)| reply.clone()).collect();
    let (_folder, host) = host_replying(&replies).await;
    for (reply, succeeds) in cases {
        let invocation = host.fire_timer("Nightly").await;
        let is_right = match invocation.outcome {
            Outcome::Succeeded(_) => succeeds,
            Outcome::Failed(_) => !succeeds,
            _ => false,
        };
        assert!(is_right, "{reply:?}: {invocation:?}");
        assert_eq!(invocation.status.unwrap().as_u16(), reply.status);
    }
}

/// The host waits for the function's time limit, and kills the handler then.
#[tokio::test]
async fn an_empty_success_is_a_hang() {
    for empty in [
        reply(200, "application/json", ""),
        reply(204, "", ""),
        reply(200, "application/json", "null"),
    ] {
        let (_folder, host) = host_replying(std::slice::from_ref(&empty)).await;
        assert_eq!(host.fire_timer("Nightly").await.outcome, Outcome::Hung, "{empty:?}");
        host.until_started(2).await;
    }
}

#[tokio::test]
async fn logs_and_outputs_are_kept_whatever_the_case_of_their_names() {
    let answer = json!({
        "outputs": { "message": ["m1", "m2"] },
        "LOGS": ["one", "two"],
        "ReturnValue": 7,
    });
    let (_folder, host) = host_replying(&[Reply::json(&answer)]).await;
    let invocation = host.fire_timer("Nightly").await;
    let result = invocation.result();
    assert_eq!(result.logs, ["one", "two"]);
    assert_eq!(result.outputs["message"], Output::Json(json!(["m1", "m2"])));
    assert_eq!(result.return_value, Some(json!(7)));
}

/// `abcd` is base64 by chance.
#[tokio::test]
async fn a_text_output_that_happens_to_be_base64_arrives_as_bytes() {
    let texts =
        ["abcd", "no base64"].map(|text| Reply::json(&json!({ "Outputs": { "message": text } })));
    let (_folder, host) = host_replying(&texts).await;
    let output = async || host.fire_timer("Nightly").await.result().outputs["message"].clone();
    assert_eq!(output().await, Output::Bytes(vec![0x69, 0xb7, 0x1d]));
    assert_eq!(output().await, Output::Json(json!("no base64")));
}

#[tokio::test]
async fn a_binary_output_is_left_as_it_is() {
    let output =
        json!({ "name": "message", "type": "queue", "direction": "out", "dataType": "binary" });
    let folder = package_of(&host_json())
        .with_function("Nightly", &json!({ "bindings": [timer(), output] }));
    let answer = Reply::json(&json!({ "Outputs": { "message": "abcd" } }));
    let host = Host::start(folder.path(), replying("Nightly", &[answer])).await;
    let invocation = host.fire_timer("Nightly").await;
    assert_eq!(invocation.result().outputs["message"], Output::Json(json!("abcd")));
}

/// An HTTP function with one binding more than a request and a response.
fn order_package() -> PackageFolder {
    let mut function = http("order/{id}", &json!({}));
    let queue = json!({ "name": "message", "type": "queue", "direction": "out" });
    function["bindings"].as_array_mut().unwrap().push(queue);
    package_of(&host_json()).with_function("Order", &function)
}

#[tokio::test]
async fn an_http_function_with_further_bindings_gets_an_envelope() {
    let folder = order_package();
    let host = Host::start(folder.path(), HostOptions::default()).await;
    let url = format!("{}/order/7?x=1&x=2", host.url);
    let request = host.client.post(&url).header("content-type", "text/plain").body("hello");
    let answer = request.send().await.unwrap();
    // Nothing was said of `res`.
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "{}"));
    let sent = next_envelope(&mut host.stdout()).await;
    assert_eq!(sent["target"], "/Order");
    let body: Value = serde_json::from_str(sent["body"].as_str().unwrap()).unwrap();
    let req = &body["Data"]["req"];
    assert_eq!((&req["Url"], &req["Method"]), (&json!(url), &json!("POST")));
    assert_eq!(req["Query"], json!({ "x": "1,2" }));
    assert_eq!(req["Params"], json!({ "id": "7" }));
    assert_eq!(req["Headers"]["content-type"], json!(["text/plain"]));
    assert_eq!(req["Body"], "hello");
    let metadata = &body["Metadata"];
    assert_eq!(names(metadata), ["headers", "query", "sys"]);
}

#[tokio::test]
async fn a_described_request_has_no_body_where_it_has_none_and_base64_where_it_is_binary() {
    let folder = order_package();
    let host = Host::start(folder.path(), HostOptions::default()).await;
    let mut stdout = host.stdout();
    let url = format!("{}/order/7", host.url);
    let binary = host.client.post(&url).header("content-type", "application/octet-stream");
    for (request, body) in
        [(host.client.post(&url), Value::Null), (binary.body(&b"\xff"[..]), json!("/w=="))]
    {
        request.send().await.unwrap();
        let sent = next_envelope(&mut stdout).await;
        let sent: Value = serde_json::from_str(sent["body"].as_str().unwrap()).unwrap();
        assert_eq!(sent["Data"]["req"]["Body"], body);
    }
}

#[tokio::test]
async fn res_describes_the_response() {
    let described = [
        (json!({ "statusCode": 201, "body": "made", "headers": { "x-a": "1" } }), 201, "made"),
        (json!({ "status": "202", "body": { "a": 1 } }), 202, "{\"a\":1}"),
        (json!("{\"statusCode\":203}"), 203, ""),
        (json!({}), 200, ""),
        (json!("just text"), 500, ""),
        (json!(["a"]), 500, ""),
    ];
    let replies: Vec<_> = described
        .iter()
        .map(|(res, ..)| Reply::json(&json!({ "Outputs": { "res": res } })))
        .collect();
    let folder = order_package();
    let host = Host::start(folder.path(), replying("Order", &replies)).await;
    for (res, status, body) in described {
        let answer = host.get("/order/7").await;
        let header = answer.headers().get("x-a").is_some();
        assert_eq!(header, !res["headers"].is_null());
        assert_eq!(
            (answer.status().as_u16(), answer.text().await.unwrap().as_str()),
            (status, body),
            "{res}"
        );
    }
}

#[tokio::test]
async fn a_failure_in_an_envelope_is_a_500_for_the_caller() {
    let folder = order_package();
    let host = Host::start(folder.path(), replying("Order", &[Reply::failure()])).await;
    let answer = host.get("/order/7").await;
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (500, ""));
}

/// Neither way of passing through is switched on.
#[tokio::test]
async fn without_passing_through_every_function_gets_an_envelope() {
    let mut json = host_json();
    let handler = json["customHandler"].as_object_mut().unwrap();
    handler.remove("enableProxyingHttpRequest");
    // Nearly the right name counts for nothing.
    handler.insert("enableHttpProxyingRequest".to_owned(), json!(true));
    let folder = package_of(&json).with_function("Echo", &http("echo", &json!({})));
    let host = Host::start(folder.path(), HostOptions::default()).await;
    assert_eq!(host.get("/echo").await.status(), 200);
    assert_eq!(next_envelope(&mut host.stdout()).await["target"], "/Echo");
}

/// As .NET's client does it: the older redirects make a GET of a POST.
#[tokio::test]
async fn a_redirect_is_followed() {
    for (status, method) in [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")]
    {
        let (_folder, host) = host_replying(&[Reply::redirect(status, "/landed?x=1")]).await;
        assert!(host.fire_timer("Nightly").await.succeeded(), "{status}");
        let mut stdout = host.stdout();
        let sent = next_envelope(&mut stdout).await;
        let line = stdout.line_with("LANDED ").await;
        let landed: Value = serde_json::from_str(line.split_once("LANDED ").unwrap().1).unwrap();
        assert_eq!((&landed["method"], &landed["target"]), (&json!(method), &json!("/landed?x=1")));
        let body = if method == "GET" { &json!("") } else { &sent["body"] };
        assert_eq!(&landed["body"], body, "{status}");
        let id = "x-azure-functions-invocationid";
        assert_eq!(header(&landed, id), header(&sent, id));
    }
}

#[tokio::test]
async fn a_redirect_that_leads_round_ends_as_a_failure() {
    let (_folder, host) = host_replying(&[Reply::redirect(307, "/Nightly")]).await;
    let failed = host.fire_timer("Nightly").await;
    assert!(matches!(failed.outcome, Outcome::Failed(_)), "{failed:?}");
}

#[tokio::test]
async fn a_redirect_is_a_failure_where_requests_are_forwarded() {
    let mut json = host_json();
    let handler = json["customHandler"].as_object_mut().unwrap();
    handler.remove("enableProxyingHttpRequest");
    handler.insert("enableForwardingHttpRequest".to_owned(), json!(true));
    let folder = package_of(&json).with_function("Nightly", &json!({ "bindings": [timer()] }));
    let replies = replying("Nightly", &[Reply::redirect(307, "/landed")]);
    let host = Host::start(folder.path(), replies).await;
    let failed = host.fire_timer("Nightly").await;
    let told = Outcome::Failed("the handler answered 307 Temporary Redirect".to_owned());
    assert_eq!(failed.outcome, told);
}
