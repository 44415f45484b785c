//! What has to be looked after now and then: every minute by the process itself, or when the
//! Functions host's timer says so.

use std::sync::Arc;

use crate::identity::accounts::{AccountError, Accounts};
use crate::import::maintain::maintain;
use crate::import::rejects::RejectsFolder;
use crate::store::{Store, StoreError};

/// The parts that need looking after.
#[derive(Clone)]
pub struct Maintenance {
    /// Runs, rejects and sessions.
    pub store: Arc<dyn Store>,
    /// Where refused rows are written.
    pub rejects: RejectsFolder,
    /// Sign-ups that may have been cut off.
    pub accounts: Arc<Accounts>,
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
    pub async fn run(&self) -> Result<(), MaintenanceError> {
        let healed = self.accounts.heal().await;
        let maintained = maintain(&self.store, &self.rejects).await;
        self.store.prune_sessions().await?;
        maintained?;
        Ok(healed?)
    }
}
