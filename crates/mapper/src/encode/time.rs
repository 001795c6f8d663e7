//! Dates and times, in ISO form as the session's `DateStyle` asks for, with an optional ` BC`.
//!
//! Days are counted in the proleptic Gregorian calendar, as Postgres does.

use crate::avro;
use crate::encode::Fault;

/// Debezium's numbers for the dates `infinity` and `-infinity`: the server's own, shifted to 1970 and wrapped around
/// 32 bits. No date that Postgres can hold has them.
const DATE_INFINITY_DAYS: i64 = -2_147_472_692;
const DATE_MINUS_INFINITY_DAYS: i64 = -2_147_472_691;
/// Debezium's numbers for the timestamps `infinity` and `-infinity`, in milliseconds: those of the JDBC driver.
const TIMESTAMP_INFINITY_MILLIS: i64 = 9_223_372_036_825_200;
const TIMESTAMP_MINUS_INFINITY_MILLIS: i64 = -9_223_372_036_832_400;

const MICROS_A_SECOND: i64 = 1_000_000;
const MICROS_A_MILLI: i64 = 1_000;
const MICROS_A_DAY: i64 = 86_400 * MICROS_A_SECOND;

/// How fine a number of time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    /// Milliseconds: Debezium's choice for columns of up to three digits.
    Millis,
    /// Microseconds.
    Micros,
}

impl TimeUnit {
    fn number_of(self, micros: i64) -> i64 {
        match self {
            TimeUnit::Millis => micros.div_euclid(MICROS_A_MILLI),
            TimeUnit::Micros => micros,
        }
    }
}

/// Days since 1970-01-01.
pub(super) fn date(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    avro::put_long(parse_date(text).ok_or(Fault::Value("a date"))?, out);
    Ok(())
}

/// Time since midnight; `24:00` is a value.
pub(super) fn time(text: &[u8], unit: TimeUnit, out: &mut Vec<u8>) -> Result<(), Fault> {
    let (micros, rest) = Clock::read(text).ok_or(Fault::Value("a time of day"))?;
    if !rest.is_empty() {
        return Err(Fault::Value("a time of day"));
    }
    avro::put_long(unit.number_of(micros.0), out);
    Ok(())
}

/// Time since 1970-01-01 00:00, taken as UTC.
pub(super) fn timestamp(text: &[u8], unit: TimeUnit, out: &mut Vec<u8>) -> Result<(), Fault> {
    let value = match text {
        b"infinity" => Some(infinity(TIMESTAMP_INFINITY_MILLIS, unit)),
        b"-infinity" => Some(infinity(TIMESTAMP_MINUS_INFINITY_MILLIS, unit)),
        _ => parse_timestamp(text).and_then(|(days, micros)| since_epoch(days, micros, unit)),
    };
    avro::put_long(value.ok_or(Fault::Value("a number of time since 1970"))?, out);
    Ok(())
}

fn infinity(millis: i64, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Millis => millis,
        TimeUnit::Micros => millis * MICROS_A_MILLI,
    }
}

/// `None` when the number is too large: Postgres's last microseconds do not fit an `i64` counted from 1970.
fn since_epoch(days: i64, micros: i64, unit: TimeUnit) -> Option<i64> {
    let per_day = unit.number_of(MICROS_A_DAY);
    days.checked_mul(per_day)?.checked_add(unit.number_of(micros))
}

/// ISO 8601 in UTC with exactly `digits` digits of a second.
pub(super) fn zoned_timestamp(text: &[u8], digits: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    if matches!(text, b"infinity" | b"-infinity") {
        avro::put_bytes(text, out);
        return Ok(());
    }
    let (days, micros) = parse_zoned(text).ok_or(Fault::Value("a moment in UTC"))?;
    let mut written = Stack::default();
    write_iso(days, micros, digits, &mut written);
    avro::put_bytes(written.as_slice(), out);
    Ok(())
}

/// Days since 1970-01-01 of `YYYY-MM-DD`, with an optional ` BC`.
fn parse_date(text: &[u8]) -> Option<i64> {
    match text {
        b"infinity" => return Some(DATE_INFINITY_DAYS),
        b"-infinity" => return Some(DATE_MINUS_INFINITY_DAYS),
        _ => {}
    }
    let (text, before_christ) = strip_era(text);
    let (day, rest) = Day::read(text)?;
    rest.is_empty().then(|| day.days_since_epoch(before_christ))
}

