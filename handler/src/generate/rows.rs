//! Rows as CSV: what a minimally quoting writer gives.
//!
//! Only titles ever need quotes, lines end in LF, and money is in its shortest form ("98.0",
//! "139.99"), as in the real file. Rows are put together in one buffer that goes out in large
//! pieces: nothing is allocated per row.

use std::{io, iter::repeat_n};

use super::{
    Options, Rows,
    asins::{Asin, Codes},
    dice::Dice,
    dirt::Spoiler,
    numbers::{Numbers, numbers},
    plan::{Category, blocks, listed},
    titles::Titles,
};

const CATEGORY_HEADER: &str = "id,category_name\n";
const PRODUCT_HEADER: &str = "asin,title,imgUrl,productURL,stars,reviews,price,listPrice,\
    category_id,isBestSeller,boughtInLastMonth\n";

/// Bytes gathered before they are written: far above the cost of a system call.
const PIECE_LEN: usize = 256 * 1024;
/// The longest record is an overlong title, far below this.
const RECORD_LEN_MAX: usize = 8 * 1024;

/// The columns of a product, in the order of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Asin,
    Title,
    Image,
    Page,
    Stars,
    Reviews,
    Price,
    ListPrice,
    Category,
    BestSeller,
    Bought,
}

impl Column {
    pub(super) const ALL: [Self; 11] = [
        Self::Asin,
        Self::Title,
        Self::Image,
        Self::Page,
        Self::Stars,
        Self::Reviews,
        Self::Price,
        Self::ListPrice,
        Self::Category,
        Self::BestSeller,
        Self::Bought,
    ];
}

/// One product, as yet without any dirt.
pub(super) struct Row<'a> {
    pub(super) asin: Asin,
    pub(super) title: &'a str,
    pub(super) image: Image,
    pub(super) category_id: u16,
    pub(super) numbers: Numbers,
}

impl Row<'_> {
    /// Appends the whole record.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        for column in Column::ALL {
            self.put_field(column, out);
            let last = column == Column::Bought;
            out.push(if last { b'\n' } else { b',' });
        }
    }

    /// Appends one field, quoted if it needs it.
    pub(super) fn put_field(&self, column: Column, out: &mut Vec<u8>) {
        let numbers = &self.numbers;
        match column {
            Column::Asin => out.extend_from_slice(&self.asin),
            Column::Title => put_text(self.title, out),
            Column::Image => self.image.put(out),
            Column::Page => put_page(self.asin, out),
            Column::Stars => put_decimal(numbers.stars_tenths, 1, out),
            Column::Reviews => put_number(numbers.reviews, out),
            Column::Price => put_money(numbers.price_cents, out),
            Column::ListPrice => put_money(numbers.list_price_cents, out),
            Column::Category => put_number(u32::from(self.category_id), out),
            Column::BestSeller => {
                out.extend_from_slice(if numbers.is_best_seller { b"True" } else { b"False" });
            }
            Column::Bought => put_number(numbers.bought_in_last_month, out),
        }
    }
}

/// An invented picture: 11 characters and the rendition.
#[derive(Clone, Copy)]
pub(super) struct Image {
    id: [u8; 11],
    rendition: &'static str,
}

impl Image {
    /// Sample: ids start 71 (35 %), 61 (26 %), 81 (20 %), 51 (10 %), then 91, 41, 31, A1.
    const STARTS: [&str; 20] = [
        "71", "71", "71", "71", "71", "71", "71", "61", "61", "61", "61", "61", "81", "81", "81",
        "81", "51", "51", "91", "41",
    ];
    /// 8 of 64 characters: a '+' in 12 % of the ids, as in the real file.
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
    /// Full file: 1,372,162 different pictures in 1,426,337 rows.
    const REPEATED: u32 = 38_000;

    fn new(dice: &mut Dice, upright: bool) -> Self {
        let mut id = *b"00--------L";
        id[..2].copy_from_slice(dice.pick(&Self::STARTS).as_bytes());
        let mut bits = dice.bits();
        for place in &mut id[2..10] {
            *place = Self::ALPHABET[(bits % 64) as usize];
            bits /= 64;
        }
        let rendition = if dice.chance(2_000) {
            "_MCnd_AC_UL320_"
        } else if upright {
            "_AC_UY218_"
        } else {
            "_AC_UL320_"
        };
        Self { id, rendition }
    }

    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"https://m.media-amazon.com/images/I/");
        out.extend_from_slice(&self.id);
        out.push(b'.');
        out.extend_from_slice(self.rendition.as_bytes());
        out.extend_from_slice(b".jpg");
    }
}

