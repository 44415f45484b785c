//! Chance: whole numbers from a stream that stays the same for ever.
//!
//! A seed promises the same bytes on every machine and after every upgrade. So the only thing
//! taken from a crate is the PCG stream itself, whose values are part of its definition; ranges
//! and distributions are made here, of integers, since library ones may change their algorithm
//! and the logarithms of two platforms may differ in the last bit.

use rand_pcg::{
    Pcg64Mcg,
    rand_core::{Rng, SeedableRng},
};

/// One in so many: the unit of every probability and every table here.
pub(super) const MILLION: u32 = 1_000_000;

/// Ascending `(share of the population in millionths, value)`: quantiles with
/// [`Dice::between`], upper bounds of steps with [`Dice::step`]. The last share is a million.
pub(super) type Table = [(u32, u32)];

pub(super) struct Dice(Pcg64Mcg);

impl Dice {
    /// Two purposes of one seed get streams of their own, so that a draw more in one moves
    /// nothing in the other.
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        let key = mix(seed ^ mix(purpose));
        let mut state = [0; 16];
        state[..8].copy_from_slice(&key.to_le_bytes());
        state[8..].copy_from_slice(&mix(key).to_le_bytes());
        Self(Pcg64Mcg::from_seed(state))
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `0..bound`, up to a bias of `bound` in 2^32: at most 1 in 4,000 here.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let high = self.bits() >> 32;
        narrow((high * u64::from(bound)) >> 32)
    }

    pub(super) fn within(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low + 1)
    }

    pub(super) fn chance(&mut self, per_million: u32) -> bool {
        self.below(MILLION) < per_million
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.index(choices.len())]
    }

    pub(super) fn index(&mut self, len: usize) -> usize {
        let len = u32::try_from(len).expect("lists of words are short");
        self.below(len) as usize
    }

    /// A value between the quantiles, on a straight line from one to the next.
    pub(super) fn between(&mut self, quantiles: &Table) -> u32 {
        let share = self.below(MILLION);
        interpolate(quantiles, share)
    }

    /// The value of the first step that reaches above the draw.
    pub(super) fn step(&mut self, steps: &Table) -> u32 {
        let share = self.below(MILLION);
        steps[above(steps, share)].1
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.index(end + 1));
        }
    }
}

/// The first entry whose share is above this one, which a million always is.
fn above(table: &Table, share: u32) -> usize {
    table.partition_point(|(bound, _)| *bound <= share)
}

/// The value at `share` of a table of quantiles.
pub(super) fn interpolate(quantiles: &Table, share: u32) -> u32 {
    let above = above(quantiles, share);
    let (from, low) = quantiles[above - 1];
    let (to, high) = quantiles[above];
    let part = u64::from(high - low) * u64::from(share - from) / u64::from(to - from);
    low + narrow(part)
}

/// The finalizer of `SplitMix64`: every bit of the result depends on every bit of the argument.
pub(super) const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).expect("a product of 32 bits shifted right by 32")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stream is the promise: a crate upgrade that alters it must not pass.
    #[test]
    fn the_stream_is_pinned() {
        let mut dice = Dice::new(1, 2);
        let drawn: Vec<u32> = (0..4).map(|_| dice.below(1000)).collect();
        assert_eq!(drawn, [66, 735, 890, 573]);
    }

    #[test]
    fn quantiles_are_met_and_joined_by_lines() {
        let table = [(0, 10), (500_000, 20), (MILLION, 120)];
        let at = |share| interpolate(&table, share);
        assert_eq!((at(0), at(250_000), at(500_000), at(999_999)), (10, 15, 20, 119));
    }
}
