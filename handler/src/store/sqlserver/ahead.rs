//! A batch that was sent ahead: the connection on which it is staged.
//!
//! While one batch is applied the next one is sent, on a connection of its own. Of several
//! imports at once the last to send has its batch kept; the others send theirs when their turn
//! comes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bb8::PooledConnection;

use super::pool::Manager;
use crate::store::{Batch, Lease};

/// The batch that was sent ahead, if there is one.
#[derive(Default)]
pub(super) struct Ahead(Mutex<Option<Sent>>);

struct Sent {
    lease: Lease,
    start: u64,
    /// How long it took to get there.
    took: Duration,
    session: PooledConnection<'static, Manager>,
}

impl Ahead {
    /// Keeps the connection on which a batch is staged.
    pub(super) fn put(
        &self,
        lease: &Lease,
        batch: &Batch,
        took: Duration,
        session: PooledConnection<'static, Manager>,
    ) {
        *self.sent() = Some(Sent { lease: *lease, start: batch.start, took, session });
    }

    /// The connection on which this batch is staged, and how long that took: for one try.
    pub(super) fn take(
        &self,
        lease: &Lease,
        batch: &Batch,
    ) -> Option<(PooledConnection<'static, Manager>, Duration)> {
        let is_it = |sent: &mut Sent| sent.lease == *lease && sent.start == batch.start;
        self.sent().take_if(is_it).map(|sent| (sent.session, sent.took))
    }

    /// What was sent for this run is not wanted any more.
    pub(super) fn forget(&self, lease: &Lease) {
        drop(self.sent().take_if(|sent| sent.lease == *lease));
    }

    fn sent(&self) -> std::sync::MutexGuard<'_, Option<Sent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
