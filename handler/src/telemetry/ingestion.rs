//! The place that telemetry goes to, by HTTP, within bounds of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderValue, Request, Response, StatusCode, header};
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use reqwest::redirect::Policy;
use url::Url;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a batch may take. A place that accepts and never answers costs no more.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read: it lists the items that were refused.
const ANSWER_BYTES_MAX: usize = 64 * 1_024;
/// Bytes of a compressed batch: what the place takes, and far more than a batch of ours has.
const BATCH_BYTES_MAX: usize = 1_024 * 1_024;
/// The place may send us on to the one of a region.
const REDIRECTS_MAX: usize = 3;

/// Why something did not get there. One line; no address with anything secret in it.
#[derive(Debug, thiserror::Error)]
pub enum Unsent {
    /// Nobody answered, or not in time.
    #[error("it cannot be reached: {0}")]
    Away(String),
    /// It answered with a status that is not success.
    #[error("it answers {0}")]
    Refused(StatusCode),
    /// It took some and left others, or does not say what it took.
    #[error("it does not say that it took everything")]
    Doubtful,
    /// It is more than goes at once.
    #[error("a batch is larger than what is taken")]
    TooLarge,
}

/// Where batches are posted.
#[derive(Debug)]
pub struct Ingestion {
    client: reqwest::Client,
    url: Url,
    is_ending: AtomicBool,
}

impl Ingestion {
    /// The track endpoint of an ingestion endpoint. Nothing is asked yet.
    pub fn at(endpoint: &Url) -> Result<Self, String> {
        let mut url = endpoint.clone();
        url.path_segments_mut()
            .map_err(|()| "it is no place to post to".to_owned())?
            .pop_if_empty()
            .extend(["v2", "track"]);
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(SEND_TIMEOUT)
            .pool_max_idle_per_host(1)
            .redirect(Policy::limited(REDIRECTS_MAX))
            .https_only(url.scheme() == "https")
            .build()
            .map_err(|e| e.to_string())?;
        Ok(Self { client, url, is_ending: AtomicBool::new(false) })
    }

    /// From now on what fails is not tried again.
    pub fn end(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }

    /// Posts a batch, compressed already; gives the status and the answer.
    pub async fn post(&self, batch: Bytes) -> Result<(StatusCode, Bytes), Unsent> {
        if batch.len() > BATCH_BYTES_MAX {
            return Err(Unsent::TooLarge);
        }
        let json = HeaderValue::from_static("application/json");
        let gzip = HeaderValue::from_static("gzip");
        let request = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, json)
            .header(header::CONTENT_ENCODING, gzip)
            .body(batch);
        let mut response = request.send().await.map_err(|e| Unsent::Away(reason(&e)))?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|e| Unsent::Away(reason(&e)))? {
            answer.extend_from_slice(&piece);
            if answer.len() > ANSWER_BYTES_MAX {
                // Whatever it is, it is no answer.
                return Err(Unsent::Doubtful);
            }
        }
        Ok((status, answer.into()))
    }
}

/// What went wrong, without the address.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    if cause.is::<reqwest::Error>() {
        "the connection failed".to_owned()
    } else {
        cause.to_string()
    }
}

/// How the exporter of spans and lines gets there.
#[derive(Debug, Clone)]
pub struct Way(pub Arc<Ingestion>);

#[async_trait]
impl HttpClient for Way {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let Self(to) = self;
        match to.post(request.into_body()).await {
            Ok((status, answer)) => {
                // What would be tried again is not, where nobody has the time.
                let is_over = to.is_ending.load(Ordering::Relaxed) && !status.is_success();
                let status = if is_over { StatusCode::GONE } else { status };
                let mut response = Response::new(answer);
                *response.status_mut() = status;
                Ok(response)
            }
            Err(Unsent::Away(_)) if !to.is_ending.load(Ordering::Relaxed) => {
                Err("the place cannot be reached".into())
            }
            Err(_) => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::GONE;
                Ok(response)
            }
        }
    }
}
