//! Numbers with at most two decimals, kept as whole hundredths.
//!
//! Never a float: `0.1 + 0.2` has no place in a price, and a float's text would
//! differ between SQLite, SQL Server and JSON.

use std::fmt;

use super::Invalid;

/// An amount of money in hundredths: 0.00–99,999,999.99.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

impl Money {
    /// CONTRACT 4: 99,999,999.99; `DECIMAL(10,2)` holds it.
    pub const HUNDREDTHS_MAX: i64 = 9_999_999_999;

    /// Reads `139.99`, `98`, `98.0`; refuses signs, exponents and a third decimal.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, Invalid> {
        hundredths(text)
            .and_then(|value| {
                if value <= Self::HUNDREDTHS_MAX {
                    Ok(value)
                } else {
                    Err("must be at most 99999999.99")
                }
            })
            .map(Self)
            .map_err(|reason| Invalid::new(field, reason))
    }

    /// From a database: `None` if it is no amount that [`Money::parse`] could have made.
    pub fn from_hundredths(value: i64) -> Option<Self> {
        (0..=Self::HUNDREDTHS_MAX).contains(&value).then_some(Self(value))
    }

    /// The amount in hundredths.
    pub fn hundredths(self) -> i64 {
        self.0
    }
}

/// Always two decimals: `98.00`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// A rating in hundredths of a star: 0.00–5.00.
///
/// The data set has tenths only; a client may write `4.25`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stars(u16);

impl Stars {
    /// Five stars.
    pub const HUNDREDTHS_MAX: u16 = 500;

    /// Reads `4.5`, `4`, `4.25`; refuses what is above 5 or has a third decimal.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        hundredths(text)
            .and_then(|value| Self::from_hundredths(value).ok_or("must be between 0 and 5"))
            .map_err(|reason| Invalid::new("stars", reason))
    }

    /// From a database: `None` if it is no rating.
    pub fn from_hundredths(value: i64) -> Option<Self> {
        u16::try_from(value).ok().filter(|value| *value <= Self::HUNDREDTHS_MAX).map(Self)
    }

    /// The rating in hundredths.
    pub fn hundredths(self) -> i64 {
        i64::from(self.0)
    }
}

/// At least one decimal, as in the data set: `4.0`, `4.5`, `4.25`.
impl fmt::Display for Stars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 100, self.0 % 100);
        if rest % 10 == 0 {
            write!(f, "{whole}.{}", rest / 10)
        } else {
            write!(f, "{whole}.{rest:02}")
        }
    }
}

/// Whole hundredths of a plain decimal number; zeros may follow the second decimal.
fn hundredths(text: &str) -> Result<i64, &'static str> {
    const NOT_A_NUMBER: &str = "must be a number such as 12.50";
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if text.starts_with('-') && digits(&text[1..].replacen('.', "", 1)) {
        return Err("must not be negative");
    }
    if !digits(whole) || !digits(fraction) {
        return Err(NOT_A_NUMBER);
    }
    let (kept, cut) = fraction.split_at(fraction.len().min(2));
    if cut.bytes().any(|b| b != b'0') {
        return Err("must have at most two decimals");
    }
    // 12 digits are more than any limit allows and far from overflowing.
    let whole = whole.trim_start_matches('0');
    if whole.len() > 12 {
        return Err("is too large");
    }
    let number = |part: &str| part.bytes().fold(0, |sum, b| sum * 10 + i64::from(b - b'0'));
    let fraction = number(kept) * if kept.len() == 1 { 10 } else { 1 };
    Ok(number(whole) * 100 + fraction)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn money_reads_back_as_it_was_written(value in 0..=Money::HUNDREDTHS_MAX) {
            let money = Money::from_hundredths(value).unwrap();
            prop_assert_eq!(Money::parse("price", &money.to_string()), Ok(money));
        }

        #[test]
        fn stars_read_back_as_they_were_written(value in 0..=500_i64) {
            let stars = Stars::from_hundredths(value).unwrap();
            prop_assert_eq!(Stars::parse(&stars.to_string()), Ok(stars));
        }

        #[test]
        fn any_text_is_an_amount_or_a_refusal(text in "\\PC*") {
            if let Ok(money) = Money::parse("price", &text) {
                prop_assert!((0..=Money::HUNDREDTHS_MAX).contains(&money.hundredths()));
            }
        }
    }

    #[test]
    fn the_forms_of_the_data_set_are_read() {
        for (text, value) in
            [("139.99", 13_999), ("98.0", 9_800), ("0.0", 0), ("7", 700), ("1.500", 150)]
        {
            assert_eq!(Money::parse("price", text).unwrap().hundredths(), value, "{text}");
        }
        assert_eq!(Money::parse("price", "98.0").unwrap().to_string(), "98.00");
        assert_eq!(Stars::parse("4").unwrap().to_string(), "4.0");
        assert_eq!(Stars::parse("4.25").unwrap().to_string(), "4.25");
    }

    #[test]
    fn what_is_no_amount_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", "must be a number"),
            (".5", "must be a number"),
            ("5.", "must be a number"),
            ("1e3", "must be a number"),
            ("+1", "must be a number"),
            ("NaN", "must be a number"),
            ("-1.00", "must not be negative"),
            ("1.005", "two decimals"),
            ("100000000.00", "at most 99999999.99"),
            ("99999999999999999999", "too large"),
        ] {
            let refused = Money::parse("price", text).unwrap_err();
            assert!(refused.reason.contains(reason), "{text}: {refused}");
        }
        assert!(Stars::parse("5.01").unwrap_err().reason.contains("between 0 and 5"));
    }
}
