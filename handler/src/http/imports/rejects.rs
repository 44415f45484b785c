//! The rows that a run has refused, one a line.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use warp::Reply as _;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use warp::http::{HeaderMap, HeaderValue};
use warp::reply::Response;

use super::id;
use crate::app::App;
use crate::http::auth;
use crate::http::chunks::{self, Chunks, read_patiently};
use crate::http::problem::ApiError;
use crate::store::{Reject, RunId, Store, StoreError};

/// Rows read at once: a record is at most 192 KiB, so 12 MiB.
const PAGE: usize = 64;
/// About so much is sent at once, whatever a page has: a record of control characters is six
/// times as long as JSON.
const CHUNK_BYTES: usize = 64 * 1_024;

/// `GET /imports/{id}/rejects`: all of them in the order of the file. Those of a run that goes
/// on are those so far. Takes a place among the streams: each holds some pages in memory and
/// asks the store all the time.
pub(in crate::http) async fn stream(
    app: &App,
    headers: &HeaderMap,
    segment: &str,
) -> Result<Response, ApiError> {
    auth::administrator(app, headers).await?;
    let run = app.imports.get(id(segment)?).await?.id;
    let place = app.streams.place()?;
    let store = Arc::clone(&app.store);
    let first = read(store.as_ref(), run, None).await?;
    let (chunks, body) = chunks::channel();
    let rejects = Rejects { store, run, chunks, _place: place };
    Arc::clone(&app.streams).carry(rejects.send(first));
    let mut response = warp::reply::stream(body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn read(
    store: &dyn Store,
    run: RunId,
    after_byte: Option<u64>,
) -> Result<Vec<Reject>, StoreError> {
    read_patiently(|| store.rejects(run, after_byte, PAGE)).await
}

/// Refused rows on their way.
struct Rejects {
    store: Arc<dyn Store>,
    run: RunId,
    chunks: Chunks,
    _place: OwnedSemaphorePermit,
}

impl Rejects {
    async fn send(self, first: Vec<Reject>) -> Result<(), String> {
        let (mut page, mut chunk) = (first, Vec::new());
        while let Some(last) = page.last().map(|reject| reject.byte) {
            for reject in &page {
                serde_json::to_writer(&mut chunk, reject).map_err(|e| e.to_string())?;
                chunk.push(b'\n');
                if chunk.len() >= CHUNK_BYTES
                    && !self.chunks.give(std::mem::take(&mut chunk)).await?
                {
                    return Ok(());
                }
            }
            let next = read(self.store.as_ref(), self.run, Some(last)).await;
            page = next.map_err(|e| e.with_cause())?;
        }
        if !chunk.is_empty() && !self.chunks.give(chunk).await? {
            return Ok(());
        }
        self.chunks.end().await
    }
}
