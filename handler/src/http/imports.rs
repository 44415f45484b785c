//! Import runs over HTTP, for administrators alone.

mod moment;
mod rejects;

use serde::Serialize;
use warp::http::header::LOCATION;
use warp::http::{HeaderMap, HeaderValue, StatusCode};
use warp::reply::Response;

use self::moment::rfc3339;
use super::list_page::ListPage;
use super::problem::ApiError;
use super::{auth, respond};
use crate::app::App;
use crate::imports::ImportsError;
use crate::store::{Run, RunId};

pub(super) use rejects::stream as rejects;

/// `GET /imports`: pages by `limit` and `cursor`, newest first.
pub(super) async fn list(
    app: &App,
    headers: &HeaderMap,
    raw_query: &str,
) -> Result<Response, ApiError> {
    auth::administrator(app, headers).await?;
    let page = ListPage::parse(raw_query, |key| key.try_into().ok().map(i64::from_be_bytes))?;
    let mut runs = app.imports.list(page.after.map(RunId), page.rows()).await?;
    Ok(page.answer::<_, Shown<'_>, _>(&mut runs, "/imports", |run| run.id.0.to_be_bytes()))
}

/// `GET /imports/{id}`
pub(super) async fn show(
    app: &App,
    headers: &HeaderMap,
    segment: &str,
) -> Result<Response, ApiError> {
    auth::administrator(app, headers).await?;
    let run = app.imports.get(id(segment)?).await?;
    Ok(respond::json(&Shown::from(&run), StatusCode::OK))
}

/// `DELETE /imports/{id}`: the run as it is from then on. What its owner does in this moment
/// comes to nothing.
pub(super) async fn cancel(
    app: &App,
    headers: &HeaderMap,
    segment: &str,
) -> Result<Response, ApiError> {
    auth::administrator(app, headers).await?;
    let run = app.imports.cancel(id(segment)?).await?;
    Ok(respond::json(&Shown::from(&run), StatusCode::ACCEPTED))
}

/// `POST /imports/{id}/retry`: the run that works, which is the same or the next attempt.
pub(super) async fn retry(
    app: &App,
    headers: &HeaderMap,
    segment: &str,
) -> Result<Response, ApiError> {
    auth::administrator(app, headers).await?;
    let run = app.imports.retry(id(segment)?).await?;
    let mut response = respond::json(&Shown::from(&run), StatusCode::ACCEPTED);
    let location = HeaderValue::try_from(format!("/imports/{}", run.id));
    response.headers_mut().insert(LOCATION, location.expect("a number is ASCII"));
    Ok(response)
}

/// The number that a path has. What is none has no run.
fn id(segment: &str) -> Result<RunId, ImportsError> {
    let id = segment.parse().ok().map(RunId);
    // A number has one form: `+7` and `007` are other paths.
    id.filter(|id| id.to_string() == segment).ok_or(ImportsError::NoSuchRun)
}

/// A run as administrators see it.
#[derive(Serialize)]
struct Shown<'a> {
    id: i64,
    source: &'a str,
    attempt: u32,
    state: &'static str,
    /// Of the source as it is stored.
    bytes_done: u64,
    bytes_total: u64,
    rows_read: u64,
    rows_loaded: u64,
    rows_replaced: u64,
    rows_rejected: u64,
    /// Rows a second.
    rate: Option<f64>,
    /// Seconds left.
    estimate: Option<u64>,
    error: Option<&'a str>,
    created_at: String,
    ended_at: Option<String>,
}

impl<'a> From<&'a Run> for Shown<'a> {
    fn from(run: &'a Run) -> Self {
        let counts = &run.counts;
        Self {
            id: run.id.0,
            source: &run.source,
            attempt: run.attempt,
            state: run.state.word(),
            // What was read ahead is not done, and a source may have grown.
            bytes_done: run.checkpoint.stored.min(run.size),
            bytes_total: run.size,
            rows_read: counts.read,
            rows_loaded: counts.loaded,
            rows_replaced: counts.replaced,
            rows_rejected: counts.rejected,
            rate: run.rate().map(|rate| (rate * 10.0).round() / 10.0),
            estimate: run.seconds_left().map(whole_seconds),
            error: run.error.as_deref(),
            created_at: rfc3339(run.created_at),
            ended_at: run.ended_at.map(rfc3339),
        }
    }
}

/// Rounded up: a little more patience than is needed.
fn whole_seconds(seconds: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    let whole = seconds.ceil() as u64;
    whole
}
