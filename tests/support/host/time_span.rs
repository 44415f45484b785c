//! Times as the host writes and reads them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `hh:mm:ss`, with days before and a fraction behind; `-1` means without end.
pub fn parse(text: &str) -> Result<Option<Duration>, String> {
    if text == "-1" {
        return Ok(None);
    }
    let wrong = || format!("`{text}` is no time span such as 00:05:00");
    let (days, clock) = match text.split_once('.') {
        Some((days, clock)) if clock.contains(':') => (days, clock),
        _ => ("0", text),
    };
    let days: u32 = days.parse().map_err(|_| wrong())?;
    let [hours, minutes, seconds] = clock.split(':').collect::<Vec<_>>()[..] else {
        return Err(wrong());
    };
    let hours: u32 = hours.parse().map_err(|_| wrong())?;
    let minutes: u32 = minutes.parse().map_err(|_| wrong())?;
    let seconds: f64 = seconds.parse().map_err(|_| wrong())?;
    if hours > 23 || minutes > 59 || !(0.0..60.0).contains(&seconds) {
        return Err(wrong());
    }
    let minutes = u64::from(days) * 1_440 + u64::from(hours) * 60 + u64::from(minutes);
    Ok(Some(Duration::from_mins(minutes) + Duration::from_secs_f64(seconds)))
}

/// A moment in ISO 8601, to the second.
pub fn iso(moment: SystemTime) -> String {
    let seconds = moment.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hours, minutes, seconds) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}")
}

fn date(mut days: u64) -> (u64, u64, u64) {
    let mut year = 1_970;
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month as u64 + 1, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_days_and_fractions_or_no_end() {
        let read = |text| parse(text).unwrap();
        assert_eq!(read("00:30:00"), Some(Duration::from_mins(30)));
        assert_eq!(read("1.00:00:00.25"), Some(Duration::from_millis(86_400_250)));
        assert_eq!(read("-1"), None);
        for wrong in ["", "30", "00:60:00", "24:00:00", "00:00"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_moment_is_written_in_iso_8601() {
        let at = |seconds| iso(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00");
        assert_eq!(at(951_782_399), "2000-02-28T23:59:59");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00");
        assert_eq!(at(1_767_225_600), "2026-01-01T00:00:00");
    }
}
