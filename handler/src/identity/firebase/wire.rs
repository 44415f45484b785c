//! One question to Google and its answer: bounded in time and size, and told apart by whether
//! the question can have had an effect.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode};
use tracing::Instrument as _;
use tracing::field::Empty;

use super::config::Reach;
use super::replies::Refusal;
use crate::telemetry::span;

/// Our longest answers, one account's, have a few hundred bytes; an identity token some kilobytes.
const ANSWER_BYTES_MAX: usize = 64 * 1_024;
/// Tries after the first: with the pauses below they fit into the time of one operation.
const RETRIES_MAX: usize = 2;
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// An error's cause, for the log.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a question did not get the answer it hoped for.
#[derive(Debug)]
pub enum Failure {
    /// It was not sent, so it had no effect.
    NotSent(Cause),
    /// It was sent, and nobody knows what became of it.
    Unanswered(Cause),
    /// It was understood and refused, so it had no effect.
    Refused(Refusal),
    /// It cannot be asked like this. The text holds no secret.
    Misconfigured(String),
}

impl Failure {
    /// The same behind a question that nobody has answered: the two together may have had an
    /// effect.
    pub fn behind_unanswered(self) -> Self {
        match self {
            Self::NotSent(cause) => Self::Unanswered(cause),
            other => other,
        }
    }
}

/// An answer, whatever its status.
pub struct Answer {
    pub status: StatusCode,
    pub retry_after: Option<u32>,
    pub body: Vec<u8>,
}

/// A client that follows no redirect: what it sends is for one place only.
pub fn client(reach: &Reach) -> Result<Client, reqwest::Error> {
    Client::builder()
        .connect_timeout(reach.connect_timeout)
        .read_timeout(reach.read_timeout)
        .redirect(Policy::none())
        .build()
}

/// Sends a question and reads its answer.
pub async fn ask(question: RequestBuilder) -> Result<Answer, Failure> {
    // Neither the address nor the question: both have secrets in them.
    let span = span::part!(
        "firebase",
        otel.kind = "client",
        otel.name = "Firebase",
        rpc.system.name = "firebase",
        http.response.status_code = Empty,
    );
    let answer = send(question).instrument(span.clone()).await;
    if let Ok(answer) = &answer {
        span.record("http.response.status_code", answer.status.as_u16());
    }
    span::ended(&span, answer.as_ref().is_ok_and(|answer| !answer.status.is_server_error()));
    answer
}

async fn send(question: RequestBuilder) -> Result<Answer, Failure> {
    let mut response = question.send().await.map_err(lost)?;
    let retry_after =
        response.headers().get(RETRY_AFTER).and_then(|seconds| seconds.to_str().ok()?.parse().ok());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Failure::Unanswered("the answer is too large".into()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status: response.status(), retry_after, body })
}

/// The URL may hold the API key, and has no place in a log.
fn lost(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    if error.is_connect() || error.is_builder() {
        Failure::NotSent(error.into())
    } else {
        Failure::Unanswered(error.into())
    }
}

/// Asks again, after a pause, what may be asked any number of times.
pub async fn repeat<T, Asked>(question: impl FnMut() -> Asked) -> Result<T, Failure>
where
    Asked: Future<Output = Result<T, Failure>>,
{
    question
        .retry(pauses())
        .when(|f| matches!(f, Failure::NotSent(_) | Failure::Unanswered(_)))
        .await
}

/// Asks again only what has not been sent.
pub async fn at_most_once<T, Asked>(question: impl FnMut() -> Asked) -> Result<T, Failure>
where
    Asked: Future<Output = Result<T, Failure>>,
{
    question.retry(pauses()).when(|failure| matches!(failure, Failure::NotSent(_))).await
}

fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(PAUSE_MIN)
        .with_max_delay(PAUSE_MAX)
        .with_max_times(RETRIES_MAX)
        .with_jitter()
}
