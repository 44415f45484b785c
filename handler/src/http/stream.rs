//! A whole list as a stream: `GET /products` for who accepts NDJSON or CSV.
//!
//! Read by keyset pages straight from the store, each in a moment of its own: no transaction
//! is held, and what is in memory is a page or two, however long the list and however slow
//! the client. Behind the Functions front end a reply ends after 230 s.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::poll_fn;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tracing::Instrument as _;
use warp::Reply as _;
use warp::http::HeaderValue;
use warp::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, VARY};
use warp::reply::Response;

use super::accept::ListForm;
use super::problem::ApiError;
use super::respond::{CACHE_STATUS, CATALOGUE, TOTAL_COUNT, VARIES};
use crate::catalog::{CategoryId, PageQuery, Product};
use crate::store::{Page, Store, StoreError};

/// CONTRACT 5: two at a time.
const STREAMS_MAX: usize = 2;
/// How long a page may take to be read.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a store that has no time is left alone.
const BUSY_PAUSE: Duration = Duration::from_millis(200);
/// How long a client may take for a page's worth of bytes before its place is given away.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);

/// The places for streams, and what became of those that were asked for.
#[derive(Debug)]
pub struct Streams {
    places: Arc<Semaphore>,
    /// Streams that began.
    pub begun: AtomicU64,
    /// Streams that found no place.
    pub refused: AtomicU64,
    /// Streams that an error or a client that took nothing has cut short.
    pub cut: AtomicU64,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(STREAMS_MAX)),
            begun: AtomicU64::default(),
            refused: AtomicU64::default(),
            cut: AtomicU64::default(),
        }
    }
}

/// Answers with the whole list. The first page is read before the answer begins, so what can
/// be told by a status is; an error behind it cuts the connection.
pub(super) async fn list(
    store: Arc<dyn Store>,
    streams: Arc<Streams>,
    raw_query: &str,
    form: ListForm,
) -> Result<Response, ApiError> {
    let query = PageQuery::parse_whole(raw_query)?;
    let Ok(place) = Arc::clone(&streams.places).try_acquire_owned() else {
        streams.refused.fetch_add(1, Ordering::Relaxed);
        return Err(ApiError::TooManyStreams);
    };
    let first = read(store.as_ref(), &query).await.map_err(|e| ApiError::from(Arc::new(e)))?;
    let Some(first) = first else {
        let category = query.category.map_or(0, CategoryId::get);
        return Err(ApiError::UnknownCategory(category));
    };
    streams.begun.fetch_add(1, Ordering::Relaxed);
    let total = first.total;
    let (send, chunks) = mpsc::channel(1);
    let streaming = async move {
        let work = Stream { store, query, form, send, _place: place };
        if let Err(cause) = work.run(first).await {
            streams.cut.fetch_add(1, Ordering::Relaxed);
            tracing::warn!("a stream was cut short: {cause}");
        }
    };
    tokio::spawn(streaming.in_current_span());
    let mut response = warp::reply::stream(body(chunks)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static(form.disposition()));
    headers.insert(CACHE_CONTROL, CATALOGUE);
    headers.insert(VARY, VARIES);
    headers.insert(CACHE_STATUS, HeaderValue::from_static("vitrine; fwd=bypass"));
    if let Some(total) = total {
        headers.insert(TOTAL_COUNT, total.into());
    }
    Ok(response)
}

/// A page of the list. A store that has no time is asked again for a while: a stream that
/// has begun can only be cut.
async fn read(store: &dyn Store, query: &PageQuery) -> Result<Option<Page>, StoreError> {
    let reading = async {
        loop {
            match store.page(query).await {
                Err(StoreError::Busy) => sleep(BUSY_PAUSE).await,
                read => return read,
            }
        }
    };
    let read = timeout(PAGE_TIMEOUT, reading).await;
    Ok(read.map_err(|late| StoreError::Unreachable(late.into()))??.value)
}

/// The body that the chunks make.
fn body(mut chunks: mpsc::Receiver<Chunk>) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    let mut is_whole = false;
    poll_fn(move |context| {
        chunks.poll_recv(context).map(|chunk| match chunk {
            Some(Chunk::Bytes(bytes)) => Some(Ok(bytes)),
            Some(Chunk::End) => {
                is_whole = true;
                None
            }
            None if is_whole => None,
            // An error in place of the end: the client sees that the list is not whole.
            None => Some(Err(io::Error::other("the list was cut short"))),
        })
    })
}

/// What goes to the client. A stream whose other side goes away without an end is cut.
enum Chunk {
    Bytes(Bytes),
    End,
}

/// A stream on its way.
struct Stream {
    store: Arc<dyn Store>,
    query: PageQuery,
    form: ListForm,
    send: mpsc::Sender<Chunk>,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    async fn run(mut self, first: Page) -> Result<(), String> {
        let mut chunk = self.form.head();
        let mut page = first;
        loop {
            self.form.write(&page.products, &mut chunk);
            if !self.give(Chunk::Bytes(std::mem::take(&mut chunk).into())).await? {
                return Ok(());
            }
            let next = match page.next {
                Some(next) => {
                    self.query.after = Some(next);
                    read(self.store.as_ref(), &self.query).await.map_err(|e| e.to_string())?
                }
                None => None,
            };
            let Some(next) = next else {
                // The list has ended; or its category is gone, and all products with it.
                self.give(Chunk::End).await?;
                return Ok(());
            };
            page = next;
        }
    }

    /// `false` if the client has gone away.
    async fn give(&self, chunk: Chunk) -> Result<bool, String> {
        match self.send.send_timeout(chunk, CLIENT_TIMEOUT).await {
            Ok(()) => Ok(true),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Ok(false),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                Err(format!("the client took less than a page in {} s", CLIENT_TIMEOUT.as_secs()))
            }
        }
    }
}

impl ListForm {
    fn content_type(self) -> &'static str {
        match self {
            Self::Page => "application/json",
            Self::Lines => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }

    fn disposition(self) -> &'static str {
        match self {
            Self::Page | Self::Lines => "inline",
            Self::Csv => "attachment; filename=\"products.csv\"",
        }
    }

    fn head(self) -> Vec<u8> {
        match self {
            Self::Page | Self::Lines => Vec::new(),
            Self::Csv => (Product::FIELDS.join(",") + "\n").into_bytes(),
        }
    }

    fn write(self, products: &[Product], out: &mut Vec<u8>) {
        // 400: a product of the data set takes about 380 bytes as JSON.
        out.reserve(products.len() * 400);
        for product in products {
            match self {
                Self::Page | Self::Lines => {
                    product.write_json(out);
                    out.push(b'\n');
                }
                Self::Csv => product.write_csv(out),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn only_a_list_that_was_told_to_end_ends_well() {
        for is_told in [true, false] {
            let (send, chunks) = mpsc::channel(2);
            send.send(Chunk::Bytes(Bytes::from_static(b"x"))).await.unwrap();
            if is_told {
                send.send(Chunk::End).await.unwrap();
            }
            drop(send);
            let mut body = std::pin::pin!(body(chunks));
            assert_eq!(body.next().await.unwrap().unwrap(), "x");
            assert_eq!(body.next().await.is_none(), is_told);
        }
    }
}
