//! Stars, reviews, prices and sales, drawn from tables of the real file's quantiles.
//!
//! "Full file" are the published figures of the 1,426,337 real rows, "sample" a count over
//! 91,148 of them. Shares are in millionths, money in cents, stars in tenths.

use super::{
    departments::Cost,
    dice::{Dice, MILLION, Table, interpolate},
    plan::{Category, Reviewed},
};

/// Full file: 79.3 % of rows without a review; the categories that have them "partly" bring
/// the share down from 81 %.
const PARTLY_REVIEWED: u32 = 550_000;

/// Full file: mean 871 of the rows that have any, maximum 346,563. Sample, which lacks those
/// below 5: p50 206, p75 820, p90 2,593, p99 15,555.
const REVIEWS: &Table = &[
    (0, 1),
    (100_000, 8),
    (250_000, 33),
    (500_000, 130),
    (750_000, 520),
    (900_000, 1_700),
    (950_000, 3_200),
    (970_000, 4_700),
    (990_000, 9_800),
    (995_000, 14_500),
    (999_000, 32_000),
    (999_900, 90_000),
    (MILLION, 346_563),
];

/// Rows without reviews have no stars either in this share: 9.5 % of all rows, as the mean and
/// the deviation of the full file imply. A row with reviews always has stars.
const NO_STARS: u32 = 120_000;

/// Full file: p25 4.1, p50 4.4, p75 4.6, mean 4.42 without the zeros; sample: every tenth
/// occurs, and 5.0 is a small peak.
const STARS: &Table = &[
    (2_000, 10),
    (2_500, 11),
    (3_000, 12),
    (3_500, 13),
    (4_000, 14),
    (4_500, 15),
    (5_000, 16),
    (5_500, 17),
    (6_000, 18),
    (6_500, 19),
    (9_000, 20),
    (9_800, 21),
    (10_600, 22),
    (11_400, 23),
    (12_200, 24),
    (13_000, 25),
    (13_800, 26),
    (14_600, 27),
    (15_400, 28),
    (16_200, 29),
    (20_000, 30),
    (22_000, 31),
    (25_000, 32),
    (28_500, 33),
    (33_000, 34),
    (40_000, 35),
    (48_000, 36),
    (59_000, 37),
    (74_000, 38),
    (94_000, 39),
    (122_000, 40),
    (180_000, 41),
    (252_000, 42),
    (352_000, 43),
    (480_000, 44),
    (630_000, 45),
    (795_000, 46),
    (905_000, 47),
    (955_000, 48),
    (970_000, 49),
    (MILLION, 50),
];

/// Sample: 2.0 % of prices are zero.
const NO_PRICE: u32 = 20_000;

/// Full file: p25 11.99, p50 19.95, p75 35.99, mean 43.38, maximum 19,731.81. Only the dollars
/// are taken from here: a quarter of the rows costs less than 12 dollars, so p25 is 1200.
const PRICES: &Table = &[
    (0, 100),
    (10_000, 300),
    (50_000, 600),
    (100_000, 800),
    (250_000, 1_225),
    (500_000, 2_030),
    (750_000, 3_600),
    (900_000, 6_900),
    (950_000, 12_000),
    (975_000, 20_000),
    (990_000, 41_000),
    (995_000, 62_000),
    (999_000, 130_000),
    (999_900, 330_000),
    (999_990, 800_000),
    (MILLION, 1_973_082),
];

/// Sample: .99 52-63 %, .00 4-8 %, .95 5 %, .98 4 %, .97 2-3 %, .49 2 %; 100 stands for any.
const CENTS: &Table = &[
    (580_000, 99),
    (645_000, 0),
    (695_000, 95),
    (735_000, 98),
    (760_000, 97),
    (780_000, 49),
    (795_000, 50),
    (MILLION, ANY_CENTS),
];
const ANY_CENTS: u32 = 100;

/// Full file: at least 75 % of list prices are zero; 24.5 % leaves room for those dropped
/// because they would pass the limit.
const LISTED: u32 = 245_000;
/// Per cent off the list price. Sample: p10 9, p25 14, p50 23, p75 34, p90 46, maximum 79.
const DISCOUNT: &Table = &[
    (0, 2),
    (100_000, 9),
    (250_000, 14),
    (500_000, 23),
    (750_000, 34),
    (900_000, 46),
    (MILLION, 79),
];
/// Of 2,159 list prices in the sample 4 equal the price and 3 are lower.
const LIST_EQUAL: u32 = 1_900;
const LIST_LOWER: u32 = 1_400;
/// No real list price has four digits before the point.
const LIST_PRICE_MAX: u32 = 99_999;

