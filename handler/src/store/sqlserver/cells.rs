//! Values of a row, read without trust.

use std::borrow::Cow;

use tiberius::error::Error;
use tiberius::numeric::Numeric;
use tiberius::{ColumnData, Row};
use uuid::Uuid;

/// The cells of a row by their place. One of another type than is asked for is an error of
/// the driver's kind: whoever meets it gives up.
pub(super) trait Cells {
    /// A text; `None` where it is NULL.
    fn text_or_null(&self, at: usize) -> tiberius::Result<Option<&str>>;
    /// A whole number of any width, or a bit as 0 or 1.
    fn number_or_null(&self, at: usize) -> tiberius::Result<Option<i64>>;
    /// A decimal in hundredths.
    fn hundredths_or_null(&self, at: usize) -> tiberius::Result<Option<i64>>;
    /// Bytes.
    fn bytes(&self, at: usize) -> tiberius::Result<&[u8]>;

    fn text(&self, at: usize) -> tiberius::Result<&str> {
        self.text_or_null(at)?.ok_or_else(|| unexpected(at))
    }

    fn number(&self, at: usize) -> tiberius::Result<i64> {
        self.number_or_null(at)?.ok_or_else(|| unexpected(at))
    }

    fn truth(&self, at: usize) -> tiberius::Result<bool> {
        Ok(self.number(at)? != 0)
    }

    /// A count, which is never negative.
    fn count(&self, at: usize) -> tiberius::Result<u64> {
        u64::try_from(self.number(at)?).map_err(|_| unexpected(at))
    }

    fn uuid(&self, at: usize) -> tiberius::Result<Uuid> {
        Uuid::parse_str(self.text(at)?).map_err(|_| unexpected(at))
    }
}

impl Cells for Row {
    fn text_or_null(&self, at: usize) -> tiberius::Result<Option<&str>> {
        match self.get_column_data(at)? {
            ColumnData::String(text) => Ok(text.as_deref()),
            _ => Err(unexpected(at)),
        }
    }

    fn number_or_null(&self, at: usize) -> tiberius::Result<Option<i64>> {
        match self.get_column_data(at)? {
            ColumnData::Bit(bit) => Ok(bit.map(i64::from)),
            ColumnData::U8(number) => Ok(number.map(i64::from)),
            ColumnData::I16(number) => Ok(number.map(i64::from)),
            ColumnData::I32(number) => Ok(number.map(i64::from)),
            ColumnData::I64(number) => Ok(*number),
            ColumnData::Numeric(number) => number
                .filter(|number| number.scale() > 0 || number.value() > i64::MAX.into())
                .map_or_else(
                    || Ok(number.and_then(|number| i64::try_from(number.value()).ok())),
                    |_| Err(unexpected(at)),
                ),
            _ => Err(unexpected(at)),
        }
    }

    fn hundredths_or_null(&self, at: usize) -> tiberius::Result<Option<i64>> {
        match self.get_column_data(at)? {
            ColumnData::Numeric(None) => Ok(None),
            ColumnData::Numeric(Some(number)) => {
                hundredths(*number).map(Some).ok_or_else(|| unexpected(at))
            }
            _ => Err(unexpected(at)),
        }
    }

    fn bytes(&self, at: usize) -> tiberius::Result<&[u8]> {
        match self.get_column_data(at)? {
            ColumnData::Binary(Some(bytes)) => Ok(bytes),
            _ => Err(unexpected(at)),
        }
    }
}

/// A server may tell a decimal with more or fewer places than its column has.
fn hundredths(number: Numeric) -> Option<i64> {
    let places = u32::from(number.scale());
    let value = if places <= 2 {
        number.value().checked_mul(10_i128.pow(2 - places))?
    } else {
        let unit = 10_i128.checked_pow(places - 2)?;
        (number.value() % unit == 0).then(|| number.value() / unit)?
    };
    i64::try_from(value).ok()
}

/// Hundredths as a decimal of two places.
pub(super) fn decimal(hundredths: i64) -> Numeric {
    Numeric::new_with_scale(hundredths.into(), 2)
}

fn unexpected(at: usize) -> Error {
    Error::Conversion(Cow::Owned(format!("column {at} is not what it should be")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_the_same_amount_whatever_its_places() {
        for (value, scale, amount) in
            [(1_999, 2, Some(1_999)), (20, 0, Some(2_000)), (199_900, 4, Some(1_999)), (1, 4, None)]
        {
            assert_eq!(hundredths(Numeric::new_with_scale(value, scale)), amount);
        }
    }
}
