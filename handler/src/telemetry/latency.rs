//! The buckets of the latency histograms.
//!
//! Two to an octave, so that a percentile read from them is at most 41 % too high: from 64 µs,
//! which no answer from memory exceeds, to 67 s, which no request lasts but one of the host's.

use std::time::Duration;

/// The upper bounds in microseconds; what is slower falls into one more bucket behind them.
pub const BOUNDS_US: [u64; 41] = bounds();
/// How many buckets there are.
pub const BUCKETS: usize = BOUNDS_US.len() + 1;

const fn bounds() -> [u64; 41] {
    let mut bounds = [0; 41];
    let mut at = 0;
    while at < bounds.len() {
        let octave = 64 << (at / 2);
        // The square root of two, to nine digits.
        bounds[at] = if at % 2 == 0 {
            octave
        } else {
            (octave * 1_414_213_562 + 500_000_000) / 1_000_000_000
        };
        at += 1;
    }
    bounds
}

/// The bucket of a latency.
pub fn bucket(latency: Duration) -> usize {
    let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    if us <= BOUNDS_US[0] {
        // Most of them.
        return 0;
    }
    BOUNDS_US.partition_point(|bound| *bound < us)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_falls_into_the_first_bucket_that_is_not_below_it() {
        assert_eq!(&BOUNDS_US[..5], &[64, 91, 128, 181, 256]);
        assert_eq!(BOUNDS_US[40], 64 << 20);
        let bucket = |us| bucket(Duration::from_micros(us));
        for (at, bound) in BOUNDS_US.into_iter().enumerate() {
            assert_eq!((bucket(bound), bucket(bound + 1)), (at, at + 1), "{bound}");
        }
        assert_eq!((bucket(0), bucket(u64::MAX)), (0, BUCKETS - 1));
    }
}
