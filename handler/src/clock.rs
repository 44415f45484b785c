//! The time of day, and one that a test can turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the time in microseconds since 1970.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that stands still until it is turned.
    Turned(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `micros`.
    pub fn standing_at(micros: i64) -> Self {
        Self::Turned(Arc::new(AtomicI64::new(micros)))
    }

    /// Microseconds since 1970.
    pub fn now_micros(&self) -> i64 {
        match self {
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
            Self::Turned(micros) => micros.load(Ordering::SeqCst),
        }
    }

    /// Turns a standing clock forward; the machine's clock is left alone.
    pub fn turn(&self, by: Duration) {
        if let Self::Turned(micros) = self {
            micros.fetch_add(micros_of(by), Ordering::SeqCst);
        }
    }
}

/// A span as the unit in which this program keeps moments.
pub fn micros_of(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
