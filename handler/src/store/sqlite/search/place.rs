//! Where a page of a search begins, and its form in a cursor.

use crate::catalog::{Asin, PageQuery, Position};

/// Where in a search a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The stretch is that of the matches with higher ids, ...
    pub(super) behind: i64,
    /// ... up to this one; `None` where a page may examine all that are left. By its ends and
    /// not by its size: a product that is removed from it would else let another one in, which
    /// may belong before what has been shown and would never be.
    pub(super) until: Option<i64>,
    /// Of the stretch everything up to this has been shown; nothing yet if `None`.
    pub(super) shown: Option<(u16, Asin)>,
    /// Results shown on earlier pages.
    pub(super) count: usize,
}

impl Place {
    /// The ends of a stretch are multiples of this, so that both fit into a position beside the
    /// rest: a stretch is up to so many matches shorter than it might be.
    pub(super) const BLOCK: i64 = 4_096;
    /// Ids below 2^32: three thousand times the data set.
    const BLOCK_BITS: u32 = 20;
    const RANK_BITS: u32 = 13;
    const COUNT_BITS: u32 = 10;
    /// A title of single letters in which twelve words stand last has 3,250.
    pub(super) const RANK_MAX: u16 = (1 << Self::RANK_BITS) - 2;

    pub(super) fn of(query: &PageQuery) -> Self {
        let Some(Position { key: Some(mut key), asin }) = query.after else {
            return Self { behind: 0, until: None, shown: None, count: 0 };
        };
        let mut take = |bits: u32| {
            let low = key & ((1 << bits) - 1);
            key >>= bits;
            low
        };
        let count = take(Self::COUNT_BITS);
        // One more than the rank, so that there is a number for none.
        let rank = take(Self::RANK_BITS);
        let (until, behind) = (take(Self::BLOCK_BITS), take(Self::BLOCK_BITS));
        Self {
            behind: behind * Self::BLOCK,
            until: (until > 0).then_some(until * Self::BLOCK),
            shown: u16::try_from(rank - 1).ok().map(|rank| (rank, asin)),
            count: usize::try_from(count).unwrap_or(0),
        }
    }

    /// `None` behind the last id that has room.
    pub(super) fn position(self) -> Option<Position> {
        let (rank, asin) = match self.shown {
            Some((rank, asin)) => (i64::from(rank) + 1, asin),
            // Only to have one: it is not read.
            None => (0, Asin::parse("0").ok()?),
        };
        let blocks = |id: i64| Some(id / Self::BLOCK).filter(|it| *it < 1 << Self::BLOCK_BITS);
        let mut key = blocks(self.behind)?;
        for (bits, value) in [
            (Self::BLOCK_BITS, blocks(self.until.unwrap_or(0))?),
            (Self::RANK_BITS, rank),
            (Self::COUNT_BITS, i64::try_from(self.count).unwrap_or(0)),
        ] {
            key = key << bits | value;
        }
        Some(Position { key: Some(key), asin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_again() {
        let asin = Asin::parse("B1").unwrap();
        for place in [
            Place { behind: 0, until: None, shown: Some((0, asin)), count: 0 },
            Place {
                behind: (1 << 32) - 2 * Place::BLOCK,
                until: Some((1 << 32) - Place::BLOCK),
                shown: Some((Place::RANK_MAX, asin)),
                count: 999,
            },
            Place { behind: 5 * Place::BLOCK, until: None, shown: None, count: 7 },
        ] {
            let mut query = PageQuery::parse("q=x").unwrap();
            query.after = place.position();
            assert_eq!(Place::of(&query), place);
        }
        let beyond = Place { behind: 1 << 32, until: None, shown: None, count: 0 };
        assert_eq!(beyond.position(), None);
    }
}
