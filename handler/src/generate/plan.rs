//! Which categories a file has products of, in which order, and how many of each.
//!
//! The real file comes in blocks, one category after the other in no order, with a few
//! categories in several blocks. What rows of a category have in common, such as having no
//! reviews at all, is decided here too.

use super::{
    Asins, Options,
    departments::{Department, Shelf, shelves},
    dice::Dice,
};

/// Rows a category has at least before the next one gets any, so that a small file has few
/// categories with a page each; the head of the real file was cut the same way.
const ROWS_A_CATEGORY: u64 = 20;
/// The sample data's categories, all of them used.
const SAMPLE_CATEGORIES: usize = 5;

/// One category of clothing has 141,291 of the 1,426,337 real rows, the others 5,203 on average.
const GIANT_ID: u16 = 110;
const GIANT_SHARE_DIVISOR: u64 = 9;
/// Where in the order of blocks the giant stands: far enough back that small files lack it.
const GIANT_POSITION: usize = 40;
/// Sizes of the others at full scale: 3,500 upwards, thinning out towards 8,600.
const SIZE_MIN: u32 = 3_500;
const SIZE_SPAN: u32 = 5_109;

/// Positions whose category comes in two blocks or three: 248 categories make 252 runs.
const SPLITS: [(usize, u64); 3] = [(10, 3), (60, 2), (120, 2)];

/// Whether the rows of a category have reviews.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reviewed {
    Never,
    Partly,
    Always,
}

/// What the rows of one category have in common.
#[derive(Clone, Copy)]
pub(super) struct Category {
    pub(super) id: u16,
    pub(super) department: &'static Department,
    pub(super) nouns: &'static [&'static str; 3],
    pub(super) reviewed: Reviewed,
    /// False where nothing is ever reported as bought last month.
    pub(super) sells: bool,
}

/// Consecutive rows of one category.
pub(super) struct Block {
    pub(super) category: Category,
    pub(super) rows: u64,
}

/// The categories that the category file of these options lists.
pub(super) fn listed(
    asins: Asins,
) -> impl Iterator<Item = (u16, &'static Department, &'static Shelf)> {
    let count = if asins == Asins::Sample { SAMPLE_CATEGORIES } else { usize::MAX };
    shelves().take(count)
}

/// The blocks of the product file, in order; their rows add up to `options.rows`.
pub(super) fn blocks(options: &Options) -> Vec<Block> {
    let mut dice = Dice::new(options.seed, u64::from(b'p'));
    let order = order(options, &mut dice);
    let mut weighted: Vec<(Category, u64)> = order
        .into_iter()
        .enumerate()
        .map(|(position, (id, department, shelf))| {
            (category(position, id, department, shelf), size(&mut dice))
        })
        .collect();
    // A share of the others, not a number: in a file of few categories it stays one in ten.
    let others: u64 = weighted.iter().filter(|(c, _)| c.id != GIANT_ID).map(|(_, w)| w).sum();
    for (_, weight) in weighted.iter_mut().filter(|(category, _)| category.id == GIANT_ID) {
        *weight = (others / GIANT_SHARE_DIVISOR).max(1);
    }
    split(&mut weighted);
    apportion(&weighted, options.rows)
}

/// The categories used, in the order of their first blocks.
fn order(options: &Options, dice: &mut Dice) -> Vec<(u16, &'static Department, &'static Shelf)> {
    let mut order: Vec<_> = listed(options.asins).collect();
    dice.shuffle(&mut order);
    if let Some(giant) = order.iter().position(|(id, ..)| *id == GIANT_ID) {
        order.swap(giant, GIANT_POSITION);
    }
    let affordable = usize::try_from(options.rows / ROWS_A_CATEGORY).unwrap_or(usize::MAX);
    order.truncate(affordable.max(SAMPLE_CATEGORIES));
    order
}

/// Kinds are dealt by position, so that any seed and any number of categories get their shares.
fn category(
    position: usize,
    id: u16,
    department: &'static Department,
    shelf: &'static Shelf,
) -> Category {
    // 40 of 248 categories always, 32 partly: with the shares in `numbers` 79 % of rows have none.
    let reviewed = match position % 31 {
        1 | 7 | 13 | 19 | 25 => Reviewed::Always,
        4 | 11 | 17 | 28 => Reviewed::Partly,
        _ => Reviewed::Never,
    };
    // 24 of 248: the real sample has 26 categories without any sale.
    let sells = !matches!(position % 31, 3 | 15 | 27);
    Category { id, department, nouns: &shelf.1, reviewed, sells }
}

