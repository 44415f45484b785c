//! `ImportBlob`: a file that was put into the container of imports.

use std::time::Duration;

use percent_encoding::percent_decode_str;

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
    let source = source(envelope.blob("blob"), &functions.import_container)?;
    loop {
        let (store, rejects) = (&functions.store, &functions.rejects);
        match import(store, rejects, source.clone(), DELIVERED, &|_| {}).await {
            Ok(Outcome::Done(run)) => return Ok(said(&run, "is imported")),
            Ok(Outcome::DoneBefore(run)) => {
                let what = match run.state {
                    RunState::Superseded => "has made room for another upload of the blob",
                    RunState::Cancelled => "was cancelled",
                    _ => "was dealt with before",
                };
                return Ok(said(&run, what));
            }
            // Its owner may be an instance that is gone: then its lease lapses.
            Ok(Outcome::HeldElsewhere(_)) | Err(ImportError::Lost(_)) => {
                tracing::info!(source = source.uri(), "another instance imports it: waiting");
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Err(ImportError::Failed(reason)) => {
                tracing::error!("import failed for good: {reason}");
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
fn source(blob: Blob, container: &str) -> Result<Source, Failure> {
    let refuse = |reason: String| Err(Failure::Source(reason));
    let Some(uri) = blob.uri else {
        return refuse("the envelope names no blob: it has no `Uri`".to_owned());
    };
    if !lies_in(&uri, container) {
        tracing::error!(uri, "a blob outside of the container `{container}` was handed over");
        return refuse(format!("the blob does not lie in the container `{container}`"));
    }
    match blob.content {
        Content::Here(content) => Ok(Source::Bytes { uri, etag: blob.etag, content }),
        Content::Elsewhere => refuse(
            "the envelope does not hold the blob's content, and this version reads no blobs"
                .to_owned(),
        ),
    }
}

/// Whether a blob's URI leads into the container: `https://host/container/name`, or with the
/// account in between, as emulators have it.
fn lies_in(uri: &str, container: &str) -> bool {
    let Ok(uri) = url_of(uri) else { return false };
    let host = uri.host().unwrap_or_default();
    let is_emulator = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok();
    let mut segments = uri.path().split('/').skip(1 + usize::from(is_emulator));
    let first = segments.next().map(|s| percent_decode_str(s).decode_utf8_lossy());
    let has_name = segments.next().is_some_and(|name| !name.is_empty());
    let is_plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        && !uri
            .path()
            .split('/')
            .any(|s| matches!(&*percent_decode_str(s).decode_utf8_lossy(), "." | ".."));
    first.as_deref() == Some(container) && has_name && is_plain
}

/// A URI that may hold what should have been encoded: names of blobs are shown as they are.
fn url_of(uri: &str) -> Result<http::Uri, http::uri::InvalidUri> {
    const LEFT: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b' ').add(b'"');
    percent_encoding::utf8_percent_encode(uri, LEFT).to_string().parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_container_counts() {
        for uri in [
            "https://a.blob.core.windows.net/imports/x.csv",
            "https://a.blob.core.windows.net/imports/folder/é x.csv",
            "http://127.0.0.1:10000/devstoreaccount1/imports/x.csv",
        ] {
            assert!(lies_in(uri, "imports"), "{uri}");
        }
        for uri in [
            "",
            "x.csv",
            "https://a.blob.core.windows.net/",
            "https://a.blob.core.windows.net/imports",
            "https://a.blob.core.windows.net/imports/",
            "https://a.blob.core.windows.net/other/imports/x.csv",
            "https://a.blob.core.windows.net/imports/../secrets/x.csv",
            "https://a.blob.core.windows.net/imports/%2e%2e/secrets/x.csv",
            "https://imports@evil.example/imports/x.csv",
            "http://127.0.0.1:10000/imports/x.csv",
        ] {
            assert!(!lies_in(uri, "imports"), "{uri}");
        }
    }
}
