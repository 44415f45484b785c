//! How each kind of dirt is put on a row.

use super::{Dice, Dirt, Record};
use crate::generate::rows::{Column, Row, put_decimal, put_money};

/// Just above the ids of the category file.
const UNKNOWN_CATEGORIES: (u32, u32) = (271, 290);

/// The longest title that importers take.
const TITLE_LEN_MAX: usize = 500;

/// What may be empty; an ASIN, a title and a category must be there.
const OPTIONALS: [Column; 8] = [
    Column::Image,
    Column::Page,
    Column::Stars,
    Column::Reviews,
    Column::Price,
    Column::ListPrice,
    Column::BestSeller,
    Column::Bought,
];

/// Spoils a record in itself. The kinds that concern other rows too are the caller's.
pub(super) fn spoil(dirt: Dirt, row: &Row<'_>, record: &mut Record, dice: &mut Dice) {
    match dirt {
        Dirt::EmptyTitle
        | Dirt::LongTitle
        | Dirt::HtmlEntity
        | Dirt::ControlCharacter
        | Dirt::InvisibleCharacter
        | Dirt::OddSpace
        | Dirt::LooseSpaces
        | Dirt::InvalidUtf8
        | Dirt::StrayQuote
        | Dirt::EmbeddedNewline => spoil_title(dirt, row.title, record, dice),
        Dirt::PriceNotANumber
        | Dirt::PriceNegative
        | Dirt::PriceTooPrecise
        | Dirt::StarsAboveFive
        | Dirt::StarsNotANumber => spoil_number(dirt, row, record, dice),
        Dirt::AsinEmpty
        | Dirt::AsinForbidden
        | Dirt::AsinTooLong
        | Dirt::CategoryEmpty
        | Dirt::CategoryZero
        | Dirt::CategoryNotANumber
        | Dirt::CategoryUnknown
        | Dirt::UrlWithoutScheme
        | Dirt::EmptyOptionals => spoil_reference(dirt, record, dice),
        Dirt::TooFewFields => {
            let left = record.fields.len() - 1 - dice.index(3);
            record.fields.truncate(left);
        }
        Dirt::TooManyFields => {
            let more = 1 + dice.index(2);
            record.fields.extend(vec![b"1".to_vec(); more]);
        }
        Dirt::CrLf => record.line_end = "\r\n",
        Dirt::EmptyLineBefore => record.before = "\n",
        Dirt::DuplicateAsin | Dirt::UnclosedQuote => unreachable!("they need the rows around"),
    }
}

fn spoil_title(dirt: Dirt, title: &str, record: &mut Record, dice: &mut Dice) {
    let (start, end) = title.split_at(middle(title));
    let spoilt = match dirt {
        Dirt::EmptyTitle => String::new(),
        Dirt::LongTitle => {
            let mut long = title.to_owned();
            while long.chars().count() <= TITLE_LEN_MAX {
                long = format!("{long} {title}");
            }
            long
        }
        Dirt::HtmlEntity => {
            let entity = dice.pick(&["&amp;", "&quot;", "&nbsp;", "&#39;", "&eacute;"]);
            format!("{start} {entity}{end}")
        }
        Dirt::ControlCharacter => {
            let control = dice.pick(&["\u{96}", "\u{99}", "\u{80}"]);
            format!("{start}{control}{end}")
        }
        Dirt::InvisibleCharacter => {
            let invisible = dice.pick(&["\u{ad}", "\u{feff}", "\u{200b}"]);
            format!("{start}{invisible}{end}")
        }
        Dirt::OddSpace => {
            let space = dice.pick(&["\u{2002}", "\u{202f}", "\u{3000}"]);
            format!("{start}{space}{end}")
        }
        Dirt::LooseSpaces => match dice.below(3) {
            0 => format!(" {title}"),
            1 => format!("{title} "),
            _ => format!("{start}  {}", end.trim_start()),
        },
        Dirt::EmbeddedNewline => format!("{start}\n{}", end.trim_start()),
        Dirt::StrayQuote => {
            // Not quoted, hence without commas; a quote in front would open a quoted field.
            let bare = |part: &str| part.replace([',', '"'], "");
            record.set(Column::Title, &format!("{} 9\"{}", bare(start), bare(end)));
            return;
        }
        Dirt::InvalidUtf8 => {
            // An é in Latin-1, or a byte that no encoding of text has here. Two bytes in, behind
            // the quote if there is one: titles begin with two ASCII characters.
            let byte = if dice.chance(500_000) { 0xe9 } else { 0xff };
            record.fields[Column::Title as usize].insert(2, byte);
            return;
        }
        _ => unreachable!("{dirt:?} is not in the title"),
    };
    record.set_text(Column::Title, &spoilt);
}

