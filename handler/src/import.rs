//! From a file to rows: one pipeline, whatever the source and the store.
//!
//! `source → records → rows → batches` runs on a thread of its own, since it is work for
//! a processor; the batches go through a bounded channel to the store, so a slow database
//! slows the reading and memory does not grow with the file. What makes a killed import
//! end like an undisturbed one is in the store: a batch and its checkpoint are one
//! transaction (see [`crate::store::import_run`]).

mod batches;
pub mod maintain;
mod records;
pub mod rejects;
mod rows;
pub mod source;
pub mod watch;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};
use tracing::{Instrument as _, Span};

use crate::catalog::CategoryId;
use crate::store::{
    Claim, Claimed, Counts, End, HowStarted, Lease, Reject, Run, RunState, Store, StoreError,
};
use crate::telemetry::span;
use batches::{Batches, KnownCategories};
use rejects::{Rejects, Unwritten};
use source::{Source, SourceError, SourceState, StoredBytes};

/// A third of a lease.
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// Rows that a dry run checks at a time.
const ROWS_CHECKED: usize = 10_000;
/// How many refused rows a dry run shows.
const REJECTS_SHOWN: usize = 20;

/// What may be said about an import when it is started.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Who asks.
    pub how: HowStarted,
    /// More refused rows than this end the run as failed.
    pub rejects_max: Option<u64>,
}

/// For imports that nobody waits for at a terminal.
pub const DELIVERED: Options = Options { how: HowStarted::Delivered, rejects_max: None };

/// How an import ended that met no error.
#[derive(Debug)]
pub enum Outcome {
    /// The file is in the catalogue.
    Done(Run),
    /// This state of the file was dealt with before: there was nothing to do.
    DoneBefore(Run),
    /// Another process is at it.
    HeldElsewhere(Run),
    /// A newer state of the file came before: this one is left alone.
    Overtaken(Run),
}

/// Why an import did not end well. Fit to be shown to whoever started it.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be opened; no run was started.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The run has failed, with what was right before the fault in the catalogue.
    #[error("{0}")]
    Failed(String),
    /// The blob has been overwritten: the run has ended, and the new one has none yet.
    #[error("{0}")]
    Overwritten(String),
    /// The run rests and will be taken up again.
    #[error("{0} (the run rests and goes on when it is started again)")]
    Paused(String),
    /// Somebody else has the run now.
    #[error("run {} is {} elsewhere: this one stops", .0.id, .0.state.word())]
    Lost(Box<Run>),
    /// The store could not be asked.
    #[error("{}", .0.with_cause())]
    Store(#[from] StoreError),
}

impl ImportError {
    /// Whether the same may work later: the run rests, or could not be begun with.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Paused(_)) || self.may_pass_unrecorded()
    }

    /// Whether no run was started, and the same may work later: nothing else remembers it.
    pub fn may_pass_unrecorded(&self) -> bool {
        match self {
            Self::Source(e) => e.may_pass(),
            Self::Store(e) => e.may_pass(),
            _ => false,
        }
    }
}

/// How far an import has come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Bytes of the source read, as it is stored.
    pub bytes: u64,
    /// Bytes of the source in all.
    pub bytes_total: u64,
    /// What became of the rows.
    pub counts: Counts,
}

/// Is told how far an import has come, after every batch.
pub type Watcher<'a> = dyn Fn(Progress) + Send + Sync + 'a;

/// What a dry run found.
#[derive(Debug, Default)]
pub struct Report {
    /// What would become of the rows; rows of one asin that lie far apart count as loaded.
    pub counts: Counts,
    /// The first refused rows.
    pub rejects: Vec<Reject>,
}

/// What comes of the wish to import a source.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each import")]
pub enum Begun {
    /// A run is ours, and waits to be carried on.
    Ours(Started),
    /// There is nothing to do for us.
    Not(Outcome),
}

/// A run that is ours, and the state of the source that it is of.
#[derive(Debug)]
pub struct Started {
    /// The run as it was taken.
    pub run: Run,
    lease: Lease,
    source: Source,
    state: SourceState,
}

