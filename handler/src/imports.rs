//! Import runs as an administrator handles them: listed, looked at, cancelled, retried.
//!
//! A retry is carried on beside the request that asked for it, whoever hangs up. Nothing holds
//! a process up for it either: a process that ends leaves the run at its checkpoint, from
//! which maintenance takes it up.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::cache::Cache;
use crate::import::maintain;
use crate::import::rejects::Rejects;
use crate::import::source::{Sources, is_of_content};
use crate::import::{Begun, ImportError, Options, Outcome, Started, begin};
use crate::maintenance::Maintenance;
use crate::sample;
use crate::store::{Cancelled, HowStarted, Run, RunId, RunState, Store, StoreError};

/// 1, as of the files that are dropped: an import takes some 50 MiB, and a second one beside it
/// would only share the database with it.
const RETRIES_MAX: usize = 1;

/// The runs of a store, and those that this process carries on because somebody asked.
pub struct Imports {
    store: Arc<dyn Store>,
    rejects: Rejects,
    sources: Sources,
    cache: Arc<Cache>,
    places: Arc<Semaphore>,
    // Ended with the process's other parts. What is in it holds none of this: it would keep
    // itself alive.
    retries: Mutex<JoinSet<()>>,
}

/// Why a run is not handled as asked. Fit to be shown to whoever asked.
#[derive(Debug, thiserror::Error)]
pub enum ImportsError {
    /// There is none of this number.
    #[error("there is no such import")]
    NoSuchRun,
    /// There is nothing to cancel.
    #[error("import {0} is {state}: there is nothing to cancel", state = .1.word())]
    Ended(RunId, RunState),
    /// Somebody is at it.
    #[error("import {0} is being worked at: it can be cancelled, or retried once it has ended")]
    Held(RunId),
    /// Somebody has come before.
    #[error("import {0} has been tried again already, as import {1}")]
    RetriedAs(RunId, RunId),
    /// It came as the content of an envelope.
    #[error("the file of import {0} was handed over and not kept: upload it again")]
    NotKept(RunId),
    /// It was removed, or is no file any more.
    #[error("the file of import {0} is not there any more: upload it again")]
    Gone(RunId),
    /// It was overwritten.
    #[error("the file of import {0} is another one by now, which has or gets an import of its own")]
    Changed(RunId),
    /// It may be there later.
    #[error("the file of import {0} cannot be read, try again shortly")]
    Unreadable(RunId, #[source] ImportError),
    /// As many are carried on as may be.
    #[error("another import is being retried already, try again later")]
    Busy,
    /// The store could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Imports {
    /// The runs of the store that is maintained.
    pub fn new(maintenance: &Maintenance) -> Self {
        let Maintenance { store, rejects, sources, cache, .. } = maintenance.clone();
        let places = Arc::new(Semaphore::new(RETRIES_MAX));
        Self { store, rejects, sources, cache, places, retries: Mutex::default() }
    }

    /// At most `limit` runs that were begun before this one, newest first.
    pub async fn list(&self, before: Option<RunId>, limit: usize) -> Result<Vec<Run>, StoreError> {
        self.store.runs(before, limit).await
    }

    /// A run by its number.
    pub async fn get(&self, id: RunId) -> Result<Run, ImportsError> {
        self.store.run(id).await?.ok_or(ImportsError::NoSuchRun)
    }

    /// Ends an unfinished run. Its owner, wherever it is, meets that at its next batch, of which
    /// nothing is applied.
    pub async fn cancel(&self, id: RunId) -> Result<Run, ImportsError> {
        match self.store.cancel_run(id).await?.ok_or(ImportsError::NoSuchRun)? {
            Cancelled::Now(run) => {
                tracing::info!(import.id = id.0, source = run.source, "import cancelled");
                Ok(*run)
            }
            Cancelled::EndedBefore(run) => Err(ImportsError::Ended(id, run.state)),
        }
    }

    /// Tries a run again in the background: one that has failed or was left behind goes on at
    /// its checkpoint, one that has ended gets the next attempt. Gives the run that works.
    pub async fn retry(self: &Arc<Self>, id: RunId) -> Result<Run, ImportsError> {
        let imports = Arc::clone(self);
        // A client that hangs up must not part the claim from the work.
        let starting = async move { imports.start(id).await };
        let started = tokio::spawn(starting.in_current_span()).await;
        started.map_err(|e| StoreError::Corrupt(e.into()))?
    }

    async fn start(&self, id: RunId) -> Result<Run, ImportsError> {
        let run = self.get(id).await?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| match run.state {
            // Likely the very one that has the place.
            RunState::Loading | RunState::Indexing => ImportsError::Held(id),
            _ => ImportsError::Busy,
        })?;
        let started = claim(&self.store, &self.sources, &run).await?;
        let run = started.run.clone();
        self.carry_on(started, place);
        Ok(run)
    }

    fn carry_on(&self, started: Started, place: OwnedSemaphorePermit) {
        let store = Arc::clone(&self.store);
        let (rejects, cache) = (self.rejects.clone(), Arc::clone(&self.cache));
        let work = async move {
            let source = started.run.source.clone();
            let result = started.carry_on(&store, &rejects, &|_| cache.nudge()).await;
            maintain::log(&source, result);
            drop(place);
        };
        let mut retries = self.retries.lock().unwrap_or_else(PoisonError::into_inner);
        while retries.try_join_next().is_some() {}
        retries.spawn(work.in_current_span());
    }
}

/// Opens the source of a run by its name, and claims the run of the very state that it is of: if
/// the source is another by now, nobody has asked for that one.
async fn claim(
    store: &Arc<dyn Store>,
    sources: &Sources,
    run: &Run,
) -> Result<Started, ImportsError> {
    let id = run.id;
    // The sample goes with the first file of one's own, and does not come back; of content that
    // came by itself nobody knows whether it is what lies there.
    let is_kept = !run.source.starts_with(sample::SOURCE) && !is_of_content(&run.etag);
    let source = sources.find(&run.source).filter(|_| is_kept);
    let source = source.ok_or(ImportsError::NotKept(id))?;
    let state = source.state().await.map_err(|e| match ImportError::from(e) {
        e if e.may_pass() => ImportsError::Unreadable(id, e),
        _ => ImportsError::Gone(id),
    })?;
    if state.etag != run.etag {
        return Err(ImportsError::Changed(id));
    }
    // The limit of refused rows that the run was given is kept.
    let options = Options { how: HowStarted::Retried(id), rejects_max: run.rejects_max };
    match begin(store, source, state, options).await? {
        Begun::Ours(started) => Ok(started),
        Begun::Not(Outcome::Done(later) | Outcome::DoneBefore(later)) => {
            Err(ImportsError::RetriedAs(id, later.id))
        }
        Begun::Not(Outcome::HeldElsewhere(run) | Outcome::Overtaken(run)) => {
            Err(ImportsError::Held(run.id))
        }
    }
}
