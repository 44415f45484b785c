//! A whole list as a stream: `GET /products` for who accepts NDJSON or CSV.
//!
//! Read by keyset pages straight from the store, each in a moment of its own: no transaction
//! is held, and what is in memory is a page or two, however long the list and however slow
//! the client. Behind the Functions front end a reply ends after 230 s.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument as _;
use warp::Reply as _;
use warp::http::HeaderValue;
use warp::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, VARY};
use warp::reply::Response;

use super::accept::ListForm;
use super::chunks::{self, Chunks, read_patiently};
use super::problem::ApiError;
use super::respond::{CACHE_STATUS, CATALOGUE, TOTAL_COUNT, VARIES};
use crate::catalog::{CategoryId, PageQuery, Product};
use crate::store::{Page, Store, StoreError};

/// CONTRACT 5: two at a time.
const STREAMS_MAX: usize = 2;
/// The places for streams of any list, and what became of those that were asked for.
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

impl Streams {
    /// A place, held for as long as the stream goes on; refused if all are taken.
    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            ApiError::TooManyStreams
        })
    }

    /// Carries a stream on beside the answer that it fills.
    pub(super) fn carry(
        self: Arc<Self>,
        stream: impl Future<Output = Result<(), String>> + Send + 'static,
    ) {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let streaming = async move {
            if let Err(cause) = stream.await {
                self.cut.fetch_add(1, Ordering::Relaxed);
                tracing::warn!("a stream was cut short: {cause}");
            }
        };
        tokio::spawn(streaming.in_current_span());
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
    let place = streams.place()?;
    let first = read(store.as_ref(), &query).await.map_err(|e| ApiError::from(Arc::new(e)))?;
    let Some(first) = first else {
        let category = query.category.map_or(0, CategoryId::get);
        return Err(ApiError::UnknownCategory(category));
    };
    let total = first.total;
    let (chunks, body) = chunks::channel();
    let work = Stream { store, query, form, chunks, _place: place };
    streams.carry(work.run(first));
    let mut response = warp::reply::stream(body).into_response();
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

/// A page of the list.
async fn read(store: &dyn Store, query: &PageQuery) -> Result<Option<Page>, StoreError> {
    Ok(read_patiently(|| store.page(query)).await?.value)
}

/// A stream on its way.
struct Stream {
    store: Arc<dyn Store>,
    query: PageQuery,
    form: ListForm,
    chunks: Chunks,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    async fn run(mut self, first: Page) -> Result<(), String> {
        let mut chunk = self.form.head();
        let mut page = first;
        loop {
            self.form.write(&page.products, &mut chunk);
            if !self.chunks.give(std::mem::take(&mut chunk)).await? {
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
                return self.chunks.end().await;
            };
            page = next;
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
