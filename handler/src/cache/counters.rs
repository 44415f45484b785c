//! What happened so far, every way in which a wait can end included.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Declares the counters and what they come to, so that none is forgotten in either.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// How often each thing happened since the start.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: AtomicU64,)*
        }

        /// What the counters came to in one moment. What another release does not count is 0.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Counted {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// What they come to now.
            pub fn read(&self) -> Counted {
                Counted { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }

        impl std::ops::AddAssign for Counted {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counters! {
    /// Answers that were kept in this process and counted.
    hits,
    /// Answers that only the shared cache had.
    shared_hits,
    /// Answers that had to be loaded, joined loads included.
    misses,
    /// Callers who joined what another one of this process had begun.
    joins,
    /// Joined loads that brought an answer older than what the joiner knew.
    joins_outrun,
    /// Loads.
    loads,
    /// Loads that ended in an error, whichever.
    loads_failed,
    /// Answers that were made anew shortly before their end.
    early_refreshes,
    /// Waits for a page that another instance was loading.
    lease_waits,
    /// Of those: the page came.
    lease_waits_filled,
    /// Of those: the other one gave the lease back or let it lapse, and it became ours.
    lease_waits_taken,
    /// Of those: the wait took longer than a lease lasts, and we loaded without one.
    lease_waits_given_up,
    /// Of those: the shared cache went away meanwhile, and we loaded without it.
    lease_waits_cut,
    /// Older answers given while the store was away.
    stale,
    /// Questions to the store for the versions.
    asks,
    /// Questions to the store for the versions that ended in an error, whichever.
    asks_failed,
    /// Questions to the shared cache for the versions.
    shared_asks,
    /// Calls of the shared cache that ended in an error.
    shared_failures,
    /// Calls of the shared cache that were not made, since it is left alone.
    shared_refusals,
    /// Pages of the shared cache that could not be read.
    shared_unreadable,
    /// Times that another instance told us of versions.
    told,
    /// Times that we could not tell the others of versions; they hear from the store.
    announcements_failed,
    /// Comparisons of the store's versions with the published ones.
    reconciliations,
    /// Of those: the published ones were behind, and were raised.
    reconciliations_found,
    /// Answers of the store that were behind what was known before: it was restored.
    restores,
    /// Kept answers that were compared with the store.
    audits,
    /// Of those: they were older than is promised.
    audits_stale,
    /// Calls of the store that took longer than they may.
    deadlines_passed,
    /// Calls of the store that were not made, since it is left alone.
    breaker_refusals,
    /// Calls that the store had no time for.
    busy,
}

/// It has happened once more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
