//! The Functions host's side of the wall: what it hands over besides HTTP.
//!
//! Each trigger that is no HTTP request comes as `POST /<function>` with an *envelope*, a
//! JSON object; the host takes a 2xx with a JSON object for success and anything else for a
//! failure that it may deliver again. These routes exist only under a host, and no function
//! has a catch-all route, so no client's request can reach them.

mod blob_trigger;
pub mod envelope;
mod queue_trigger;
mod shortening;
mod timer;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::blobs::place::BlobPlace;
use crate::cache::Cache;
use crate::http::body::{Body, BodyError};
use crate::import::rejects::Rejects;
use crate::maintenance::Maintenance;
use crate::settings::Settings;
use crate::store::Store;
use envelope::{Envelope, Malformed};
use shortening::{Shortening, TEXT_BYTES_MAX};

/// CONTRACT 4: a larger envelope is refused.
const ENVELOPE_BYTES_MAX: usize = 128 * 1_024 * 1_024;
/// CONTRACT 4: of envelopes beyond this one is read and worked at a time. Each takes 40 MiB.
const LARGE_BYTES: usize = 1_024 * 1_024;
/// Uploads that are imported at once. They take turns at the database; more would only hold more.
const IMPORTS_MAX: usize = 2;
/// How long an envelope may take to come, its turn not counted.
const ENVELOPE_TIME: Duration = Duration::from_mins(2);

/// A function of the host that is no HTTP request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// A file was put into the container of imports.
    ImportBlob,
    /// The same, told by a message.
    ImportQueue,
    /// Some minutes have passed.
    Maintain,
}

impl Function {
    /// All of them, by the names of their folders.
    pub const ALL: [(&str, Self); 3] = [
        ("ImportBlob", Self::ImportBlob),
        ("ImportQueue", Self::ImportQueue),
        ("Maintain", Self::Maintain),
    ];

    /// Its path.
    pub fn path(self) -> &'static str {
        match self {
            Self::ImportBlob => "/ImportBlob",
            Self::ImportQueue => "/ImportQueue",
            Self::Maintain => "/Maintain",
        }
    }

    /// The function at this path.
    pub fn at(path: &str) -> Option<Self> {
        let name = path.strip_prefix('/')?;
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }
}

/// What the functions work with.
pub struct Functions {
    /// Where imports go.
    pub store: Arc<dyn Store>,
    /// Where refused rows are written.
    pub rejects: Rejects,
    /// What has to be looked after.
    pub maintenance: Maintenance,
    /// The only place that imports are taken from.
    pub imports: BlobPlace,
    /// How long an upload waits for a database that is away.
    pub patience: Duration,
    cache: Arc<Cache>,
    large: Arc<Semaphore>,
    /// Uploads that are worked at; the others wait, each with no more than its envelope.
    at_work: Semaphore,
    /// Ends when a process that does not know its secrets yet makes room for one that does.
    waits_until: Option<CancellationToken>,
}

/// What the host is told of a success. Never an empty body: the host would wait for its end
/// until the function times out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Success {
    outputs: serde_json::Map<String, serde_json::Value>,
    /// Lines that the host logs with the invocation.
    logs: Vec<String>,
    return_value: Option<()>,
}

impl Success {
    fn saying(line: impl Into<String>) -> Self {
        let outputs = serde_json::Map::new();
        Self { outputs, logs: vec![line.into()], return_value: None }
    }
}

