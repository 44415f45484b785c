//! The host's own HTTP side: who may call what, and the way it goes from there.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::core::Core;
use super::envelope::{self, Datum, Envelope};
use super::function::{Function, Level};
use super::package::Passing;
use super::routes::Params;
use super::wire::{self, Body, Fault, bare};
use super::{admin, forward, keys, proxy};

/// Serves until it is dropped, its connections with it.
pub async fn serve(core: Arc<Core>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let core = Arc::clone(&core);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let core = Arc::clone(&core);
                async move { Ok::<_, Infallible>(answer(core, request).await) }
            });
            // A client that hangs up is the client's business.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(core: Arc<Core>, request: Request<Incoming>) -> Response<Body> {
    let bytes_max = core.body_bytes_max();
    if forward::content_length(request.headers()) > bytes_max as u64 {
        return bare(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let request = request.map(|body| Limited::new(body, bytes_max).boxed_unsync());
    route(core, request).await
}

/// The status of an invocation that has failed. A body whose length nobody knew beforehand
/// turns out to be too large on its way.
pub fn status_of(fault: &Fault) -> StatusCode {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&**fault);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return StatusCode::PAYLOAD_TOO_LARGE;
        }
        cause = error.source();
    }
    StatusCode::INTERNAL_SERVER_ERROR
}

async fn route(core: Arc<Core>, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    match path.trim_start_matches('/').split('/').next() {
        Some("admin") => return admin::answer(core, request).await,
        Some("runtime") => return bare(StatusCode::NOT_FOUND),
        _ => {}
    }
    let Some((function, http, params)) = core.routes.find(request.method().as_str(), &path) else {
        return no_function(&core, &path);
    };
    let key = keys::sent(request.headers(), request.uri().query());
    let may = |level| core.keys.allow(level, key.as_deref());
    if core.is_disabled(&function.name) && !may(Level::Admin) {
        return bare(StatusCode::NOT_FOUND);
    }
    if !may(http.level) {
        return bare(StatusCode::UNAUTHORIZED);
    }
    let function = function.clone();
    match core.package.host.passing {
        _ if !function.is_http_in_and_out() => enveloped(&core, &function, params, request).await,
        Passing::Envelope => enveloped(&core, &function, params, request).await,
        Passing::Proxying => proxy::pass(core, &function.name, request).await,
        Passing::Forwarding => forward::pass(&core, &function.name, request).await,
    }
}

/// At the root of the site the host's own page shows, unless it is switched off.
fn no_function(core: &Core, path: &str) -> Response<Body> {
    let name = "AzureWebJobsDisableHomepage";
    let is_off = core.settings.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    match path {
        "/" if is_off => bare(StatusCode::NO_CONTENT),
        "/" => Response::new(wire::whole("Your Functions app is up and running")),
        _ => bare(StatusCode::NOT_FOUND),
    }
}

/// An HTTP function with more bindings than a request and a response gets an envelope.
async fn enveloped(
    core: &Core,
    function: &Function,
    params: Params,
    request: Request<Body>,
) -> Response<Body> {
    let described = match describe(params, request).await {
        Ok(described) => described,
        Err(fault) => return bare(status_of(&fault)),
    };
    let members = |name: &str| described[name].as_object().cloned().unwrap_or_default();
    let (query, headers) = (members("Query"), members("Headers"));
    let envelope = Envelope::of(&function.trigger().name, Datum::Object(described))
        .with("headers", Datum::Object(headers))
        .with("query", Datum::Object(query));
    let invocation = envelope::invoke(core, &function.name, 1, &envelope).await;
    let output = function
        .bindings
        .iter()
        .find(|binding| binding.is_output && binding.kind.eq_ignore_ascii_case("http"));
    envelope::http_response(&invocation, output.map_or("res", |binding| &binding.name))
}

/// A request as a JSON object.
async fn describe(params: Params, request: Request<Body>) -> Result<Map<String, Value>, Fault> {
    let (parts, body) = request.into_parts();
    let host = parts.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let mut headers = Map::new();
    for (name, value) in &parts.headers {
        let values = headers.entry(name.as_str()).or_insert_with(|| json!([]));
        let value = String::from_utf8_lossy(value.as_bytes());
        values.as_array_mut().expect("made so").push(json!(value));
    }
    let query: Map<_, _> = forward::merged(parts.uri.query().unwrap_or(""))
        .into_iter()
        .map(|(name, value)| (name, Value::String(value)))
        .collect();
    let mut described = json!({
        "Url": format!("http://{host}{}", parts.uri),
        "Method": parts.method.as_str(),
        "Query": query,
        "Headers": headers,
        "Params": params,
        "Identities": [],
    });
    if forward::content_length(&parts.headers) > 0 {
        let body = wire::read(body).await?;
        described["Body"] = Value::String(text_or_base64(&parts.headers, &body));
    }
    match described {
        Value::Object(members) => Ok(members),
        _ => unreachable!("made so"),
    }
}

fn text_or_base64(headers: &http::HeaderMap, body: &[u8]) -> String {
    use base64::Engine as _;
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or("");
    if kind.starts_with("application/octet-stream") || kind.starts_with("multipart/") {
        base64::engine::general_purpose::STANDARD.encode(body)
    } else {
        String::from_utf8_lossy(body).into_owned()
    }
}
