//! What stands before a part that may be away: a deadline, and a breaker.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use super::breaker::{Breaker, BreakerState};
use super::versions::Moment;

/// How a call of a part ended.
pub(super) enum Ended<T> {
    /// With this.
    With(T),
    /// It took too long.
    Late,
    /// It was not made: the part is left alone.
    Refused,
}

/// A deadline and a breaker before a part.
#[derive(Debug, Default)]
pub(super) struct Guard(Mutex<Breaker>);

impl Guard {
    /// Calls the part unless it is left alone. `is_away`: whether a result means that it
    /// could not be reached.
    pub(super) async fn call<T>(
        &self,
        now: impl Fn() -> Moment,
        deadline: Duration,
        call: impl Future<Output = T>,
        is_away: impl Fn(&T) -> bool,
    ) -> Ended<T> {
        if !self.breaker().lets_through(now()) {
            return Ended::Refused;
        }
        let Ok(result) = timeout(deadline, call).await else {
            self.breaker().failed(now());
            return Ended::Late;
        };
        if is_away(&result) {
            self.breaker().failed(now());
        } else {
            self.breaker().succeeded();
        }
        Ended::With(result)
    }

    /// Whether the part is asked or left alone.
    pub(super) fn state(&self) -> BreakerState {
        self.breaker().state()
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
