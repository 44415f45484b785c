//! A file of 100,000 rows against the published figures of the real one.

use std::{collections::HashSet, ops::RangeInclusive};

use super::{CLEAN, Options, products, records};

struct Columns {
    rows: Vec<Vec<String>>,
    bytes: usize,
}

impl Columns {
    fn generate(seed: u64) -> Self {
        let (file, _) = products(Options { rows: 100_000, seed, ..CLEAN });
        let text = |field: Vec<u8>| String::from_utf8(field).unwrap();
        let rows = records(&file).into_iter().skip(1);
        let rows = rows.map(|record| record.into_iter().map(text).collect()).collect();
        Self { rows, bytes: file.len() }
    }

    fn titles(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|row| &*row[1])
    }

    /// Per cent of the rows of which it is true.
    fn share(&self, holds: impl Fn(&[String]) -> bool) -> f64 {
        100.0 * self.rows.iter().filter(|row| holds(row)).count() as f64 / self.rows.len() as f64
    }

    fn titles_with(&self, text: &str) -> f64 {
        self.share(|row| row[1].contains(text))
    }

    fn numbers(&self, column: usize) -> Numbers {
        Numbers::new(self.rows.iter().map(|row| row[column].parse().unwrap()).collect())
    }
}

/// Ascending.
struct Numbers(Vec<f64>);

impl Numbers {
    fn new(mut numbers: Vec<f64>) -> Self {
        numbers.sort_by(f64::total_cmp);
        Self(numbers)
    }

    fn quantile(&self, per_cent: usize) -> f64 {
        self.0[(self.0.len() * per_cent / 100).min(self.0.len() - 1)]
    }

    fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    fn max(&self) -> f64 {
        self.quantile(100)
    }

    fn zeros(&self) -> f64 {
        100.0 * self.0.iter().filter(|number| **number == 0.0).count() as f64 / self.0.len() as f64
    }

    fn without_zeros(&self) -> Self {
        Self(self.0.iter().copied().filter(|number| *number > 0.0).collect())
    }
}

#[track_caller]
fn assert_in(what: &str, value: f64, expected: RangeInclusive<f64>) {
    assert!(expected.contains(&value), "{what}: {value}, not in {expected:?}");
}

#[test]
fn numbers_are_spread_like_the_real_ones() {
    for seed in [1, 2] {
        let columns = Columns::generate(seed);
        check_ratings(&columns);
        check_money(&columns);
        check_sales(&columns);
        assert_in("bytes a row", columns.bytes as f64 / 1e5, 256.0..=271.0);
    }
}

fn check_ratings(columns: &Columns) {
    let stars = columns.numbers(4);
    assert_in("stars", stars.mean(), 3.9..=4.05);
    assert_in("no stars", stars.zeros(), 9.0..=10.0);
    for (per_cent, quartile) in [(25, 4.1), (50, 4.4), (75, 4.6)] {
        assert_in("stars", stars.quantile(per_cent), quartile..=quartile);
    }
    assert!(stars.without_zeros().quantile(0) >= 1.0 && stars.max() <= 5.0);
    assert!(columns.rows.iter().all(|row| row[4].len() == 3), "one decimal");
    let reviews = columns.numbers(5);
    assert_in("no reviews", reviews.zeros(), 75.0..=83.0);
    assert_in("reviews p50", reviews.without_zeros().quantile(50), 110.0..=230.0);
    assert_in("reviews p90", reviews.without_zeros().quantile(90), 1_400.0..=2_700.0);
    assert_in("reviews", reviews.mean(), 130.0..=240.0);
    assert!(columns.rows.iter().all(|row| row[4] != "0.0" || row[5] == "0"));
    let categories = |reviewed| -> HashSet<&str> {
        let rows = columns.rows.iter().filter(|row| (row[5] != "0") == reviewed);
        rows.map(|row| &*row[8]).collect()
    };
    let never = categories(false).difference(&categories(true)).count();
    assert!((160..200).contains(&never), "{never} categories without reviews");
}

