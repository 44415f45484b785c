//! `ImportBlob`: a file that was put into the container of imports.

use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::blob_place::BlobPlace;
use super::envelope::{Blob, Content, Envelope};
use super::{Failure, Functions, Success};
use crate::import::source::Source;
use crate::import::{DELIVERED, ImportError, Outcome, import};
use crate::store::{Run, RunState};

/// How often a run that is held elsewhere is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Imports the blob. A file that will never do is a success: its run says why it failed, and
/// the host need not deliver it again.
pub(super) async fn run(functions: &Functions, envelope: &Envelope) -> Result<Success, Failure> {
    let source = source(envelope.blob("blob"), &functions.imports)?;
    let patient_until = Instant::now() + functions.patience;
    loop {
        let Functions { store, rejects, cache, .. } = functions;
        match import(store, rejects, source.clone(), DELIVERED, &|_| cache.nudge()).await {
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

fn said(run: &Run, what: &str) -> Success {
    let counts = &run.counts;
    Success::saying(format!(
        "run {}: {} {what}, read {}, loaded {}, replaced {}, rejected {}",
        run.id, run.source, counts.read, counts.loaded, counts.replaced, counts.rejected
    ))
}

/// Where the rows come from. Only blobs of the one container are ever imported.
fn source(blob: Blob, imports: &BlobPlace) -> Result<Source, Failure> {
    let refuse = |reason: String| Err(Failure::Source(reason));
    let Some(uri) = blob.uri else {
        return refuse("the envelope names no blob: it has no `Uri`".to_owned());
    };
    if !imports.has(&uri) {
        // Not the address: it may hold a password.
        let BlobPlace { service, container, .. } = imports;
        let service = service.as_ref().map(Url::as_str);
        tracing::error!(service, container, "a blob that lies elsewhere was handed over");
        return refuse(format!(
            "the blob does not lie in the container `{container}` of our account"
        ));
    }
    match blob.content {
        Content::Here(content) => {
            Ok(Source::Bytes { uri, etag: blob.etag, modified: blob.modified, content })
        }
        Content::Elsewhere => refuse(
            "the envelope does not hold the blob's content, and this version reads no blobs"
                .to_owned(),
        ),
    }
}