/// Days since 1970-01-01 and microseconds of the day of `YYYY-MM-DD HH:MM:SS[.ffffff]`, with an optional ` BC`.
fn parse_timestamp(text: &[u8]) -> Option<(i64, i64)> {
    let (text, before_christ) = strip_era(text);
    let (day, rest) = Day::read(text)?;
    let (clock, rest) = Clock::read(rest.strip_prefix(b" ")?)?;
    rest.is_empty()
        .then(|| (day.days_since_epoch(before_christ), clock.0))
}

/// The same with an offset, taken off: `+02`, `-03:30`, `+00:19:32`.
fn parse_zoned(text: &[u8]) -> Option<(i64, i64)> {
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
        let year = i64::try_from(super::number::parse_digits(text.get(..year_digits)?)?).ok()?;
        let [_, month_high, month_low, b'-', day_high, day_low, rest @ ..] = text.get(year_digits..)? else {
            return None;
        };
        let month = two_digits(*month_high, *month_low)?;
        let day = two_digits(*day_high, *day_low)?;
        let plausible = (1..=12).contains(&month) && (1..=31).contains(&day) && year <= YEAR_MAX;
        plausible.then_some((Self { year, month, day }, rest))
    }

    /// Counts days by eras of 400 years, whose years begin in March so that the leap day comes last.
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

/// Far above what Postgres can hold (5874897), far below what would overflow.
const YEAR_MAX: i64 = 99_999_999;
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
                let number = i64::try_from(super::number::parse_digits(digits)?).ok()?;
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

/// A moment in RFC 3339, UTC, to the microsecond.
pub(crate) fn moment(unix_micros: i64) -> Stack {
    let mut written = Stack::default();
    let (days, micros) = (
        unix_micros.div_euclid(MICROS_A_DAY),
        unix_micros.rem_euclid(MICROS_A_DAY),
    );
    write_iso(days, micros, SECOND_DIGITS_MAX, &mut written);
    written
}

/// Postgres keeps microseconds.
const SECOND_DIGITS_MAX: usize = 6;

/// The text of one moment, on the stack: its length goes before it.
#[derive(Default)]
pub(crate) struct Stack {
    bytes: [u8; MOMENT_BYTES_MAX],
    used: usize,
}

/// A sign, a year of eight digits, and `-MM-DDTHH:MM:SS.ffffffZ`.
const MOMENT_BYTES_MAX: usize = 32;

impl Stack {
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or_default()
    }

    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.used) {
            *slot = byte;
            self.used += 1;
        }
    }

    /// At least `width` digits of a number that is not negative.
    fn push_number(&mut self, number: i64, width: u32) {
        let mut divisor = 10i64.pow(width - 1);
        while number / divisor >= 10 {
            divisor *= 10;
        }
        while divisor > 0 {
            let digit = u8::try_from(number / divisor % 10).expect("one digit");
            self.push(b'0' + digit);
            divisor /= 10;
        }
    }
}

/// `YYYY-MM-DDTHH:MM:SS[.f…]Z`; years after 9999 have a plus, years before 1 a minus and count a year 0.
fn write_iso(days: i64, micros: i64, digits: usize, out: &mut Stack) {
    let (year, month, day) = civil(days);
    match year {
        ..0 => out.push(b'-'),
        0..=9999 => {}
        10000.. => out.push(b'+'),
    }
    out.push_number(year.abs(), 4);
    let seconds = micros / MICROS_A_SECOND;
    let parts = [
        (b'-', month),
        (b'-', day),
        (b'T', seconds / 3600),
        (b':', seconds / 60 % 60),
        (b':', seconds % 60),
    ];
    for (separator, number) in parts {
        out.push(separator);
        out.push_number(number, 2);
    }
    let width = u32::try_from(digits).map_or(MICROS_DIGITS, |digits| digits.min(MICROS_DIGITS));
    if width > 0 {
        out.push(b'.');
        out.push_number(micros % MICROS_A_SECOND / 10i64.pow(MICROS_DIGITS - width), width);
    }
    out.push(b'Z');
}

/// Year, month and day of a number of days since 1970-01-01; the inverse of [`Day::days_since_epoch`].
fn civil(days: i64) -> (i64, i64, i64) {
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
