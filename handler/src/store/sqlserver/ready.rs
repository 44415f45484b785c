//! Connections that are ready to apply a batch.
//!
//! There are servers on which each connection reads the procedures anew, which takes about a
//! second. So they are applied for nothing as soon as an import is about to begin, on two
//! connections beside each other and beside what else comes first, and the import keeps these
//! until its rows are loaded: the pool would hand out others in turn. What nobody comes for
//! goes back by itself, for a database can pause only where no connection is held.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bb8::PooledConnection;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::load;
use super::pool::{Connections, Manager};

/// Each has a batch: they are applied beside each other.
const CONNECTIONS: usize = 2;
/// What a rehearsal may take: the lease of a run waits for it.
const REHEARSAL: Duration = Duration::from_secs(10);
/// How long one is kept that nobody asks for: its import may be gone, or its source be slow.
const KEPT: Duration = Duration::from_mins(1);

pub(super) type Held = PooledConnection<'static, Manager>;

/// The connections that wait for a batch, and those that will.
#[derive(Default)]
pub(super) struct Ready {
    state: Mutex<State>,
    /// A rehearsal has ended, or is given up.
    told: Notify,
}

#[derive(Default)]
struct State {
    waiting: Vec<Held>,
    rehearsals: Vec<Rehearsal>,
    /// Gives all of them back when it rings.
    alarm: Option<AbortHandle>,
    /// The rehearsals begun so far.
    begun: u64,
    /// What is asked for next was begun already.
    is_early: bool,
}

/// One that goes on. In the middle of a statement its connection is thrown away with it.
struct Rehearsal {
    number: u64,
    task: AbortHandle,
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Ready {
    /// Begins with the first one before it is asked for.
    pub(super) fn add_early(self: &Arc<Self>, connections: &Arc<Connections>) {
        self.add(connections);
        self.state().is_early = true;
    }

    /// Begins to make one more ready, if there are not enough and one is to spare.
    pub(super) fn add(self: &Arc<Self>, connections: &Arc<Connections>) {
        let mut state = self.state();
        self.set_alarm(&mut state);
        // Unless it came to nothing: there may have been no procedure yet.
        let has_none = state.waiting.is_empty() && state.rehearsals.is_empty();
        if std::mem::take(&mut state.is_early) && !has_none {
            return;
        }
        if state.waiting.len() + state.rehearsals.len() < CONNECTIONS {
            state.begun += 1;
            let number = state.begun;
            let (ready, connections) = (Arc::downgrade(self), Arc::clone(connections));
            let task = tokio::spawn(async move {
                let session = rehearsed(&connections).await;
                if let Some(ready) = ready.upgrade() {
                    ready.ended(number, session);
                }
            });
            state.rehearsals.push(Rehearsal { number, task: task.abort_handle() });
        }
    }

    /// The first one that is ready; `None` where none is to spare.
    pub(super) async fn get(&self, connections: &Connections) -> Option<Held> {
        loop {
            let told = self.told.notified();
            {
                let mut state = self.state();
                state.waiting.retain(|session| !session.is_spent());
                match state.waiting.pop() {
                    None if !state.rehearsals.is_empty() => {}
                    None => break,
                    session => return session,
                }
            }
            told.await;
        }
        rehearsed(connections).await
    }

    /// The next batch may have it.
    pub(super) fn put(self: &Arc<Self>, session: Held) {
        let mut state = self.state();
        self.set_alarm(&mut state);
        if state.waiting.len() < CONNECTIONS && !session.is_spent() {
            state.waiting.push(session);
        }
    }

    /// An import needs none any more. One that goes on meanwhile makes others ready.
    pub(super) fn clear(&self) {
        let mut state = self.state();
        state.waiting.clear();
        state.rehearsals.clear();
        drop(state);
        self.told.notify_waiters();
    }

    /// What was given up meanwhile goes back to the pool.
    fn ended(&self, number: u64, session: Option<Held>) {
        let mut state = self.state();
        let before = state.rehearsals.len();
        state.rehearsals.retain(|rehearsal| rehearsal.number != number);
        if state.rehearsals.len() < before {
            state.waiting.extend(session);
        }
        drop(state);
        self.told.notify_waiters();
    }

    fn set_alarm(self: &Arc<Self>, state: &mut State) {
        let ready = Arc::downgrade(self);
        let alarm = tokio::spawn(async move {
            sleep(KEPT).await;
            if let Some(ready) = ready.upgrade() {
                ready.clear();
            }
        });
        if let Some(earlier) = state.alarm.replace(alarm.abort_handle()) {
            earlier.abort();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn rehearsed(connections: &Connections) -> Option<Held> {
    let mut session = connections.get_beside_others().await?;
    match timeout(REHEARSAL, load::rehearse(&mut session)).await {
        Ok(Ok(())) => return Some(session),
        Ok(Err(e)) => tracing::debug!("an apply is not rehearsed: {e}"),
        Err(late) => tracing::debug!("an apply is not rehearsed: {late}"),
    }
    None
}