/// Imports one state of a source into the store.
pub async fn import(
    store: &Arc<dyn Store>,
    rejects: &Rejects,
    source: Source,
    options: Options,
    watcher: &Watcher<'_>,
) -> Result<Outcome, ImportError> {
    let state = source.state().await?;
    import_state(store, rejects, source, state, options, watcher).await
}

/// The same of a state that was taken already.
pub async fn import_state(
    store: &Arc<dyn Store>,
    rejects: &Rejects,
    source: Source,
    state: SourceState,
    options: Options,
    watcher: &Watcher<'_>,
) -> Result<Outcome, ImportError> {
    let begun = begin(store, source.clone(), state.clone(), options).await?;
    let begun = match begun {
        // It lies there in this moment, so whatever has superseded it was older, and came late.
        Begun::Not(Outcome::DoneBefore(run))
            if run.state == RunState::Superseded && source.is_told_by_its_place() =>
        {
            let again = Options { how: HowStarted::Retried(run.id), ..options };
            begin(store, source, state, again).await?
        }
        begun => begun,
    };
    match begun {
        Begun::Ours(started) => started.carry_on(store, rejects, watcher).await,
        Begun::Not(outcome) => Ok(outcome),
    }
}

/// Claims the run of a source's state, and leaves it at that: whoever cannot wait for its end
/// knows its number.
pub async fn begin(
    store: &Arc<dyn Store>,
    source: Source,
    state: SourceState,
    options: Options,
) -> Result<Begun, StoreError> {
    let claim = Claim {
        source: state.uri.clone(),
        etag: state.etag.clone(),
        modified: state.modified,
        size: state.size,
        how: options.how,
        rejects_max: options.rejects_max,
    };
    store.expect_batches();
    Ok(match store.claim_run(&claim).await? {
        Claimed::Ended(run) => Begun::Not(Outcome::DoneBefore(*run)),
        Claimed::HeldElsewhere(run) => Begun::Not(Outcome::HeldElsewhere(*run)),
        Claimed::Overtaken(run) => Begun::Not(Outcome::Overtaken(*run)),
        Claimed::Ours(run, lease) => Begun::Ours(Started { run: *run, lease, source, state }),
    })
}

impl Started {
    /// Carries the run to its end, or as far as it gets.
    pub async fn carry_on(
        self,
        store: &Arc<dyn Store>,
        rejects: &Rejects,
        watcher: &Watcher<'_>,
    ) -> Result<Outcome, ImportError> {
        let Self { run, lease, source, state } = self;
        let span = span::work!("import", "consumer", import.id = run.id.0, attempt = run.attempt);
        tracing::info!(
            import.id = run.id.0,
            attempt = run.attempt,
            source = run.source,
            "import begins"
        );
        let work = Work { store, rejects, lease, renewed: Mutex::new(Instant::now()), watcher };
        let outcome = work.carry_through(source, state, run).instrument(span.clone()).await;
        span::ended(&span, outcome.is_ok());
        outcome
    }
}

/// Checks a file and changes nothing.
pub async fn dry_run(
    source: &Source,
    known: HashSet<CategoryId>,
    watcher: &Watcher<'_>,
) -> Result<Report, ImportError> {
    let state = source.state().await?;
    let stored_bytes = StoredBytes::default();
    let text = source.open(&state, 0, &stored_bytes)?;
    let categories = KnownCategories { known, made: 0 };
    let mut batches = Batches::begin(text, categories)
        .map_err(|unread| ImportError::Failed(unread.to_string()))?;
    let mut report = Report::default();
    while let Some(batch) =
        batches.next_batch(ROWS_CHECKED).map_err(|fault| ImportError::Failed(fault.to_string()))?
    {
        let rejected = batch.rejects.len() as u64;
        report.counts.read += batch.read;
        report.counts.replaced += batch.replaced;
        report.counts.rejected += rejected;
        report.counts.loaded += batch.read - batch.replaced - rejected;
        let room = REJECTS_SHOWN - report.rejects.len();
        report.rejects.extend(batch.rejects.into_iter().take(room));
        watcher(Progress {
            bytes: stored_bytes.get(),
            bytes_total: state.size,
            counts: report.counts,
        });
    }
    Ok(report)
}

