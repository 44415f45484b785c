//! What stands before a part that may be away: a deadline, and a breaker.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use super::breaker::{Breaker, BreakerState};
use super::versions::Moment;

/// Who calls a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// Somebody waits for it, and is not kept waiting by a part that is away.
    Waiting,
    /// Nobody waits: it may try whether the part has come back.
    Background,
}

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
        caller: Caller,
        now: impl Fn() -> Moment,
        deadline: Duration,
        call: impl Future<Output = T>,
        is_away: impl Fn(&T) -> bool,
    ) -> Ended<T> {
        let may_call = match caller {
            Caller::Waiting => self.state() == BreakerState::Closed,
            Caller::Background => self.breaker().lets_through(now()),
        };
        if !may_call {
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
