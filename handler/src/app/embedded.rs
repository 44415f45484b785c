//! The embedded parts of a serving process: the database and the folders beside it.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::import::rejects::Rejects;
use crate::sample;
use crate::store::late::LateStore;
use crate::store::sqlite::folder::{DataFolder, ServingLock};
use crate::store::sqlite::{Purpose, SqliteStore};
use crate::store::{Store, StoreError};

/// How often parts that could not be opened are tried again.
const TRY_EVERY: Duration = Duration::from_secs(2);

pub(super) struct Embedded {
    pub(super) sqlite: Arc<SqliteStore>,
    pub(super) folder: DataFolder,
    pub(super) rejects: Rejects,
    _serving: ServingLock,
}

impl Embedded {
    /// Makes the folder where it is missing, and opens its database.
    pub(super) fn open(folder: &DataFolder, rejects: Rejects) -> Result<Self, StoreError> {
        let folder = DataFolder::make(folder.path())?;
        // Held before the database is opened: a load that leaves indexes out must see us.
        let serving = folder.lock_for_serving()?;
        let sqlite = Arc::new(SqliteStore::open(&folder, Purpose::Serving, Clock::System)?);
        Ok(Self { sqlite, folder, rejects, _serving: serving })
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        Arc::<SqliteStore>::clone(&self.sqlite)
    }

    /// Loads the sample into a store that was never used.
    pub(super) async fn load_sample(&self) -> Result<(), StoreError> {
        if !self.sqlite.is_unused().await? {
            return Ok(());
        }
        if let Err(e) = sample::load(&self.store(), &self.rejects).await {
            // A catalogue without the sample is still a catalogue.
            tracing::error!("the sample could not be loaded: {e}");
        }
        Ok(())
    }
}

/// Opens the parts while the process serves, trying until it works.
pub(super) async fn open_late(
    folder: DataFolder,
    rejects: Rejects,
    late: Arc<LateStore>,
) -> Embedded {
    loop {
        match open_once(&folder, &rejects).await {
            Ok(embedded) => {
                late.opened(embedded.store());
                return embedded;
            }
            Err(e) => {
                let reason = e.to_string();
                if late.failed(e) {
                    tracing::error!("the database cannot be opened, and is tried again: {reason}");
                }
            }
        }
        tokio::time::sleep(TRY_EVERY).await;
    }
}

async fn open_once(folder: &DataFolder, rejects: &Rejects) -> Result<Embedded, StoreError> {
    let (folder, rejects) = (folder.clone(), rejects.clone());
    // Another process that migrates may keep us waiting.
    let opening = tokio::task::spawn_blocking(move || Embedded::open(&folder, rejects));
    let embedded = opening.await.map_err(|e| StoreError::Corrupt(e.into()))??;
    embedded.load_sample().await?;
    Ok(embedded)
}
