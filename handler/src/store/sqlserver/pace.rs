//! How many rows a batch has: as many as the server takes in about a second.
//!
//! More rows make a load cheaper; but other writers wait for a batch's rows, a server that is
//! short of log throttles, and what is lost with a connection is sent again. So the size
//! follows what the server's answers took.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Where it begins: what `bcp` is told most often, and a quarter of a second on a small server.
const ROWS_AT_FIRST: usize = 10_000;
/// Below it the round trips cost more than the rows.
const ROWS_MIN: usize = 1_000;
/// Four batches are in memory at once (two applied, one read, one being read), 7 MiB each at the
/// data set's 350 bytes a row.
const ROWS_MAX: usize = 20_000;
/// A batch that took longer is too long for those who wait for its rows.
const LONG: Duration = Duration::from_millis(1_500);
/// A batch that took less leaves something to gain.
const SHORT: Duration = Duration::from_millis(750);

/// The size of the next batch.
#[derive(Debug)]
pub(super) struct Pace {
    rows: AtomicUsize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { rows: AtomicUsize::new(ROWS_AT_FIRST) }
    }
}

impl Pace {
    /// Rows of the next batch.
    pub(super) fn rows(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }

    /// A batch of so many rows was taken in this time. One that is not full says nothing of
    /// a full one's time, unless it was long already.
    pub(super) fn took(&self, rows: u64, time: Duration) {
        let now = self.rows();
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        if time > LONG {
            self.set(now.min(rows.max(ROWS_MIN)) / 2);
        } else if time < SHORT && rows >= now {
            self.set(now + now / 2);
        }
    }

    /// A batch had to be sent again.
    pub(super) fn was_lost(&self) {
        self.set(self.rows() / 2);
    }

    // Imports at the same time may overwrite each other's step, and take the next.
    fn set(&self, rows: usize) {
        self.rows.store(rows.clamp(ROWS_MIN, ROWS_MAX), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that takes a fixed time for a row, and some for a batch.
    fn settle(micros_a_row: u64) -> usize {
        let pace = Pace::default();
        for _ in 0..20 {
            let time = Duration::from_micros(20_000 + pace.rows() as u64 * micros_a_row);
            pace.took(pace.rows() as u64, time);
        }
        pace.rows()
    }

    #[test]
    fn a_batch_takes_about_a_second() {
        assert_eq!(settle(1), ROWS_MAX, "a fast server gets the most that memory allows");
        assert_eq!(settle(5_000), ROWS_MIN, "a slow one the least that is worth a round trip");
        for micros in [40, 60, 100, 250, 500] {
            let rows = settle(micros);
            let time = Duration::from_micros(20_000 + rows as u64 * micros);
            assert!(time <= LONG && time >= SHORT / 2, "{micros} µs a row: {rows} rows, {time:?}");
        }
    }

    #[test]
    fn a_batch_that_is_not_full_says_only_that_it_was_long() {
        let pace = Pace::default();
        pace.took(10, Duration::from_millis(5));
        assert_eq!(pace.rows(), ROWS_AT_FIRST);
        pace.took(4_000, Duration::from_secs(3));
        assert_eq!(pace.rows(), 2_000);
    }

    #[test]
    fn what_was_lost_is_sent_in_smaller_pieces() {
        let pace = Pace::default();
        for _ in 0..9 {
            pace.was_lost();
        }
        assert_eq!(pace.rows(), ROWS_MIN);
    }
}
