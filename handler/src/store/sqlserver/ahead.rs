//! Batches that were sent ahead.
//!
//! While one batch of an import is applied the next one is sent, on a connection of its own, and
//! its rows are written there beside those of the first: a server with two cores takes a batch
//! in little more than half the time. Versions are raised and the checkpoint moves one batch
//! after the other, for each waits, in the database, for the lock of the one before.
//!
//! Categories that a batch needs are made before it, in a transaction of their own. Batches that
//! write the same product are not applied beside each other: the second would wait for the
//! first, or the first for the second. Where a server has two wait for each other all the same it
//! gives one of them up; from then on the run's batches are sent ahead and no more.

mod beside;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tiberius::error::Error;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::faults::Fault;
use super::load::{self, Applied};
use super::pool::Connections;
use super::ready::{Held, Ready};
use super::stop::Stop;
use crate::catalog::CategoryId;
use crate::store::{Batch, Lease, Rows, StoreError};
use beside::Beside;

/// What a batch may take to be sent, or to be applied: locks are held meanwhile.
const EACH: Duration = Duration::from_secs(45);
/// How long one that is applied waits for its turn, which comes when the one before is committed:
/// should nobody come its locks must not stay.
const TURN: Duration = Duration::from_secs(5);
/// How long one that is only staged does: the one before it may be tried for four minutes. Its
/// connection goes back then, for a database can pause only where none is held.
const TURN_OF_STAGED: Duration = Duration::from_mins(5);

/// The batches that were sent ahead, and those that others may be applied beside.
#[derive(Default)]
pub(super) struct Ahead {
    sent: Mutex<Vec<Sent>>,
    beside: Mutex<Beside>,
}

/// A batch on its way.
struct Sent {
    lease: Lease,
    start: u64,
    turn: Option<oneshot::Sender<oneshot::Sender<Staged>>>,
    task: AbortHandle,
}

impl Drop for Sent {
    fn drop(&mut self) {
        // Does nothing to one that has ended.
        self.task.abort();
    }
}

/// A batch that has arrived.
pub(super) struct Staged {
    /// The connection on which it is staged.
    pub(super) session: Held,
    /// What it took, to be sent or to be applied, whichever took longer. It was applied when the
    /// one before had ended: its rows are locked meanwhile.
    pub(super) took: Duration,
    /// What came of its rows, in the transaction that the connection is in.
    pub(super) applied: Option<Applied>,
}

impl Ahead {
    /// Sends a batch, and applies it as far as it may be before its turn.
    pub(super) fn send(
        self: &Arc<Self>,
        ready: &Arc<Ready>,
        connections: &Arc<Connections>,
        lease: &Lease,
        batch: &Batch,
    ) {
        if !matches!(batch.rows, Rows::Products { .. }) {
            return;
        }
        self.beside().expect(lease, batch);
        let (turn, its_turn) = oneshot::channel();
        let way = Way {
            ahead: Arc::clone(self),
            ready: Arc::clone(ready),
            connections: Arc::clone(connections),
            lease: *lease,
            start: batch.start,
            rows: batch.rows.clone(),
        };
        let task = tokio::spawn(way.go(its_turn).in_current_span()).abort_handle();
        let mut sent = self.sent();
        // Of an import that was given up nobody asks.
        sent.retain(|sent| !sent.task.is_finished());
        sent.push(Sent { lease: *lease, start: batch.start, turn: Some(turn), task });
    }

    /// It is this batch's turn: where it has come to, for one try. `None` if it was not sent, or
    /// that came to nothing.
    pub(super) async fn take(&self, lease: &Lease, batch: &Batch) -> Option<Staged> {
        let at = |sent: &Sent| sent.lease == *lease && sent.start == batch.start;
        let mut sent = {
            let mut all = self.sent();
            let place = all.iter().position(at)?;
            all.swap_remove(place)
        };
        let (give, given) = oneshot::channel();
        sent.turn.take()?.send(give).ok()?;
        given.await.ok()
    }

    /// A batch holds its lock: others may be applied beside it.
    pub(super) fn has_begun(&self, lease: &Lease, start: u64) {
        self.beside().has_begun(lease, start);
    }

    /// A batch is committed, and so are its categories.
    pub(super) fn is_committed(&self, lease: &Lease, batch: &Batch) {
        let mut beside = self.beside();
        beside.forget(|its, start| its == lease && start == batch.start);
        if let Rows::Products { categories, .. } = &batch.rows {
            beside.know(categories.iter().copied());
        }
    }