/// A run that is ours, and what it works with.
struct Work<'a> {
    store: &'a Arc<dyn Store>,
    rejects: &'a Rejects,
    lease: Lease,
    /// When somebody began to renew the lease last, by a batch or without.
    renewed: Mutex<Instant>,
    watcher: &'a Watcher<'a>,
}

/// Why the loading stopped before the end of the file.
enum Stop {
    /// Trying again would not help.
    ForGood(String),
    /// What is read is no longer what it was.
    Overwritten(String),
    /// Trying again may help.
    ForNow(String),
    /// The store said no.
    Store(StoreError),
}

impl Work<'_> {
    async fn carry_through(
        &self,
        source: Source,
        state: SourceState,
        run: Run,
    ) -> Result<Outcome, ImportError> {
        let name = state.name.clone();
        let work = async {
            if run.state != RunState::Indexing {
                self.load(source, state, &run).await?;
            }
            self.finish(&run, &name).await
        };
        let finished = tokio::select! {
            finished = work => finished,
            () = self.keep_lease() => Err(Stop::Store(StoreError::RunLost)),
        };
        match finished {
            Ok(run) => Ok(Outcome::Done(run)),
            Err(stop) => Err(self.stop(stop, &run, &name).await),
        }
    }

    /// Batches renew the lease as they are committed; a source or a place of refused rows that is
    /// slow must not lose it. Ends when it is lost all the same: somebody else has the run, or it
    /// was cancelled.
    async fn keep_lease(&self) {
        loop {
            let due = *self.renewed() + RENEW_EVERY;
            if Instant::now() < due {
                sleep_until(due).await;
                continue;
            }
            *self.renewed() = Instant::now();
            match self.store.renew_lease(&self.lease).await {
                Ok(()) => {}
                Err(StoreError::RunLost) => return,
                Err(e) => {
                    tracing::debug!(import.id = self.lease.run.0, "the lease is not renewed: {e}");
                }
            }
        }
    }

    fn renewed(&self) -> MutexGuard<'_, Instant> {
        self.renewed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies what lies behind the run's checkpoint.
    async fn load(&self, source: Source, state: SourceState, run: &Run) -> Result<(), Stop> {
        // A run that was stopped by its limit is stopped by it again.
        allow(&run.counts, run)?;
        let known = self.store.categories().await.map_err(Stop::Store)?;
        let categories = KnownCategories {
            known: known.value.into_iter().map(|category| category.id).collect(),
            made: run.categories_made,
        };
        self.store.expect_batches();
        let (from, bytes_total) = (run.checkpoint.clone(), state.size);
        let store = Arc::clone(self.store);
        let begin = batches::text_offset(&from);
        let stored_bytes = StoredBytes::default();
        let counted = stored_bytes.clone();
        // What is held at a time is what has a place, not what the channel has room for.
        let places = Arc::new(Semaphore::new(store.batches_held()));
        let (send, mut batches) = mpsc::channel(store.batches_held());
        let runtime = Handle::current();
        let here = Span::current();
        let reading = tokio::task::spawn_blocking(move || {
            let _here = here.enter();
            let text = source.open(&state, begin, &counted).map_err(SourceError::into_stop)?;
            let mut all = if from.offset == 0 {
                Batches::begin(text, categories)
            } else {
                Batches::resume(text, &from, categories)
            }
            .map_err(|unread| unread.into_stop(&state.uri))?;
            loop {
                let waiting = Arc::clone(&places).acquire_owned();
                let place = runtime.block_on(waiting).expect("the places are never closed");
                let next = all.next_batch(store.batch_rows());
                let Some(mut batch) = next.map_err(|fault| fault.into_stop(&state.uri))? else {
                    break;
                };
                batch.end.stored = counted.get();
                if send.blocking_send((batch, place)).is_err() {
                    // The other side has stopped, and knows why.
                    return Ok(());
                }
            }
            source.is_unchanged(&state).map_err(SourceError::into_stop)
        });
        let mut next_sent = async || {
            let next = batches.recv().await;
            if let Some((next, _)) = &next {
                self.store.send_ahead(&self.lease, next).await;
            }
            next
        };
        let mut waiting = next_sent().await;
        while let Some((batch, place)) = waiting {
            // The next one is on its way while this one is applied.
            let span = span::part!(
                "import.batch",
                import.id = run.id.0,
                rows = batch.read,
                rejected = batch.rejects.len(),
            );
            let commit = async {
                let sent_at = Instant::now();
                let committed = self.store.commit_batch(&self.lease, batch).await;
                if committed.is_ok() {
                    *self.renewed() = sent_at;
                }
                committed
            };
            let (committed, next) = tokio::join!(commit.instrument(span.clone()), next_sent());
            span::ended(&span, committed.is_ok());
            drop(place);
            waiting = next;
            let counts = committed.map_err(Stop::Store)?.counts;
            (self.watcher)(Progress { bytes: stored_bytes.get(), bytes_total, counts });
            allow(&counts, run)?;
        }
        reading.await.map_err(|e| Stop::ForNow(e.to_string()))?
    }

    async fn finish(&self, run: &Run, name: &str) -> Result<Run, Stop> {
        self.store.finish_loading(&self.lease).await.map_err(Stop::Store)?;
        let written = self.rejects.write(self.store.as_ref(), run.id, name).await;
        written.map_err(Unwritten::into_stop)?;
        self.store.end_run(&self.lease, End::Done).await.map_err(Stop::Store)
    }

    /// Notes in the run why it stopped, as far as the store lets us.
    async fn stop(&self, stop: Stop, run: &Run, name: &str) -> ImportError {
        let end = match stop {
            Stop::Store(StoreError::RunLost) => return self.lost(run, name).await,
            Stop::ForGood(reason) => End::Failed(reason),
            Stop::Overwritten(reason) => End::Superseded(reason),
            Stop::ForNow(reason) => End::Paused(reason),
            Stop::Store(e) if e.may_pass() => End::Paused(e.with_cause()),
            Stop::Store(e) => End::Failed(e.with_cause()),
        };
        match self.store.end_run(&self.lease, end.clone()).await {
            Err(StoreError::RunLost) => return self.lost(run, name).await,
            // A full disk takes no note either; the lease lapses and the run is taken up.
            Err(e) => tracing::warn!(import.id = run.id.0, "cannot note why the run stopped: {e}"),
            Ok(_) => self.write_rejects(run, name).await,
        }
        match end {
            End::Paused(reason) => ImportError::Paused(reason),
            End::Failed(reason) => ImportError::Failed(reason),
            End::Superseded(reason) => ImportError::Overwritten(reason),
            End::Done => unreachable!("a stop is not an end"),
        }
    }

    async fn lost(&self, run: &Run, name: &str) -> ImportError {
        let now = match self.store.run(run.id).await {
            Ok(now) => now.unwrap_or_else(|| run.clone()),
            Err(e) => return ImportError::Store(e),
        };
        if now.state == RunState::Cancelled {
            // Nobody else does it.
            self.write_rejects(run, name).await;
        }
        ImportError::Lost(Box::new(now))
    }

    /// As far as it goes: they stay in the store.
    async fn write_rejects(&self, run: &Run, name: &str) {
        if let Err(e) = self.rejects.write(self.store.as_ref(), run.id, name).await {
            tracing::warn!(import.id = run.id.0, "cannot write the refused rows: {e}");
        }
    }
}

/// Stops a run that has met more refused rows than it was allowed.
fn allow(counts: &Counts, run: &Run) -> Result<(), Stop> {
    match run.rejects_max.filter(|most| counts.rejected > *most) {
        None => Ok(()),
        Some(most) => Err(Stop::ForGood(format!(
            "{} rows are refused, more than the {most} allowed",
            counts.rejected
        ))),
    }
}
