//! The older way of passing requests through: rebuilt from what was understood of them, with
//! the losses that brings, and the answer buffered.

use std::sync::atomic::Ordering;

use http::{HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::core::Core;
use super::front;
use super::invocation::{Outcome, Recording, Returned};
use super::wire::{self, Body, Fault, bare};

/// Headers that .NET takes for the content's: they are lost on the way. The two others of that
/// kind, type and length, are kept.
const LOST: [&str; 9] = [
    "allow",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-location",
    "content-md5",
    "content-range",
    "expires",
    "last-modified",
];
/// What a URL cannot hold as it is. `?`, `#` and `%` are left alone, and that is the trap.
const NOT_IN_A_URL: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

pub async fn pass(core: &Core, function: &str, request: Request<Body>) -> Response<Body> {
    let mut recording = Recording::begin(&core.invocations, function, 1);
    let start = match core.until_up().await {
        Ok(start) => start,
        Err(why) => return failed(recording, &why.into()),
    };
    let answer = send(core, request, &mut recording);
    match core.deadline().hold(answer).await {
        Some(Ok(response)) => {
            recording.end(Outcome::Succeeded(Returned::default()));
            response
        }
        Some(Err(fault)) => failed(recording, &fault),
        None => {
            core.worker.timed_out(start).await;
            recording.end(Outcome::TimedOut);
            bare(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

fn failed(recording: Recording, fault: &Fault) -> Response<Body> {
    recording.end(Outcome::Failed(fault.to_string()));
    bare(front::status_of(fault))
}

async fn send(
    core: &Core,
    request: Request<Body>,
    recording: &mut Recording,
) -> Result<Response<Body>, Fault> {
    let (parts, body) = request.into_parts();
    if parts.headers.contains_key("transfer-encoding") {
        return Err("a chunked body is dropped, and its header then has no content".into());
    }
    let body = match content_length(&parts.headers) {
        0 => bytes::Bytes::new(),
        _ => wire::read(body).await?,
    };
    recording.body_sent.store(body.len(), Ordering::SeqCst);
    let mut rebuilt = Request::builder()
        .method(parts.method)
        .uri(rebuilt_target(parts.uri.path(), parts.uri.query()))
        .body(wire::whole(body))?;
    *rebuilt.headers_mut() = forwarded(parts.headers, recording);
    let response = core.worker.connections.send(rebuilt).await?;
    recording.answered(response.status());
    let (mut parts, body) = response.into_parts();
    parts.headers.remove("transfer-encoding");
    parts.headers.remove("connection");
    Ok(Response::from_parts(parts, wire::whole(wire::read(body).await?)))
}

fn forwarded(mut headers: HeaderMap, recording: &Recording) -> HeaderMap {
    for name in LOST {
        headers.remove(name);
    }
    headers.remove("connection");
    let ours = format!("Azure-Functions-Host/{}", super::VERSION);
    let agent = match headers.get("user-agent").and_then(|agent| agent.to_str().ok()) {
        Some(theirs) => format!("{theirs} {ours}"),
        None => ours,
    };
    let plain = |text: String| HeaderValue::try_from(text).expect("plain text");
    headers.insert("user-agent", plain(agent));
    // Added to, not put in place of, what a client sent under these names.
    headers.append("x-azure-functions-hostversion", HeaderValue::from_static(super::VERSION));
    headers.append("x-azure-functions-invocationid", plain(recording.id().to_string()));
    headers
}

pub fn content_length(headers: &HeaderMap) -> u64 {
    let length = headers.get("content-length").and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// A path that was decoded and read as a URL again: an escaped `?` begins a query now, and
/// what follows an escaped `#` is gone.
fn rebuilt_target(path: &str, query: Option<&str>) -> String {
    let decoded = percent_decode_str(path).decode_utf8_lossy().into_owned();
    let url = decoded.split('#').next().unwrap_or_default();
    let (path, moved) = url.split_once('?').unwrap_or((url, ""));
    let mut target = utf8_percent_encode(path, NOT_IN_A_URL).to_string();
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    for (name, value) in merged(moved).into_iter().chain(merged(query.unwrap_or(""))) {
        pairs.append_pair(&name, &value);
    }
    let query = pairs.finish();
    if !query.is_empty() {
        target.push('?');
        target.push_str(&query);
    }
    target
}

/// A query as the host's dictionary has it: the values of one key in one, with commas.
pub fn merged(query: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match pairs.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            Some((_, values)) => {
                values.push(',');
                values.push_str(&value);
            }
            None => pairs.push((name.into_owned(), value.into_owned())),
        }
    }
    pairs
}
