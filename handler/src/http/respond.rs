//! Values as responses.

use serde::Serialize;
use warp::http::HeaderValue;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use warp::reply::Response;

use super::problem::ApiError;

/// A catalogue answer: a client keeps it and asks each time whether it still counts.
const CATALOGUE: HeaderValue = HeaderValue::from_static("public, no-cache");

/// A value as JSON.
pub(super) fn json(value: &impl Serialize) -> Response {
    json_bytes(serde_json::to_vec(value).expect("answers are made of texts, numbers and lists"))
}

/// JSON that is written already.
pub(super) fn json_bytes(body: Vec<u8>) -> Response {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, CATALOGUE);
    response
}

/// The answer, or the error as a problem document about `instance`.
pub(super) fn or_problem(result: Result<Response, ApiError>, instance: &str) -> Response {
    result.unwrap_or_else(|error| error.respond(Some(instance)))
}
