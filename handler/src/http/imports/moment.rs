//! Moments as a client reads them.

use std::fmt::Write as _;

const MICROS: i64 = 1_000_000;
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// RFC 3339 in UTC, of microseconds since 1970.
pub(super) fn rfc3339(micros: i64) -> String {
    let (seconds, fraction) = (micros.div_euclid(MICROS), micros.rem_euclid(MICROS));
    let (days, second) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if fraction != 0 {
        // Writing into a String cannot fail.
        let _ = write!(text, ".{fraction:06}");
    }
    text + "Z"
}

/// The date of a day since 1970, by Howard Hinnant's `civil_from_days`: years begin in March,
/// so that a leap day is the last of its year.
fn date(days: i64) -> (i64, i64, i64) {
    /// Days from 0000-03-01 to 1970-01-01.
    const TO_1970: i64 = 719_468;
    /// Days of 400 years.
    const ERA: i64 = 146_097;
    let days = days + TO_1970;
    let (era, day) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year + 400 * era + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_everybody_writes_them() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00Z"),
            (1_767_225_599_000_001, "2025-12-31T23:59:59.000001Z"),
            (1_709_251_199_000_000, "2024-02-29T23:59:59Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(micros), text);
        }
    }

    /// Day by day, counted with nothing but the lengths of months.
    #[test]
    fn every_day_of_four_hundred_years_has_its_date() {
        let (mut year, mut month, mut day) = (1_970, 1, 1);
        for days in 0..146_097 {
            assert_eq!(date(days), (year, month, day));
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + i64::from(is_leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }
}
