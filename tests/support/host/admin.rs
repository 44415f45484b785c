//! The host's own API: what the portal lists, runs and asks.

use std::sync::Arc;

use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::core::Core;
use super::function::{Function, Level};
use super::package::member;
use super::wire::{self, Body, bare};
use super::{blobs, keys, process, queue, timer};

pub async fn answer(core: Arc<Core>, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().trim_matches('/').to_owned();
    let parts: Vec<_> = path.split('/').collect();
    let key = keys::sent(request.headers(), request.uri().query());
    let is_master = core.keys.allow(Level::Admin, key.as_deref());
    match (request.method(), &parts[..]) {
        (&Method::GET | &Method::POST, ["admin", "host", "ping"]) => ping(&core).await,
        (_, _) if !is_master => bare(StatusCode::UNAUTHORIZED),
        (&Method::GET, ["admin", "functions"]) => list(&core),
        (&Method::POST, ["admin", "functions", name]) => run(core, name, request).await,
        _ => bare(StatusCode::NOT_FOUND),
    }
}

/// A ping of the host asks the handler too; its answer changes nothing.
async fn ping(core: &Core) -> Response<Body> {
    let _ = process::ping(&core.worker.connections, core.function_timeout).await;
    bare(StatusCode::OK)
}

fn list(core: &Core) -> Response<Body> {
    let functions: Vec<_> =
        core.package.functions.iter().map(|function| listed(core, function)).collect();
    json_response(&json!(functions))
}

fn listed(core: &Core, function: &Function) -> Value {
    let prefix = &core.package.host.route_prefix;
    let url = function.http().map(|http| format!("/{prefix}/{}", http.route).replace("//", "/"));
    json!({
        "name": function.name,
        "config": function.json,
        "invoke_url_template": url,
        "isDisabled": core.is_disabled(&function.name),
    })
}

/// Answers at once; how it ends only the log tells.
async fn run(core: Arc<Core>, name: &str, request: Request<Body>) -> Response<Body> {
    let Some(function) = core.package.function(name).cloned() else {
        return bare(StatusCode::NOT_FOUND);
    };
    let body = wire::read(request.into_body()).await.unwrap_or_default();
    let Ok(body @ Value::Object(_)) = serde_json::from_slice(&body) else {
        return bare(StatusCode::BAD_REQUEST);
    };
    let input = member(&body, "input").as_str().unwrap_or("").to_owned();
    if function.is_triggered_by("blobTrigger") {
        tokio::spawn(async move { blobs::run(&core, &function, &input).await });
    } else if function.is_triggered_by("queueTrigger") {
        tokio::spawn(async move { queue::run(&core, &function, &input, 1).await });
    } else if function.is_triggered_by("timerTrigger") {
        tokio::spawn(async move { timer::fire(&core, &function).await });
    } else {
        // The portal calls an HTTP function by its own URL.
        return bare(StatusCode::NOT_IMPLEMENTED);
    }
    bare(StatusCode::ACCEPTED)
}

fn json_response(value: &Value) -> Response<Body> {
    let response = Response::builder().header("content-type", "application/json");
    response.body(wire::whole(value.to_string())).expect("plain headers")
}