fn spoil_number(dirt: Dirt, row: &Row<'_>, record: &mut Record, dice: &mut Dice) {
    let cents = row.numbers.price_cents;
    match dirt {
        Dirt::PriceNotANumber => {
            record.set(Column::Price, dice.pick(&["N/A", "$19.99", "12.3.4", "free", "1O.99"]));
        }
        Dirt::PriceNegative => record.put(Column::Price, |field| {
            field.push(b'-');
            put_money(cents.max(1), field);
        }),
        Dirt::PriceTooPrecise => {
            // The third decimal is never 0, which could be dropped without loss.
            let thousandths = cents * 10 + dice.within(1, 9);
            record.put(Column::Price, |field| put_decimal(thousandths, 3, field));
        }
        Dirt::StarsAboveFive => {
            let tenths = dice.within(51, 99);
            record.put(Column::Stars, |field| put_decimal(tenths, 1, field));
        }
        Dirt::StarsNotANumber => {
            record.set(Column::Stars, dice.pick(&["N/A", "four", "4.5 out of 5", "NaN", "*****"]));
        }
        _ => unreachable!("{dirt:?} is not in the numbers"),
    }
}

/// Spoils what names something else: ASINs, categories and addresses.
fn spoil_reference(dirt: Dirt, record: &mut Record, dice: &mut Dice) {
    match dirt {
        Dirt::AsinEmpty => record.set(Column::Asin, ""),
        Dirt::AsinForbidden => {
            let forbidden = dice.pick(&["_", "*", "/", "$", "#"]).as_bytes()[0];
            record.fields[Column::Asin as usize][4] = forbidden;
        }
        Dirt::AsinTooLong => {
            record.fields[Column::Asin as usize].extend_from_slice(b"00000000000000");
        }
        Dirt::CategoryEmpty => record.set(Column::Category, ""),
        Dirt::CategoryZero => record.set(Column::Category, "0"),
        Dirt::CategoryNotANumber => {
            record.set(Column::Category, dice.pick(&["Toys", "1O4", "12.5", "#7"]));
        }
        Dirt::CategoryUnknown => {
            let id = dice.within(UNKNOWN_CATEGORIES.0, UNKNOWN_CATEGORIES.1);
            record.set(Column::Category, &id.to_string());
        }
        Dirt::UrlWithoutScheme => {
            let column = if dice.chance(500_000) { Column::Image } else { Column::Page };
            record.fields[column as usize].drain(.."https://".len());
        }
        Dirt::EmptyOptionals => {
            let chosen = dice.within(1, (1 << OPTIONALS.len()) - 1);
            for (bit, column) in OPTIONALS.into_iter().enumerate() {
                if chosen >> bit & 1 == 1 {
                    record.set(column, "");
                }
            }
        }
        _ => unreachable!("{dirt:?} is not in the references"),
    }
}

/// A place inside the title: before the first space of its second half, if there is one.
fn middle(title: &str) -> usize {
    let half = title.floor_char_boundary(title.len() / 2);
    title[half..].find(' ').map_or(half, |space| half + space)
}