/// Why an invocation has failed. The host reads no more than the status, so the reason goes
/// into our own log.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The envelope did not come whole, or is too large.
    #[error("the envelope: {0}")]
    Body(#[from] BodyError),
    /// The envelope is not one.
    #[error("the envelope {0}")]
    Malformed(#[from] Malformed),
    /// It names nothing that may be imported.
    #[error("{0}")]
    Source(String),
    /// What was asked for could not be done, and may be later.
    #[error("{0}")]
    MayPass(String),
    /// The work has panicked.
    #[error("the invocation ended early: {0}")]
    Ended(#[from] JoinError),
}

impl Failure {
    fn may_pass(reason: impl Display) -> Self {
        Self::MayPass(reason.to_string())
    }
}

impl Functions {
    /// The functions of a process.
    pub fn new(maintenance: Maintenance, settings: &Settings) -> Self {
        let (store, rejects) = (Arc::clone(&maintenance.store), maintenance.rejects.clone());
        let cache = Arc::clone(&maintenance.cache);
        let large = Arc::new(Semaphore::new(1));
        let at_work = Semaphore::new(IMPORTS_MAX);
        let (imports, patience) = (settings.storage.place.clone(), settings.import_patience);
        Self {
            store,
            rejects,
            maintenance,
            imports,
            patience,
            cache,
            large,
            at_work,
            waits_until: None,
        }
    }

    /// The same of a process that does not know its secrets yet: whatever is asked for is held,
    /// since the host would try it five times at once and then put it aside, and is to be
    /// delivered again when this ends.
    pub fn waiting(
        maintenance: Maintenance,
        settings: &Settings,
        until: CancellationToken,
    ) -> Self {
        Self { waits_until: Some(until), ..Self::new(maintenance, settings) }
    }

    /// Does what the host asks for. Carried to its end even if the host hangs up: it then
    /// ends this process too, or asks again, and meets what was done.
    pub async fn invoke(
        self: Arc<Self>,
        function: Function,
        body: Body,
    ) -> Result<Success, Failure> {
        if let Some(until) = &self.waits_until {
            // Whichever comes first: it is not done.
            let _ = timeout(self.patience, until.cancelled()).await;
            return Err(Failure::may_pass("the secrets were not known: it is to be tried again"));
        }
        let (envelope, turn) = self.receive(body).await?;
        let work = async move {
            let done = match function {
                Function::ImportBlob => blob_trigger::run(&self, &envelope).await,
                Function::ImportQueue => queue_trigger::run(&self, &envelope).await,
                Function::Maintain => timer::run(&self).await,
            };
            drop(turn);
            if function != Function::Maintain {
                self.publish().await;
            }
            done
        };
        tokio::spawn(work.in_current_span()).await?
    }

    /// Whoever asks here once the host has its answer sees what was imported. A store that is
    /// away now is asked again before the next answer.
    async fn publish(&self) {
        match self.store.versions().await {
            Ok(versions) => self.cache.publish(&versions).await,
            Err(e) => tracing::debug!("the versions come with the next question: {e}"),
        }
    }

    /// Reads an envelope without ever holding a long content. A large one comes with its turn,
    /// which lasts until the work is done: what was read is held until then.
    async fn receive(&self, mut body: Body) -> Result<(Envelope, Turn), Failure> {
        let mut shortening = Shortening::default();
        let mut turn = None;
        let mut read = 0;
        let mut ends_at = Instant::now() + ENVELOPE_TIME;
        loop {
            let piece = timeout_at(ends_at, body.next_piece()).await;
            let Some(piece) = piece.unwrap_or(Err(BodyError::Incomplete))? else { break };
            read += piece.len();
            if read > ENVELOPE_BYTES_MAX {
                return Err(BodyError::TooLarge(ENVELOPE_BYTES_MAX).into());
            }
            if read > LARGE_BYTES && turn.is_none() {
                let waiting = Arc::clone(&self.large).acquire_owned();
                turn = Some(waiting.await.expect("the semaphore is never closed"));
                ends_at = Instant::now() + ENVELOPE_TIME;
            }
            shortening.take(&piece)?;
        }
        let (text, is_shortened) = shortening.end();
        Ok((Envelope::parse(&text, is_shortened)?, turn))
    }
}

/// The right to hold a large envelope; a small one needs none.
type Turn = Option<OwnedSemaphorePermit>;

/// Reads a whole envelope from memory, as a fuzzer and tests have it.
pub fn read_envelope(bytes: &[u8]) -> Result<Envelope, Malformed> {
    read_envelope_with(bytes, TEXT_BYTES_MAX)
}

/// The same, its texts left out beyond another length: no fuzzer makes one of 16 MiB.
pub fn read_envelope_with(bytes: &[u8], text_bytes_max: usize) -> Result<Envelope, Malformed> {
    let mut shortening = Shortening::beyond(text_bytes_max);
    for piece in bytes.chunks(1_000) {
        shortening.take(piece)?;
    }
    let (text, is_shortened) = shortening.end();
    Envelope::parse(&text, is_shortened)
}
