//! What happened so far, every way in which a wait can end included.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often each thing happened since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Answers that were kept and counted.
    pub hits: AtomicU64,
    /// Answers that had to be loaded, joined loads included.
    pub misses: AtomicU64,
    /// Loads.
    pub loads: AtomicU64,
    /// Loads that ended in an error, whichever.
    pub loads_failed: AtomicU64,
    /// Joined loads that brought an answer older than what the joiner knew.
    pub joins_outrun: AtomicU64,
    /// Older answers given while the store was away.
    pub stale: AtomicU64,
    /// Questions for the versions.
    pub asks: AtomicU64,
    /// Questions for the versions that ended in an error, whichever.
    pub asks_failed: AtomicU64,
    /// Answers to them that were behind what was known before: the database was restored.
    pub restores: AtomicU64,
    /// Calls of the store that took longer than they may.
    pub deadlines_passed: AtomicU64,
    /// Calls of the store that were not made, since it is left alone.
    pub breaker_refusals: AtomicU64,
    /// Calls that the store had no time for.
    pub busy: AtomicU64,
}

/// It has happened once more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
