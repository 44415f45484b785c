//! Turns of those who write the same product within this process.
//!
//! The database's lock orders them across processes, but whoever waits for it holds a
//! connection meanwhile: a few that write one product would keep all the others waiting.

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;
use xxhash_rust::xxh3::xxh3_64;

use crate::catalog::Asin;
use crate::store::StoreError;

/// Products that share a turn are written one after the other for no reason; that is rare
/// with so many.
const TURNS: usize = 256;
/// How long somebody may wait: what is left of a request's time is for the write itself.
const WAIT: Duration = Duration::from_secs(5);

/// A turn for each product, several sharing one.
pub(super) struct Turns(Vec<Mutex<()>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..TURNS).map(|_| Mutex::default()).collect())
    }
}

impl Turns {
    /// Waits for the turn to write this product.
    pub(super) async fn wait(&self, asin: &Asin) -> Result<MutexGuard<'_, ()>, StoreError> {
        let turn = xxh3_64(asin.as_str().as_bytes()) % TURNS as u64;
        let turn = &self.0[usize::try_from(turn).unwrap_or(0)];
        timeout(WAIT, turn.lock()).await.map_err(|_| StoreError::Busy)
    }
}
