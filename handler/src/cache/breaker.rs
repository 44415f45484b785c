//! A breaker: a part that has failed is left alone for a while, then tried by one.

use std::time::Duration;

use super::versions::Moment;

/// Failures in a row that open it.
const FAILURES_MAX: u32 = 3;
/// How long it stays open before somebody may try.
const REST: Duration = Duration::from_secs(1);

/// Whether a part may be asked. No clock in here: moments are passed in.
#[derive(Debug, Default)]
pub struct Breaker {
    failures: u32,
    /// While open: from when on one may try.
    try_at: Option<Moment>,
    /// Somebody is trying.
    is_tried: bool,
}

/// The state as operators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// The part is asked.
    Closed,
    /// The part is left alone.
    Open,
    /// The part is left alone by all but one, who tries whether it is back.
    HalfOpen,
}

impl BreakerState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Closed, Self::HalfOpen, Self::Open];

    /// The word that operators read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl Breaker {
    /// Whether the part may be asked at `now`. While it is open, one caller at a time is let
    /// through after each rest; the others are not kept waiting.
    pub fn lets_through(&mut self, now: Moment) -> bool {
        match self.try_at {
            None => true,
            Some(try_at) if now >= try_at => {
                self.try_at = Some(now + REST);
                self.is_tried = true;
                true
            }
            Some(_) => false,
        }
    }

    /// The part has answered.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The part has not answered.
    pub fn failed(&mut self, now: Moment) {
        self.failures = self.failures.saturating_add(1);
        self.is_tried = false;
        if self.failures >= FAILURES_MAX {
            self.try_at = Some(now + REST);
        }
    }

    /// Open, closed or in between.
    pub fn state(&self) -> BreakerState {
        match self.try_at {
            None => BreakerState::Closed,
            Some(_) if self.is_tried => BreakerState::HalfOpen,
            Some(_) => BreakerState::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_open_it_and_one_success_closes_it() {
        let mut breaker = Breaker::default();
        let second = Duration::from_secs(1);
        breaker.failed(second);
        breaker.failed(second);
        assert!(breaker.lets_through(second));
        breaker.failed(second);
        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(!breaker.lets_through(second));
        assert!(breaker.lets_through(2 * second), "one may try");
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(!breaker.lets_through(2 * second), "and only one");
        breaker.succeeded();
        assert!(breaker.lets_through(2 * second));
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
}