fn check_money(columns: &Columns) {
    let prices = columns.numbers(6);
    assert_in("no price", prices.zeros(), 1.8..=2.2);
    assert_in("price p25", prices.quantile(25), 10.99..=12.99);
    assert_in("price p50", prices.quantile(50), 18.99..=20.99);
    assert_in("price p75", prices.quantile(75), 33.99..=37.99);
    assert_in("price", prices.mean(), 39.0..=47.0);
    assert!(prices.max() <= 19_731.81);
    assert_in(".99", columns.share(|row| row[6].ends_with(".99")), 52.0..=63.0);
    assert_in(".0", columns.share(|row| row[6].ends_with(".0")), 6.0..=10.0);
    let list_prices = columns.numbers(7);
    assert_in("no list price", list_prices.zeros(), 75.0..=78.0);
    assert_in("list price", list_prices.mean(), 11.0..=15.0);
    assert!(list_prices.max() < 1_000.0);
    let below = |row: &[String]| {
        let [price, list] = [6, 7].map(|column| row[column].parse::<f64>().unwrap());
        list > 0.0 && list < price
    };
    assert_in("list price below the price", columns.share(below), 0.005..=0.1);
    assert!(columns.rows.iter().all(|row| row[6] != "0.0" || row[7] == "0.0"));
}

fn check_sales(columns: &Columns) {
    assert_in("best sellers", columns.share(|row| row[9] == "True"), 0.5..=0.7);
    let bought = columns.numbers(10);
    assert_in("not bought", bought.zeros(), 50.0..=75.0);
    assert_in("bought p75", bought.quantile(75), 50.0..=50.0);
    assert_in("bought", bought.mean(), 100.0..=180.0);
    let on_the_ladder = |number: &f64| {
        let digits = format!("{number}");
        digits == "0" || digits == "50" || digits == "100000" || {
            let zeros = digits.len() - 1;
            (2..=4).contains(&zeros) && digits[1..].bytes().all(|digit| digit == b'0')
        }
    };
    assert!(bought.0.iter().all(on_the_ladder));
    assert!(columns.rows.iter().map(|row| &row[8]).collect::<HashSet<_>>().len() == 248);
}

#[test]
fn titles_are_made_like_the_real_ones() {
    let columns = Columns::generate(4);
    let lengths =
        Numbers::new(columns.titles().map(|title| title.chars().count() as f64).collect());
    assert_in("length", lengths.mean(), 116.0..=126.0);
    let expected = [(1, 22.0), (5, 38.0), (10, 50.0), (25, 83.0), (50, 134.0)];
    // Shorter than the sample in the lower half, as the mean of the full file is.
    for (per_cent, length) in expected {
        let lengths = lengths.quantile(per_cent);
        assert_in("length", lengths, length * 0.85 - 1.0..=length * 1.1);
    }
    for (per_cent, length) in [(75, 177.0), (90, 194.0), (95, 198.0), (99, 200.0)] {
        assert_in("length", lengths.quantile(per_cent), length - 9.0..=length + 2.0);
    }
    assert_in("longest", lengths.max(), 300.0..=352.0);
    assert_in("over 200", columns.share(|row| row[1].chars().count() > 200), 0.5..=0.7);
    let words = columns.titles().map(|title| title.split(' ').count()).sum::<usize>();
    assert_in("words", words as f64 / 1e5, 18.0..=22.0);

    assert_in("comma", columns.titles_with(","), 65.0..=69.0);
    assert_in("quote", columns.titles_with("\""), 5.5..=6.5);
    assert_in("apostrophe", columns.titles_with("'"), 5.5..=8.0);
    assert_in("pipe", columns.titles_with("|"), 3.5..=4.5);
    assert_in("not ASCII", columns.share(|row| !row[1].is_ascii()), 7.0..=8.5);
    for character in "–”®’°（），é™…—×".chars() {
        assert_in("each of them", columns.titles_with(&character.to_string()), 0.1..=2.0);
    }
    let different = columns.titles().collect::<HashSet<_>>().len();
    assert_in("different titles", different as f64 / 1e3, 96.0..=98.5);
}

#[test]
fn addresses_have_the_real_form() {
    let columns = Columns::generate(6);
    for row in &columns.rows {
        assert_eq!(row[3], format!("https://www.amazon.com/dp/{}", row[0]));
        let image = row[2].strip_prefix("https://m.media-amazon.com/images/I/").unwrap();
        assert!(image.len() == 26 || image[11..] == *"._MCnd_AC_UL320_.jpg", "{image}");
    }
    assert_in("plus", columns.share(|row| row[2].contains('+')), 10.0..=14.0);
    assert_in("upright", columns.share(|row| row[2].contains("_AC_UY218_")), 8.0..=16.0);
    let different = columns.rows.iter().map(|row| &row[2]).collect::<HashSet<_>>().len();
    assert_in("different images", different as f64 / 1e3, 95.5..=97.0);
    assert_in("books", columns.share(|row| !row[0].starts_with("B0")), 0.1..=0.1);
    assert_in("B07", columns.share(|row| row[0].starts_with("B07")), 20.0..=22.0);
    assert!(!columns.rows.is_sorted_by_key(|row| &row[0]));
}
