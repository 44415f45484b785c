//! Writes of products: committed and published in one go, then answered.
//!
//! A client may hang up at any moment, and warp drops what was answering it. Were that between
//! the commit and the publication, this instance would go on serving the old row as fresh; so
//! both happen in a task of their own, for whose end the answer only waits.
//!
//! Twins, two requests that mean one effect, are told apart from repetitions here: while the
//! first is on its way the second is refused. In another process it waits for the first's
//! transaction instead and finds the row that it has left; nothing needs a lease that a
//! crash could leave behind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Instrument as _;
use uuid::Uuid;

use crate::cache::Cache;
use crate::catalog::{Asin, Product};
use crate::store::{Edit, IdempotencyKey, Once, Store, StoreError, WriteError, Written};

/// The way by which products are written. Cheap to clone.
#[derive(Clone)]
pub struct Writes {
    store: Arc<dyn Store>,
    cache: Arc<Cache>,
    in_flight: Arc<InFlight>,
}

impl Writes {
    /// Writes to the store whose answers the cache keeps.
    pub fn new(store: Arc<dyn Store>, cache: Arc<Cache>) -> Self {
        Self { store, cache, in_flight: Arc::default() }
    }

    /// Adds a product that is not there yet. With `once` only the first of equal requests
    /// does so; [`WriteError::KeyInFlight`] while the first has not been answered.
    pub async fn create(
        &self,
        product: Product,
        once: Option<Once>,
    ) -> Result<Written, WriteError> {
        let flight = once.as_ref().map(|once| self.in_flight.begin(once)).transpose()?;
        let store = Arc::clone(&self.store);
        self.to_the_end(async move {
            // Ends with the work and not with the caller, who may have gone.
            let _flight = flight;
            store.create_product(&product, once.as_ref()).await
        })
        .await
    }

    /// Makes of the product with this key what `edit` says.
    pub async fn edit(&self, asin: Asin, edit: Edit) -> Result<Written, WriteError> {
        let store = Arc::clone(&self.store);
        self.to_the_end(async move { store.edit_product(&asin, edit).await }).await
    }

    /// Writes and publishes, whoever waits for it.
    async fn to_the_end(
        &self,
        write: impl Future<Output = Result<Written, WriteError>> + Send + 'static,
    ) -> Result<Written, WriteError> {
        let cache = Arc::clone(&self.cache);
        let writing = async move {
            let written = write.await?;
            cache.publish(&written.versions).await;
            Ok(written)
        };
        tokio::spawn(writing.in_current_span()).await.map_err(|e| StoreError::Corrupt(e.into()))?
    }
}

/// The effects that are being had in this process.
#[derive(Default)]
struct InFlight(Mutex<HashMap<(Uuid, IdempotencyKey), [u8; 32]>>);

impl InFlight {
    fn begin(self: &Arc<Self>, once: &Once) -> Result<Flight, WriteError> {
        let name = (once.user, once.key.clone());
        // A std mutex: it is never held across an await.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get(&name) {
            Some(digest) if *digest == once.digest => Err(WriteError::KeyInFlight),
            Some(_) => Err(WriteError::KeyReused),
            None => {
                all.insert(name.clone(), once.digest);
                Ok(Flight { all: Arc::clone(self), name })
            }
        }
    }
}

/// Lasts while the effect is being had.
struct Flight {
    all: Arc<InFlight>,
    name: (Uuid, IdempotencyKey),
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}
