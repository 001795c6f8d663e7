//! Dates and times in the server's text form: ISO 8601, the session's `DateStyle`, with an optional ` BC`.
//!
//! Days are counted in the proleptic Gregorian calendar, as Postgres does.

use crate::encode::number::parse_digits;

pub(super) const MICROS_A_SECOND: i64 = 1_000_000;
pub(super) const MICROS_A_DAY: i64 = 86_400 * MICROS_A_SECOND;

/// Days since 1970-01-01 of `YYYY-MM-DD`, with an optional ` BC`.
pub(super) fn parse_date(text: &[u8]) -> Option<i64> {
    let (text, before_christ) = strip_era(text);
    let (day, rest) = Day::read(text)?;
    rest.is_empty().then(|| day.days_since_epoch(before_christ))
}

/// Microseconds since midnight of `HH:MM:SS[.ffffff]`.
pub(super) fn parse_time(text: &[u8]) -> Option<i64> {
    let (clock, rest) = Clock::read(text)?;
    rest.is_empty().then_some(clock.0)
}

/// Days since 1970-01-01 and microseconds of the day of `YYYY-MM-DD HH:MM:SS[.ffffff]`, with an optional ` BC`.
pub(super) fn parse_timestamp(text: &[u8]) -> Option<(i64, i64)> {
    let (text, before_christ) = strip_era(text);
    let (day, rest) = Day::read(text)?;
    let (clock, rest) = Clock::read(rest.strip_prefix(b" ")?)?;
    rest.is_empty()
        .then(|| (day.days_since_epoch(before_christ), clock.0))
}

/// Days since 1970-01-01 and microseconds of the day in UTC of a timestamp with an offset: `+02`, `-03:30`,
/// `+00:19:32`.
pub(super) fn parse_zoned(text: &[u8]) -> Option<(i64, i64)> {
    let (text, before_christ) = strip_era(text);
    let (day, rest) = Day::read(text)?;
    let (clock, rest) = Clock::read(rest.strip_prefix(b" ")?)?;
    let offset_micros = parse_offset(rest)?;
    let micros = clock.0 - offset_micros;
    Some((
        day.days_since_epoch(before_christ) + micros.div_euclid(MICROS_A_DAY),
        micros.rem_euclid(MICROS_A_DAY),
    ))
}

/// Microseconds since midnight in UTC of `HH:MM:SS[.ffffff]` with an offset.
pub(super) fn parse_zoned_time(text: &[u8]) -> Option<i64> {
    let (clock, rest) = Clock::read(text)?;
    Some((clock.0 - parse_offset(rest)?).rem_euclid(MICROS_A_DAY))
}

fn strip_era(text: &[u8]) -> (&[u8], bool) {
    text.strip_suffix(b" BC")
        .map_or((text, false), |text| (text, true))
}

fn parse_offset(text: &[u8]) -> Option<i64> {
    let (sign, text) = match text {
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let mut seconds = 0;
    let mut unit_seconds = 3600;
    for part in text.split(|byte| *byte == b':') {
        let [high, low] = part else { return None };
        seconds += two_digits(*high, *low)? * unit_seconds;
        unit_seconds /= 60;
    }
    Some(sign * seconds * MICROS_A_SECOND)
}

/// A date without its era.
struct Day {
    year: i64,
    month: i64,
    day: i64,
}

impl Day {
    /// Reads `YYYY-MM-DD`; the year has four digits or more.
    fn read(text: &[u8]) -> Option<(Self, &[u8])> {
        let year_digits = text.iter().position(|byte| *byte == b'-')?;
        let year = i64::try_from(parse_digits(text.get(..year_digits)?)?).ok()?;
        let [_, month_high, month_low, b'-', day_high, day_low, rest @ ..] = text.get(year_digits..)? else {
            return None;
        };
        let month = two_digits(*month_high, *month_low)?;
        let day = two_digits(*day_high, *day_low)?;
        let plausible = (1..=12).contains(&month) && (1..=31).contains(&day) && year <= YEAR_MAX;
        plausible.then_some((Self { year, month, day }, rest))
    }

    /// Days since 1970-01-01. Years are counted in eras of 400 and begin in March, so that the leap day is the last.
    fn days_since_epoch(&self, before_christ: bool) -> i64 {
        let year = if before_christ { 1 - self.year } else { self.year };
        let (year, month) = if self.month > 2 {
            (year, self.month - 3)
        } else {
            (year - 1, self.month + 9)
        };
        let era = year.div_euclid(YEARS_AN_ERA);
        let year_of_era = year.rem_euclid(YEARS_AN_ERA);
        let day_of_year = (153 * month + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * DAYS_AN_ERA + day_of_era - EPOCH_DAYS
    }
}

/// Above the largest year of Postgres (5874897), and far below an overflow.
const YEAR_MAX: i64 = 9_999_999;
const YEARS_AN_ERA: i64 = 400;
const DAYS_AN_ERA: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;

/// Microseconds since midnight.
struct Clock(i64);

impl Clock {
    /// Reads `HH:MM:SS` and up to six digits of a second.
    fn read(text: &[u8]) -> Option<(Self, &[u8])> {
        let [h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = text else {
            return None;
        };
        let seconds = two_digits(*h1, *h2)? * 3600 + two_digits(*m1, *m2)? * 60 + two_digits(*s1, *s2)?;
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => {
                let used = rest
                    .iter()
                    .position(|byte| !byte.is_ascii_digit())
                    .unwrap_or(rest.len());
                let (digits, rest) = rest.split_at(used);
                let missing = MICROS_DIGITS.checked_sub(u32::try_from(used).ok()?)?;
                let number = i64::try_from(parse_digits(digits)?).ok()?;
                (number * 10i64.pow(missing), rest)
            }
            rest => (0, rest),
        };
        Some((Self(seconds * MICROS_A_SECOND + fraction), rest))
    }
}

const MICROS_DIGITS: u32 = 6;

#[inline]
fn two_digits(high: u8, low: u8) -> Option<i64> {
    let (high, low) = (high.wrapping_sub(b'0'), low.wrapping_sub(b'0'));
    (high <= 9 && low <= 9).then(|| i64::from(high) * 10 + i64::from(low))
}

/// Year, month and day of a number of days since 1970-01-01; the inverse of [`Day::days_since_epoch`].
pub(super) fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + EPOCH_DAYS;
    let era = shifted.div_euclid(DAYS_AN_ERA);
    let day_of_era = shifted.rem_euclid(DAYS_AN_ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = year_of_era + era * YEARS_AN_ERA;
    if month < 10 {
        (year, month + 3, day)
    } else {
        (year + 1, month - 9, day)
    }
}
