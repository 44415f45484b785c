//! When a page ends, by the server's clock: `fill.lua` writes that behind it. So the life that is
//! left of many is told by one look at that clock, and not by a command for each. Behind a proxy
//! another node may have told the time: the life is wrong by as much as their clocks differ.

use std::time::Duration;

use bytes::Bytes;

use crate::cache::shared::Kept;

/// The server's time in seconds and microseconds, as `TIME` tells it.
pub(super) type Clock = (u64, u64);

/// Digits of the moment in milliseconds. They last until 2286.
const END_LEN: usize = 13;

/// A page as it lies there. One without an end has ended: whoever reads it will see what it is.
pub(super) fn kept(mut bytes: Vec<u8>, (seconds, micros): Clock) -> Kept {
    let now = Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros));
    let end = end(&bytes);
    if end.is_some() {
        bytes.truncate(bytes.len() - END_LEN);
    }
    Kept { bytes: Bytes::from(bytes), left: end.unwrap_or_default().saturating_sub(now) }
}

fn end(bytes: &[u8]) -> Option<Duration> {
    let digits = bytes.last_chunk::<END_LEN>()?;
    let digits = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
    digits.parse().ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: Clock = (1_764_000_000, 250_000);

    fn assert_kept(lies_there: &str, bytes: &str, left_ms: u64) {
        let kept = kept(lies_there.as_bytes().to_vec(), CLOCK);
        let expected =
            Kept { bytes: bytes.to_owned().into(), left: Duration::from_millis(left_ms) };
        assert_eq!(kept, expected, "{lies_there}");
    }

    #[test]
    fn the_end_stands_behind_the_page_and_tells_its_life() {
        assert_kept("page1764000600250", "page", 600_000);
        assert_kept("page91764000000251", "page9", 1);
        assert_kept("1764000001250", "", 1_000);
        // It ends while it is read, or the clock was set forward.
        assert_kept("page1764000000250", "page", 0);
        assert_kept("page0000000000000", "page", 0);
    }

    #[test]
    fn what_has_no_end_has_ended_and_is_left_as_it_is() {
        for damaged in ["", "x", "764000600250", "page+764000600250", "page176400060025x", "page-1"]
        {
            assert_kept(damaged, damaged, 0);
        }
        let binary = vec![0xff; 40];
        assert_eq!(
            kept(binary.clone(), CLOCK),
            Kept { bytes: binary.into(), left: Duration::ZERO }
        );
    }
}
