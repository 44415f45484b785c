//! ASINs: unique over the whole file, in no order, and none of them remembered.
//!
//! The number of a row is run through a permutation, and the result written in base 36. Two
//! rows have different numbers, hence different codes; a set of those already used would be
//! the one thing here that grows with the file.

use super::{
    Asins, Options,
    dice::{Dice, mix},
};

pub(super) type Asin = [u8; 10];

/// More rows than this would need codes that no longer fit: two hundred thousand million.
pub(super) const ROWS_MAX: u64 = 200_000_000_000;

const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The third character and its share in per cent (facts: B07 21 %, B00, B09 and B08 16 %, ...).
const THIRD: [(u8, u64); 8] =
    [(b'7', 21), (b'0', 16), (b'9', 16), (b'8', 16), (b'B', 15), (b'C', 8), (b'1', 7), (b'6', 1)];

/// Codes behind each per cent of [`THIRD`]; seven digits hold `36 * PER_CENT` of them, which is
/// more than the 21 per cent of the commonest character.
const PER_CENT: u64 = 36_u64.pow(6);
const SEVEN_DIGITS: u64 = 36_u64.pow(7);

/// Turns the low digits of a code over: odd and no multiple of 3, hence prime to 36, so the
/// multiplication maps the seven digits one to one.
const SPREAD: u64 = 0x9_e377_9b95;
const _: () = assert!(!SPREAD.is_multiple_of(2) && !SPREAD.is_multiple_of(3));

/// One row in so many is a book, named by its ISBN: 0.1-0.2 % of the real rows are.
const BOOK_EVERY: u64 = 1_000;
const ISBN_BODIES: u64 = 1_000_000_000;

/// The ASIN of every row number.
pub(super) struct Codes {
    kind: Asins,
    products: Permutation,
    books: Permutation,
    book_key: u64,
}

impl Codes {
    pub(super) fn new(options: &Options) -> Self {
        let mut dice = Dice::new(options.seed, u64::from(b'a'));
        Self {
            kind: options.asins,
            products: Permutation::new(100 * PER_CENT, &mut dice),
            books: Permutation::new(ISBN_BODIES, &mut dice),
            book_key: dice.bits(),
        }
    }

    /// `row` counts from 0 and is below [`ROWS_MAX`].
    pub(super) fn asin(&self, row: u64) -> Asin {
        if self.kind == Asins::Sample {
            return sample(row + 1);
        }
        // One of each thousand, anywhere in it: then the thousand is the book's own number.
        let thousand = row / BOOK_EVERY;
        if mix(self.book_key ^ thousand) % BOOK_EVERY == row % BOOK_EVERY {
            isbn(self.books.of(thousand))
        } else {
            product(self.products.of(row))
        }
    }
}

/// `SAMPLE0001` and on; from 10,000 the digits eat the letters from behind.
fn sample(number: u64) -> Asin {
    let mut asin = *b"SAMPLE0000";
    let mut rest = number;
    for place in asin.iter_mut().rev() {
        if rest == 0 {
            break;
        }
        *place = digit(rest % 10);
        rest /= 10;
    }
    asin
}

fn product(index: u64) -> Asin {
    let (third, first, width) = third_character(index % 100);
    // `width` numbers share this character; interleaved they are still all different.
    let number = (index / 100) * width + (index % 100 - first);
    let wide = u128::from(number) * u128::from(SPREAD) % u128::from(SEVEN_DIGITS);
    let mut rest = u64::try_from(wide).expect("a remainder of seven digits");
    let mut asin = *b"B000000000";
    asin[2] = third;
    for place in asin[3..].iter_mut().rev() {
        *place = digit(rest % 36);
        rest /= 36;
    }
    asin
}

/// The character, and the first and the number of the per cents that it owns.
fn third_character(per_cent: u64) -> (u8, u64, u64) {
    let mut first = 0;
    for (character, width) in THIRD {
        if per_cent < first + width {
            return (character, first, width);
        }
        first += width;
    }
    unreachable!("the shares add up to 100")
}