/// Full file: p50 0, p75 50, mean 142, maximum 100,000; no other numbers occur. The zeros of
/// the categories that report no sales come on top.
const BOUGHT: &Table = &[
    (575_000, 0),
    (741_000, 50),
    (835_000, 100),
    (892_000, 200),
    (922_000, 300),
    (938_000, 400),
    (949_000, 500),
    (957_000, 600),
    (963_000, 700),
    (967_500, 800),
    (970_500, 900),
    (985_000, 1_000),
    (992_000, 2_000),
    (995_000, 3_000),
    (996_500, 4_000),
    (997_400, 5_000),
    (998_000, 6_000),
    (998_400, 7_000),
    (998_700, 8_000),
    (998_800, 9_000),
    (999_700, 10_000),
    (999_850, 20_000),
    (999_920, 30_000),
    (999_950, 40_000),
    (999_965, 50_000),
    (999_975, 60_000),
    (999_982, 70_000),
    (999_987, 80_000),
    (999_991, 90_000),
    (MILLION, 100_000),
];

/// Full file: 0.60 %.
const BEST_SELLERS: u32 = 6_000;

/// The numbers of one row.
pub(super) struct Numbers {
    pub(super) stars_tenths: u32,
    pub(super) reviews: u32,
    pub(super) price_cents: u32,
    pub(super) list_price_cents: u32,
    pub(super) is_best_seller: bool,
    pub(super) bought_in_last_month: u32,
}

pub(super) fn numbers(dice: &mut Dice, category: &Category) -> Numbers {
    let reviews = reviews(dice, category.reviewed);
    let price_cents = price(dice, category.department.cost);
    Numbers {
        stars_tenths: stars(dice, reviews),
        reviews,
        price_cents,
        list_price_cents: list_price(dice, price_cents),
        is_best_seller: dice.chance(BEST_SELLERS),
        bought_in_last_month: if category.sells { dice.step(BOUGHT) } else { 0 },
    }
}

fn reviews(dice: &mut Dice, reviewed: Reviewed) -> u32 {
    let has_any = match reviewed {
        Reviewed::Never => false,
        Reviewed::Partly => dice.chance(PARTLY_REVIEWED),
        Reviewed::Always => true,
    };
    if has_any { dice.between(REVIEWS) } else { 0 }
}

fn stars(dice: &mut Dice, reviews: u32) -> u32 {
    if reviews == 0 && dice.chance(NO_STARS) { 0 } else { dice.step(STARS) }
}

fn price(dice: &mut Dice, cost: Cost) -> u32 {
    if dice.chance(NO_PRICE) {
        return 0;
    }
    // The lower of two draws, or the higher: with as many cheap as dear categories the
    // densities add up to the flat one, and the whole file keeps the quantiles.
    let (one, other) = (dice.below(MILLION), dice.below(MILLION));
    let share = match cost {
        Cost::Cheap => one.min(other),
        Cost::Usual => one,
        Cost::Dear => one.max(other),
    };
    let dollars = interpolate(PRICES, share) / 100;
    dollars * 100 + cents(dice)
}

fn cents(dice: &mut Dice) -> u32 {
    match dice.step(CENTS) {
        ANY_CENTS => dice.below(100),
        cents => cents,
    }
}

fn list_price(dice: &mut Dice, price_cents: u32) -> u32 {
    if price_cents == 0 || !dice.chance(LISTED) {
        return 0;
    }
    let kind = dice.below(MILLION);
    let cents = if kind < LIST_EQUAL {
        price_cents
    } else if kind < LIST_EQUAL + LIST_LOWER {
        price_cents - price_cents / 10
    } else {
        let full = price_cents * 100 / (100 - dice.between(DISCOUNT));
        // Rounding up to .99 cannot bring it below the price again.
        if dice.chance(600_000) { full / 100 * 100 + 99 } else { full }
    };
    if cents > LIST_PRICE_MAX { 0 } else { cents }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_ascend_to_a_million() {
        for table in [REVIEWS, STARS, PRICES, DISCOUNT, BOUGHT] {
            assert!(table.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1));
            assert_eq!(table.last().unwrap().0, MILLION);
        }
        assert!(CENTS.is_sorted_by(|a, b| a.0 < b.0) && CENTS.last().unwrap().0 == MILLION);
    }
}
