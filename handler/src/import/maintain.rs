//! Imports that look after themselves: files that were dropped, runs that were left behind.

use std::path::PathBuf;
use std::sync::Arc;

use super::rejects::Rejects;
use super::source::{Source, Sources, is_of_content};
use super::{DELIVERED, ImportError, Outcome, Watcher, import};
use crate::store::{Claim, Claimed, End, HowStarted, Run, Store, StoreError};

/// Imports one file that was put into the watched folder, and logs what became of it. `false`
/// if it is to be tried again: something was away, and no run remembers the file.
pub async fn import_dropped(
    store: &Arc<dyn Store>,
    rejects: &Rejects,
    path: PathBuf,
    watcher: &Watcher<'_>,
) -> bool {
    let shown = path.display().to_string();
    let result = import(store, rejects, Source::File(path), DELIVERED, watcher).await;
    let is_dealt_with = !result.as_ref().is_err_and(ImportError::may_pass_unrecorded);
    log(&shown, result);
    is_dealt_with
}

/// Mends what an interrupted load has left, takes up the runs whose owner is gone, and prunes
/// what nobody needs any more.
pub async fn maintain(
    store: &Arc<dyn Store>,
    rejects: &Rejects,
    sources: &Sources,
    watcher: &Watcher<'_>,
) -> Result<(), StoreError> {
    store.repair().await?;
    for run in store.abandoned_runs().await? {
        take_up(store, rejects, sources, run, watcher).await?;
    }
    let pruned = store.prune().await?;
    if pruned > 0 {
        tracing::info!(rows = pruned, "refused rows older than 30 days are removed");
    }
    Ok(())
}

/// Goes on with the very state that the run began with: if the source is another by now,
/// nobody has asked for that one, and the run fails with this as its reason.
async fn take_up(
    store: &Arc<dyn Store>,
    rejects: &Rejects,
    sources: &Sources,
    run: Run,
    watcher: &Watcher<'_>,
) -> Result<(), StoreError> {
    let Some(source) = sources.find(&run.source) else {
        // It came within an envelope and is at hand only when it is delivered again.
        tracing::debug!(import.id = run.id.0, "a run waits for its source");
        return Ok(());
    };
    if is_of_content(&run.etag) {
        // Its state was never told, so what lies there cannot be held against it.
        tracing::debug!(import.id = run.id.0, "a run waits for its source to be delivered again");
        return Ok(());
    }
    let gone = match source.state().await {
        Ok(state) if state.etag == run.etag => None,
        Ok(_) => Some("the file has changed since the run began".to_owned()),
        Err(e) if e.may_pass() || e.is_denied() => {
            tracing::warn!(import.id = run.id.0, "a run that was left behind waits: {e}");
            return Ok(());
        }
        Err(e) => Some(e.to_string()),
    };
    match gone {
        None => {
            tracing::info!(import.id = run.id.0, "a run was left behind and is taken up");
            log(&run.source, import(store, rejects, source, DELIVERED, watcher).await);
            Ok(())
        }
        Some(reason) => fail(store, &run, reason).await,
    }
}

async fn fail(store: &Arc<dyn Store>, run: &Run, reason: String) -> Result<(), StoreError> {
    let claim = Claim {
        source: run.source.clone(),
        etag: run.etag.clone(),
        modified: None,
        size: run.size,
        how: HowStarted::Delivered,
        rejects_max: None,
    };
    if let Claimed::Ours(run, lease) = store.claim_run(&claim).await? {
        tracing::warn!(import.id = run.id.0, "a run was left behind and cannot go on: {reason}");
        store.end_run(&lease, End::Failed(reason)).await?;
    }
    Ok(())
}

/// Logs what became of an import that nobody waits for.
pub fn log(source: &str, result: Result<Outcome, ImportError>) {
    match result {
        Ok(Outcome::Done(run)) => tracing::info!(
            import.id = run.id.0,
            source,
            read = run.counts.read,
            loaded = run.counts.loaded,
            replaced = run.counts.replaced,
            rejected = run.counts.rejected,
            "import done"
        ),
        Ok(Outcome::DoneBefore(run)) => {
            tracing::debug!(import.id = run.id.0, source, "imported before");
        }
        Ok(Outcome::Overtaken(run)) => {
            tracing::info!(import.id = run.id.0, source, "a newer state of it came before");
        }
        Ok(Outcome::HeldElsewhere(run)) => {
            tracing::info!(import.id = run.id.0, source, "another process imports it");
        }
        Err(e) => tracing::error!(source, "import stopped: {e}"),
    }
}