/// Makes the clean rows, one after the other.
struct Maker {
    dice: Dice,
    codes: Codes,
    titles: Titles,
    image: Option<Image>,
    made: u64,
}

impl Maker {
    fn new(options: &Options) -> Self {
        Self {
            dice: Dice::new(options.seed, u64::from(b'r')),
            codes: Codes::new(options),
            titles: Titles::new(),
            image: None,
            made: 0,
        }
    }

    fn next(&mut self, category: &Category) -> Row<'_> {
        let asin = self.codes.asin(self.made);
        self.made += 1;
        let dice = &mut self.dice;
        let image = match self.image {
            Some(image) if dice.chance(Image::REPEATED) => image,
            _ => Image::new(dice, category.department.upright),
        };
        self.image = Some(image);
        let numbers = numbers(dice, category);
        let title = self.titles.next(dice, category);
        Row { asin, title, image, category_id: category.id, numbers }
    }
}

pub(super) fn write_categories(options: &Options, out: &mut impl io::Write) -> io::Result<u64> {
    let mut text = CATEGORY_HEADER.as_bytes().to_vec();
    let mut count = 0;
    for (id, _, (name, _)) in listed(options.asins) {
        put_number(u32::from(id), &mut text);
        text.push(b',');
        put_text(name, &mut text);
        text.push(b'\n');
        count += 1;
    }
    out.write_all(&text)?;
    Ok(count)
}

pub(super) fn write_products(options: &Options, out: &mut impl io::Write) -> io::Result<Rows> {
    let mut maker = Maker::new(options);
    let mut spoiler = Spoiler::new(options);
    let mut text = Vec::with_capacity(PIECE_LEN + RECORD_LEN_MAX);
    text.extend_from_slice(PRODUCT_HEADER.as_bytes());
    for block in blocks(options) {
        for _ in 0..block.rows {
            spoiler.put(maker.next(&block.category), &mut text);
            if text.len() >= PIECE_LEN {
                out.write_all(&text)?;
                text.clear();
            }
        }
    }
    out.write_all(&text)?;
    Ok(spoiler.rows())
}

/// Text, quoted only if a reader would otherwise take it apart.
pub(super) fn put_text(text: &str, out: &mut Vec<u8>) {
    // Read to the end, though the first find would decide: that goes many bytes at a time.
    let has = |wanted: fn(u8) -> bool| text.bytes().fold(false, |found, b| found | wanted(b));
    if !has(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    if has(|byte| byte == b'"') {
        out.extend(text.bytes().flat_map(|byte| repeat_n(byte, 1 + usize::from(byte == b'"'))));
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
}

/// The address of a product's page, which names its ASIN.
pub(super) fn put_page(asin: Asin, out: &mut Vec<u8>) {
    out.extend_from_slice(b"https://www.amazon.com/dp/");
    out.extend_from_slice(&asin);
}

/// Cents in the shortest form that still has a point.
pub(super) fn put_money(cents: u32, out: &mut Vec<u8>) {
    if cents.is_multiple_of(10) {
        put_decimal(cents / 10, 1, out);
    } else {
        put_decimal(cents, 2, out);
    }
}

/// `value` with its last `places` digits behind the point.
pub(super) fn put_decimal(value: u32, places: usize, out: &mut Vec<u8>) {
    let unit = 10_u32.pow(u32::try_from(places).expect("a few places"));
    put_number(value / unit, out);
    out.push(b'.');
    put_digits(value % unit, places, out);
}

fn put_number(value: u32, out: &mut Vec<u8>) {
    let digits = value.checked_ilog10().unwrap_or(0) as usize + 1;
    put_digits(value, digits, out);
}

/// Exactly `count` digits, with zeros in front.
fn put_digits(mut value: u32, count: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + count, b'0');
    for place in out[start..].iter_mut().rev() {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(put: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn money_has_one_place_or_two() {
        let cases =
            [(0, "0.0"), (9800, "98.0"), (13_999, "139.99"), (25_960, "259.6"), (5, "0.05")];
        for (cents, expected) in cases {
            assert_eq!(text(|out| put_money(cents, out)), expected);
        }
        assert_eq!(text(|out| put_decimal(40, 1, out)), "4.0");
    }

    #[test]
    fn text_is_quoted_only_where_it_must_be() {
        let cases = [
            ("Plain | text - with 'marks'", "Plain | text - with 'marks'"),
            ("One, two", "\"One, two\""),
            ("Frame 8\" x 10\"", "\"Frame 8\"\" x 10\"\"\""),
            ("two\nlines", "\"two\nlines\""),
        ];
        for (plain, written) in cases {
            assert_eq!(text(|out| put_text(plain, out)), written);
        }
    }
}