    /// These categories are there, and no others that were known.
    pub(super) fn know_all(&self, categories: HashSet<CategoryId>) {
        self.beside().know_all(categories);
    }

    /// A batch of this run has failed, applied before its turn or beside one that was.
    pub(super) fn has_failed(&self, lease: &Lease, error: &Error) {
        // Two of them wait for each other, or want the same row.
        if matches!(Fault::of(error), Fault::Deadlock | Fault::Duplicate) {
            self.beside().refuse(lease.run);
        }
    }

    /// Forgets what was sent for this run, unless it is told to keep it.
    pub(super) fn to_forget<'a>(&'a self, lease: &'a Lease) -> Forgetting<'a> {
        Forgetting(Some((self, lease)))
    }

    /// What was sent for this run is not wanted any more.
    pub(super) fn forget(&self, lease: &Lease) {
        self.sent().retain(|sent| sent.lease != *lease);
        self.beside().forget(|its, _| its == lease);
    }

    fn sent(&self) -> MutexGuard<'_, Vec<Sent>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn beside(&self) -> MutexGuard<'_, Beside> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets what was sent for a run when it is dropped.
pub(super) struct Forgetting<'a>(Option<(&'a Ahead, &'a Lease)>);

impl Forgetting<'_> {
    pub(super) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Forgetting<'_> {
    fn drop(&mut self) {
        if let Some((ahead, lease)) = self.0 {
            ahead.forget(lease);
        }
    }
}

/// A batch's way to its turn.
struct Way {
    ahead: Arc<Ahead>,
    ready: Arc<Ready>,
    connections: Arc<Connections>,
    lease: Lease,
    start: u64,
    rows: Rows,
}

impl Way {
    /// What is given up on it is in the middle of a statement, or in a transaction: the connection
    /// is thrown away, and the server rolls back.
    async fn go(self, its_turn: oneshot::Receiver<oneshot::Sender<Staged>>) {
        let Some(staged) = self.stage().await else { return };
        let patience = if staged.applied.is_some() { TURN } else { TURN_OF_STAGED };
        if let Ok(Ok(give)) = timeout(patience, its_turn).await {
            // Whoever asked may have gone.
            let _ = give.send(staged);
        }
    }

    async fn stage(&self) -> Option<Staged> {
        let mut session = self.ready.get(&self.connections).await?;
        let began = Instant::now();
        let staging = async { Ok(load::stage(&mut session, &self.rows).await?) };
        self.done(staging, "a batch is sent again when its turn comes").await?;
        let took = began.elapsed();
        let missing = self.missing();
        if !missing.is_empty() {
            let making = load::make_categories(&mut session, &self.lease, &missing);
            self.done(making, "categories are made when a batch's turn comes").await?;
            self.ahead.beside().know(missing.into_iter());
        }
        let Some(before) = self.before().await else {
            return Some(Staged { session, took, applied: None });
        };
        let began = Instant::now();
        let has_begun = || self.ahead.has_begun(&self.lease, self.start);
        let applying =
            load::apply_ahead(&mut session, &self.lease, self.start, &self.rows, before, has_begun);
        let applied = self.done(applying, "batches are not applied beside each other").await;
        Some(Staged { session, took: took.max(began.elapsed()), applied: Some(applied?) })
    }

    /// What came of a step, if anything did in time.
    async fn done<T>(
        &self,
        step: impl Future<Output = Result<T, Stop<StoreError>>>,
        otherwise: &str,
    ) -> Option<T> {
        let run = self.lease.run.0;
        match timeout(EACH, step).await {
            Ok(Ok(done)) => return Some(done),
            Ok(Err(why)) => {
                tracing::debug!(import.id = run, "{otherwise}: {why:?}");
                if let Stop::Sql(e) = &why {
                    self.ahead.has_failed(&self.lease, e);
                }
            }
            Err(late) => tracing::debug!(import.id = run, "{otherwise}: {late}"),
        }
        None
    }

    fn missing(&self) -> Vec<CategoryId> {
        match &self.rows {
            Rows::Products { categories, .. } => self.ahead.beside().unknown(categories),
            Rows::Categories(_) => Vec::new(),
        }
    }

    /// Where the batch before this one begins, if both may be applied beside each other.
    async fn before(&self) -> Option<u64> {
        let before = self.ahead.beside().before(&self.lease, self.start)?;
        before.has_begun().await?;
        // Asked again: it may be committed by now, and what it made is known.
        self.ahead.beside().before(&self.lease, self.start).map(|before| before.start)
    }
}
