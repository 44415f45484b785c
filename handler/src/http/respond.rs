//! Answers as responses.

use std::borrow::Cow;
use std::io::Write as _;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use serde::Serialize;
use warp::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LINK, VARY,
};
use warp::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use warp::reply::Response;

use crate::cache::encoding::Encoding;
use crate::cache::forms::Damaged;
use crate::cache::{Outcome, Reply};

/// A catalogue answer: a client keeps it and asks each time whether it still counts.
pub(super) const CATALOGUE: HeaderValue = HeaderValue::from_static("public, no-cache");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(super) const VARIES: HeaderValue = HeaderValue::from_static("accept, accept-encoding");
const HIT: HeaderValue = HeaderValue::from_static("vitrine; hit");
const MISS: HeaderValue = HeaderValue::from_static("vitrine; fwd=miss");
pub(super) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");
const SEARCH_INDEXED: HeaderName = HeaderName::from_static("x-search-indexed");
/// Of an answer, those that hyper adds included: room is made once.
const HEADERS_MAX: usize = 14;
/// Of an id that is made here: 16 digits, a hyphen, at most 16 digits.
const REQUEST_ID_BYTES: usize = 33;
/// Longer ones are replaced: an id goes into logs.
const REQUEST_ID_MAX: usize = 128;

/// A cached answer; 304 and no body if the client has it.
pub(super) async fn answer(reply: &Reply, asked: &HeaderMap) -> Result<Response, Damaged> {
    let encoding = encoding(reply, asked);
    let body = if is_known(reply, asked) { None } else { Some(reply.answer.body(encoding).await?) };
    Ok(cached(reply, encoding, body))
}

/// The same, unless the body has yet to be compressed.
pub(super) fn at_hand(reply: &Reply, asked: &HeaderMap) -> Option<Response> {
    let encoding = encoding(reply, asked);
    let body =
        if is_known(reply, asked) { None } else { Some(reply.answer.body_at_hand(encoding)?) };
    Some(cached(reply, encoding, body))
}

fn encoding(reply: &Reply, asked: &HeaderMap) -> Encoding {
    let accepted = list(asked, &ACCEPT_ENCODING);
    reply.answer.choose(accepted.as_deref())
}

fn is_known(reply: &Reply, asked: &HeaderMap) -> bool {
    let mut tags = asked.get_all(IF_NONE_MATCH).iter();
    tags.any(|value| value.to_str().is_ok_and(|tags| reply.answer.is_named_by(tags)))
}

/// An answer with this body; without one the client has it.
fn cached(reply: &Reply, encoding: Encoding, body: Option<Bytes>) -> Response {
    let answer = &reply.answer;
    let is_known = body.is_none();
    let mut response = Response::new(body.unwrap_or_default().into());
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.reserve(HEADERS_MAX);
    if !is_known {
        headers.insert(CONTENT_TYPE, JSON);
        if let Some(name) = encoding.header() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
        }
    }
    // On a 304 too: the body does not hold them, so they may have changed all the same.
    if let Some(total) = &answer.total {
        headers.insert(TOTAL_COUNT, total.clone());
    }
    if let Some(lag) = &answer.search_lag {
        headers.insert(SEARCH_INDEXED, lag.clone());
    }
    if let Some(link) = &answer.link {
        headers.insert(LINK, link.clone());
    }
    headers.insert(ETAG, answer.etag(encoding).clone());
    headers.insert(CACHE_CONTROL, CATALOGUE);
    headers.insert(VARY, VARIES);
    headers.insert(CACHE_STATUS, status(reply.outcome));
    response
}

/// Tells how a question was answered whose answer is that there is no such thing.
pub(super) fn tell_where_from(response: &mut Response, outcome: Outcome) {
    response.headers_mut().insert(CACHE_STATUS, status(outcome));
}

/// The lines of a header as the one list that they are (RFC 9110, 5.3). A line that cannot be
/// read says nothing.
pub(super) fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, str>> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.map(Cow::Borrowed).reduce(|list, line| Cow::Owned(format!("{list},{line}")))
}

/// A value that is made anew each time, as JSON.
pub(super) fn json(value: &impl Serialize, status: StatusCode) -> Response {
    let body = serde_json::to_vec(value).expect("answers are made of texts, numbers and lists");
    written_json(body, status)
}

/// An answer that is JSON already, and nobody's but the caller's.
pub(super) fn written_json(body: Vec<u8>, status: StatusCode) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    response
}

/// What was asked for is done, and there is nothing to say.
pub(super) fn nothing() -> Response {
    let mut response = Response::new(Bytes::new().into());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

/// Echoes the request's id, or makes one that no other process makes.
pub(super) fn identify(response: &mut Response, asked: &HeaderMap) {
    let given = asked.get(REQUEST_ID).filter(|id| {
        let id = id.as_bytes();
        (1..=REQUEST_ID_MAX).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
    });
    let id = given.cloned().unwrap_or_else(new_request_id);
    response.headers_mut().insert(REQUEST_ID, id);
}

/// What a response calls its request.
pub(super) fn request_id(response: &Response) -> Option<&str> {
    response.headers().get(REQUEST_ID)?.to_str().ok()
}

fn new_request_id() -> HeaderValue {
    static PROCESS: LazyLock<String> = LazyLock::new(|| {
        let id = uuid::Uuid::new_v4().simple().to_string();
        id[..16].to_owned()
    });
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut id = Vec::with_capacity(REQUEST_ID_BYTES);
    write!(id, "{}-{number:x}", *PROCESS).expect("a vector takes whatever it is given");
    HeaderValue::from_maybe_shared(Bytes::from(id)).expect("digits and a hyphen")
}

fn status(outcome: Outcome) -> HeaderValue {
    match outcome {
        Outcome::Hit => HIT,
        Outcome::Miss => MISS,
        Outcome::Stale(seconds) => HeaderValue::try_from(format!("vitrine; hit; ttl=-{seconds}"))
            .expect("a number is ASCII"),
    }
}
