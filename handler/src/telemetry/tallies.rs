//! What became of imports and of attempts to sign up or in.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Declares counters and what they come to, so that none is forgotten in either.
macro_rules! tallies {
    ($(#[$outer:meta])* $counters:ident, $(#[$read:meta])* $counted:ident:
     $($(#[$doc:meta])* $name:ident,)*) => {
        $(#[$outer])*
        #[derive(Debug, Default)]
        pub struct $counters {
            $($(#[$doc])* pub $name: AtomicU64,)*
        }

        $(#[$read])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $counted {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl $counters {
            /// What they come to now.
            pub fn read(&self) -> $counted {
                $counted { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }

        impl std::ops::AddAssign for $counted {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

tallies! {
    /// Imports of this process since its start; the sample is none.
    Imports,
    /// What the counters of imports came to in one moment.
    ImportsCounted:
    /// Rows that were applied. One that overrides a row of an earlier batch counts, and so does
    /// the other: a counter does not go back.
    rows_loaded,
    /// Rows that a later one of the same batch overrode.
    rows_replaced,
    /// Rows refused.
    rows_rejected,
    /// Runs begun with; one that is taken up again is not.
    runs_begun,
    /// Runs that are done.
    runs_done,
    /// Runs that have failed.
    runs_failed,
    /// Runs that were cancelled through this instance.
    runs_cancelled,
    /// Runs of this instance that a newer state of their source came before.
    runs_superseded,
}

tallies! {
    /// Attempts to sign up, to sign in and to refresh.
    Auth,
    /// What the counters of attempts came to in one moment.
    AuthCounted:
    /// They came off.
    ok,
    /// Whoever it was may not, or what they sent cannot be right.
    refused,
    /// There were too many of them.
    limited,
    /// A part was away, or a fault of ours.
    failed,
}

/// It has happened so many times more.
pub(crate) fn add(counter: &AtomicU64, times: u64) {
    counter.fetch_add(times, Ordering::Relaxed);
}
