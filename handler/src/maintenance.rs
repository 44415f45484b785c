//! What has to be looked after now and then: every minute by the process itself, or when the
//! Functions host's timer says so.

use std::sync::Arc;

use crate::cache::Cache;
use crate::identity::accounts::{AccountError, Accounts};
use crate::import::maintain::maintain;
use crate::import::rejects::Rejects;
use crate::import::source::Sources;
use crate::store::{Store, StoreError};

/// The parts that need looking after.
#[derive(Clone)]
pub struct Maintenance {
    /// Runs, rejects and sessions.
    pub store: Arc<dyn Store>,
    /// Where refused rows are written.
    pub rejects: Rejects,
    /// Where the sources of runs that were left behind are found again.
    pub sources: Sources,
    /// Sign-ups that may have been cut off.
    pub accounts: Arc<Accounts>,
    /// Knows whether anybody asks, and compares what was published with the store.
    pub cache: Arc<Cache>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maintained {
    /// Everything was looked after.
    Done,
    /// Nobody has asked for a while, and the database is left to rest.
    NotNow,
}

/// What could not be looked after. The rest was.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// Imports, or what is to be pruned.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Sign-ups.
    #[error("sign-ups could not be healed: {0}")]
    Accounts(#[from] AccountError),
}

impl Maintenance {
    /// Looks after everything once. A part that is away keeps no other from its turn.
    ///
    /// A database that pauses when nobody asks is not kept awake for it: whoever asks next
    /// wakes both. What a process died over is delivered to it again by the host.
    pub async fn run(&self) -> Result<Maintained, MaintenanceError> {
        if self.store.pauses_when_idle() && self.cache.is_idle() {
            return Ok(Maintained::NotNow);
        }
        let healed = self.accounts.heal().await;
        let Self { store, rejects, sources, cache, .. } = self;
        let reconciled = cache.reconcile().await;
        let pruned = store.prune_sessions().await;
        // Last, for it takes as long as the runs that were left behind.
        let maintained = maintain(store, rejects, sources, &|_| cache.nudge()).await;
        maintained?;
        reconciled?;
        pruned?;
        healed?;
        Ok(Maintained::Done)
    }
}
