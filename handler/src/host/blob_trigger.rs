//! `ImportBlob`: a file that was put into the container of imports.

use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::envelope::{Blob, Content, Envelope};
use super::{Failure, Functions, Success};
use crate::blobs::BlobError;
use crate::blobs::place::BlobPlace;
use crate::import::source::Source;
use crate::import::{DELIVERED, ImportError, Outcome, import_state};
use crate::store::{Run, RunState};

/// How often a run that is held elsewhere is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Imports the blob that the envelope hands over, or names.
pub(super) async fn run(functions: &Functions, envelope: &Envelope) -> Result<Success, Failure> {
    deliver(functions, source(functions, envelope.blob("blob"))?).await
}

/// Imports an upload. A file that will never do is a success: its run says why it failed, and
/// the host need not deliver it again.
pub(super) async fn deliver(functions: &Functions, source: Source) -> Result<Success, Failure> {
    let patient_until = Instant::now() + functions.patience;
    loop {
        match import_in_turn(functions, source.clone()).await {
            Ok(Outcome::Done(run)) => return Ok(said(&run, "is imported")),
            Ok(Outcome::DoneBefore(run)) => {
                let what = match run.state {
                    RunState::Superseded => "has made room for another upload of the blob",
                    RunState::Cancelled => "was cancelled",
                    _ => "was dealt with before",
                };
                return Ok(said(&run, what));
            }
            Ok(Outcome::Overtaken(run)) => {
                return Ok(said(&run, "is of a newer upload, so this one is left"));
            }
            // Its owner may be an instance that is gone: then its lease lapses.
            Ok(Outcome::HeldElsewhere(_)) | Err(ImportError::Lost(_)) => {
                tracing::info!(source = source.uri(), "another instance imports it: waiting");
                tokio::time::sleep(LOOK_EVERY).await;
            }
            // What lies there now is looked at anew.
            Err(ImportError::Overwritten(reason)) if Instant::now() < patient_until => {
                tracing::info!(source = source.uri(), reason, "the import begins anew");
            }
            // The host would try again at once, and put the upload aside after five tries.
            Err(e) if e.may_pass() && Instant::now() < patient_until => {
                let reason = e.to_string();
                tracing::warn!(source = source.uri(), reason, "the import waits");
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Err(ImportError::Failed(reason)) => {
                tracing::error!(reason, "import failed for good");
                return Ok(Success::saying(format!("the import has failed: {reason}")));
            }
            Err(e) => return Err(Failure::may_pass(e)),
        }
    }
}

async fn import_in_turn(functions: &Functions, source: Source) -> Result<Outcome, ImportError> {
    let Functions { store, rejects, cache, at_work, .. } = functions;
    // Whoever waits for storage keeps nobody else from his turn.
    let state = source.state().await?;
    let _turn = at_work.acquire().await.expect("the semaphore is never closed");
    import_state(store, rejects, source, state, DELIVERED, &|_| cache.nudge()).await
}

fn said(run: &Run, what: &str) -> Success {
    let counts = &run.counts;
    Success::saying(format!(
        "run {}: {} {what}, read {}, loaded {}, replaced {}, rejected {}",
        run.id, run.source, counts.read, counts.loaded, counts.replaced, counts.rejected
    ))
}

/// Where the rows come from. Only blobs of the one container are ever imported.
fn source(functions: &Functions, blob: Blob) -> Result<Source, Failure> {
    let Some(uri) = blob.uri else {
        let reason = "the envelope names no blob: it has no `Uri`";
        return Err(Failure::Source(reason.to_owned()));
    };
    match (blob.content, functions.imports.canonical(&uri)) {
        (Content::Here(content), Some(uri)) => {
            Ok(Source::Bytes { uri, etag: blob.etag, modified: blob.modified, content })
        }
        (Content::Here(_), None) => {
            Err(refused(functions, &BlobError::Elsewhere(functions.imports.container.clone())))
        }
        (Content::Elsewhere, _) => named(functions, &uri),
    }
}

/// A blob by its address alone.
pub(super) fn named(functions: &Functions, uri: &str) -> Result<Source, Failure> {
    let blobs = functions.maintenance.sources.blobs.as_ref().ok_or(BlobError::NoAccount);
    let blob = blobs.and_then(|blobs| blobs.blob(uri));
    blob.map(Source::Blob).map_err(|e| refused(functions, &e))
}

/// Somebody hands over what is none of our business.
fn refused(functions: &Functions, error: &BlobError) -> Failure {
    // Not the address: it may hold a password.
    let BlobPlace { service, container, .. } = &functions.imports;
    let service = service.as_ref().map(Url::as_str);
    tracing::error!(service, container, "a blob that is not to be read was handed over: {error}");
    Failure::Source(error.to_string())
}