/// Nine digits and their check character, which is X for ten.
fn isbn(body: u64) -> Asin {
    let mut asin = *b"0000000000";
    let mut rest = body;
    let mut sum = 0;
    for (place, weight) in asin[..9].iter_mut().rev().zip(2..) {
        *place = digit(rest % 10);
        sum += weight * (rest % 10);
        rest /= 10;
    }
    asin[9] = match (11 - sum % 11) % 11 {
        10 => b'X',
        check => digit(check),
    };
    asin
}

fn digit(value: u64) -> u8 {
    let value = usize::try_from(value).expect("a digit");
    DIGITS[value]
}

/// A keyed one-to-one mapping of `0..size` onto itself: a Feistel network over the next even
/// number of bits, applied again while it leads outside.
struct Permutation {
    size: u64,
    half_bits: u32,
    keys: [u64; 4],
}

impl Permutation {
    fn new(size: u64, dice: &mut Dice) -> Self {
        let half_bits = (u64::BITS - (size - 1).leading_zeros()).div_ceil(2);
        Self { size, half_bits, keys: std::array::from_fn(|_| dice.bits()) }
    }

    fn of(&self, number: u64) -> u64 {
        assert!(number < self.size);
        // The start lies inside, so its cycle comes back inside at the latest there.
        let mut number = self.round_trip(number);
        while number >= self.size {
            number = self.round_trip(number);
        }
        number
    }

    fn round_trip(&self, number: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (number >> self.half_bits, number & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mix(right ^ key) & mask));
        }
        left << self.half_bits | right
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn codes(asins: Asins, seed: u64) -> Codes {
        Codes::new(&Options { rows: 0, seed, dirty_per_mille: 0, asins })
    }

    fn is_plain(asin: &Asin) -> bool {
        asin.iter().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
    }

    #[test]
    fn a_million_asins_are_all_different() {
        let codes = codes(Asins::Random, 7);
        let mut seen = HashSet::with_capacity(1_000_000);
        for row in 0..1_000_000 {
            let asin = codes.asin(row);
            assert!(is_plain(&asin));
            assert!(seen.insert(asin), "row {row}");
        }
        let books = seen.iter().filter(|asin| asin[0] != b'B').count();
        assert_eq!(books, 1_000);
        assert!(seen.iter().any(|asin| asin[0] != b'B' && asin[9] == b'X'));
    }

    /// Uniqueness rests on this at every size, not only where a set still fits into memory.
    #[test]
    fn a_permutation_reaches_every_number_once() {
        for size in [1, 2, 5, 1_000, 65_537] {
            let permutation = Permutation::new(size, &mut Dice::new(size, 0));
            let reached: HashSet<u64> = (0..size).map(|number| permutation.of(number)).collect();
            assert_eq!(reached.len() as u64, size);
            assert!(reached.iter().all(|number| *number < size));
        }
    }

    #[test]
    fn the_last_row_has_a_code() {
        let codes = codes(Asins::Random, 1);
        assert!((ROWS_MAX - 2_000..ROWS_MAX).all(|row| is_plain(&codes.asin(row))));
        assert_eq!(THIRD.iter().map(|(_, share)| share).sum::<u64>(), 100);
    }

    #[test]
    fn samples_are_counted_from_one() {
        let codes = codes(Asins::Sample, 1);
        assert_eq!(&codes.asin(0), b"SAMPLE0001");
        assert_eq!(&codes.asin(9_998), b"SAMPLE9999");
        assert_eq!(&codes.asin(9_999), b"SAMPL10000");
    }

    #[test]
    fn an_isbn_carries_its_check_character() {
        assert_eq!(&isbn(30_640_615), b"0306406152");
        assert_eq!(&isbn(80_442_957), b"080442957X");
    }
}