/// The lesser of two draws would thin out linearly; the square thins out faster at the top.
fn size(dice: &mut Dice) -> u64 {
    let draw = dice.below(1_000);
    u64::from(SIZE_MIN + SIZE_SPAN * draw / 1_000 * draw / 1_000)
}

/// Moves parts of a few categories to later places. A file too short for it keeps them whole.
fn split(weighted: &mut Vec<(Category, u64)>) {
    let count = weighted.len();
    // Backwards: an insertion shifts only the positions behind it.
    for (position, parts) in SPLITS.into_iter().rev() {
        if count < position + 40 {
            continue;
        }
        let (category, weight) = weighted[position];
        weighted[position].1 = weight - weight / parts * (parts - 1);
        for part in (1..parts).rev() {
            let gap = usize::try_from(part).expect("two or three parts") * 15;
            weighted.insert(position + gap, (category, weight / parts));
        }
    }
}

/// Shares `rows` out by weight. Cumulative rounding: the sum is exact and nobody is off by
/// more than one.
fn apportion(weighted: &[(Category, u64)], rows: u64) -> Vec<Block> {
    let total: u64 = weighted.iter().map(|(_, weight)| weight).sum();
    let up_to = |weight: u64| {
        let share = u128::from(rows) * u128::from(weight) / u128::from(total);
        u64::try_from(share).expect("no more than all rows")
    };
    let mut before = 0;
    let mut block = |(category, weight): &(Category, u64)| {
        let first = up_to(before);
        before += weight;
        Block { category: *category, rows: up_to(before) - first }
    };
    weighted.iter().map(&mut block).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn plan(rows: u64, seed: u64, asins: Asins) -> Vec<Block> {
        blocks(&Options { rows, seed, dirty_per_mille: 0, asins })
    }

    fn ids(blocks: &[Block]) -> HashSet<u16> {
        blocks.iter().filter(|block| block.rows > 0).map(|block| block.category.id).collect()
    }

    #[test]
    fn blocks_of_a_full_file_have_the_real_sizes() {
        for seed in 0..20 {
            let blocks = plan(1_426_337, seed, Asins::Random);
            assert_eq!(blocks.iter().map(|block| block.rows).sum::<u64>(), 1_426_337);
            assert_eq!((blocks.len(), ids(&blocks).len()), (252, 248));
            assert!(!blocks.is_sorted_by_key(|block| block.category.id));
            assert!(blocks.windows(2).all(|pair| pair[0].category.id != pair[1].category.id));
            let mut sizes: Vec<u64> = blocks.iter().map(|block| block.rows).collect();
            sizes.sort_unstable();
            assert!((139_000..146_000).contains(&sizes[251]), "{}", sizes[251]);
            assert!((3_300..3_800).contains(&sizes[7]), "{}", sizes[7]);
            assert!((8_200..9_300).contains(&sizes[250]), "{}", sizes[250]);
        }
    }

    #[test]
    fn small_files_have_few_categories() {
        assert_eq!(ids(&plan(1_000, 1, Asins::Random)).len(), 50);
        assert_eq!(ids(&plan(50, 1, Asins::Random)).len(), 5);
        for rows in 0..50 {
            let blocks = plan(rows, rows, Asins::Random);
            assert_eq!(blocks.iter().map(|block| block.rows).sum::<u64>(), rows);
        }
    }

    #[test]
    fn sample_rows_use_the_first_five_categories() {
        assert_eq!(ids(&plan(50, 3, Asins::Sample)), HashSet::from([1, 2, 3, 4, 5]));
        assert_eq!(ids(&plan(50_000, 3, Asins::Sample)), HashSet::from([1, 2, 3, 4, 5]));
    }

    #[test]
    fn the_giant_is_listed_and_sells_clothing() {
        let giant = shelves().find(|(id, ..)| *id == GIANT_ID).unwrap();
        assert!(giant.1.clothing && GIANT_POSITION % 31 == 9, "{}", giant.2.0);
    }
}
