//! Intervals, from the server's [`postgres` style][1]: `1 year 2 mons -3 days +04:05:06.789`.
//!
//! [1]: https://www.postgresql.org/docs/current/datatype-datetime.html#DATATYPE-INTERVAL-OUTPUT

use crate::connect::{ConnectSchema, Kind};
use std::io::Write as _;

use crate::config::IntervalMode;
use crate::encode::number::{parse_digits, parse_integer};
use crate::encode::scratch::Scratch;
use crate::encode::value_error::ValueError;
use crate::format::Format;

/// Appends an interval as microseconds or as ISO 8601 text.
pub(super) fn interval<F: Format>(
    text: &[u8],
    mode: IntervalMode,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    match (text, mode) {
        (b"infinity" | b"-infinity", IntervalMode::String) => F::string(text, out),
        // No finite interval within the range has these numbers.
        (b"infinity", IntervalMode::Numeric) => F::integer(i64::MAX, out),
        (b"-infinity", IntervalMode::Numeric) => F::integer(i64::MIN, out),
        (_, IntervalMode::String) => {
            let span = Span::read(text).ok_or(ValueError::Value("an interval"))?;
            scratch.text.clear();
            span.put_iso(&mut scratch.text);
            F::string(&scratch.text, out);
        }
        (_, IntervalMode::Numeric) => {
            let micros = Span::read(text).and_then(|span| span.micros());
            F::integer(micros.ok_or(ValueError::Value("a number of microseconds"))?, out);
        }
    }
    Ok(())
}

/// Parts of an interval, each with its sign.
#[derive(Debug, Default)]
struct Span {
    years: i64,
    months: i64,
    days: i64,
    hours: i64,
    minutes: i64,
    /// Whole seconds.
    seconds: i64,
    /// Microseconds of a second, with the sign of the seconds.
    micros: i64,
}

impl Span {
    fn read(text: &[u8]) -> Option<Self> {
        let mut span = Self::default();
        let mut words = text.split(|byte| *byte == b' ');
        while let Some(word) = words.next() {
            if word.contains(&b':') {
                span.read_clock(word)?;
                continue;
            }
            let number = parse_integer(word.strip_prefix(b"+").unwrap_or(word))?;
            match words.next()? {
                b"year" | b"years" => span.years = number,
                b"mon" | b"mons" => span.months = number,
                b"day" | b"days" => span.days = number,
                _ => return None,
            }
        }
        Some(span)
    }

    /// `[-]HH:MM:SS[.ffffff]`; hours have as many digits as they need.
    fn read_clock(&mut self, word: &[u8]) -> Option<()> {
        let (sign, word) = match word {
            [b'-', rest @ ..] => (-1, rest),
            [b'+', rest @ ..] => (1, rest),
            word => (1, word),
        };
        let mut parts = word.splitn(3, |byte| *byte == b':');
        let mut part = || Some(sign * i64::try_from(parse_digits(parts.next()?)?).ok()?);
        self.hours = part()?;
        self.minutes = part()?;
        let seconds = parts.next()?;
        let point = seconds.iter().position(|byte| *byte == b'.');
        let (whole, fraction) = seconds.split_at(point.unwrap_or(seconds.len()));
        self.seconds = sign * i64::try_from(parse_digits(whole)?).ok()?;
        if let [b'.', digits @ ..] = fraction {
            let missing = MICROS_DIGITS.checked_sub(u32::try_from(digits.len()).ok()?)?;
            self.micros = sign * i64::try_from(parse_digits(digits)?).ok()? * 10i64.pow(missing);
        }
        Some(())
    }

    /// Approximate microseconds, computed in floating point in Debezium's order, so that the result is the same.
    fn micros(&self) -> Option<i64> {
        let double = |number: i64| number as f64;
        let second = double(self.seconds) + double(self.micros) / MICROS_A_SECOND;
        let days = double(self.years * 12 + self.months) * DAYS_A_MONTH + double(self.days);
        let seconds = ((days * 24.0 + double(self.hours)) * 60.0 + double(self.minutes)) * 60.0 + second;
        let micros = seconds * MICROS_A_SECOND;
        // The bounds are the numbers of infinity and -infinity.
        let fits = micros > double(i64::MIN) && micros < double(i64::MAX);
        #[expect(clippy::cast_possible_truncation, reason = "the bounds were checked")]
        fits.then_some(micros as i64)
    }

    /// Appends `P1Y2M-3DT4H5M6.789S`, with every part present.
    fn put_iso(&self, out: &mut Vec<u8>) {
        let sign = if self.seconds < 0 || self.micros < 0 {
            "-"
        } else {
            ""
        };
        let written = write!(
            out,
            "P{}Y{}M{}DT{}H{}M{sign}{}",
            self.years,
            self.months,
            self.days,
            self.hours,
            self.minutes,
            self.seconds.abs()
        );
        written.expect("writing to memory cannot fail");
        if self.micros != 0 {
            write!(out, ".{:06}", self.micros.abs()).expect("writing to memory cannot fail");
            let kept = out
                .iter()
                .rposition(|byte| *byte != b'0')
                .map_or(0, |last| last + 1);
            out.truncate(kept);
        }
        out.push(b'S');
    }
}

/// Precision of Postgres.
const MICROS_DIGITS: u32 = 6;
const MICROS_A_SECOND: f64 = 1e6;
/// Debezium's average days of a month.
const DAYS_A_MONTH: f64 = 365.25 / 12.0;

/// Schema of intervals.
pub(super) fn schema(mode: IntervalMode) -> ConnectSchema {
    match mode {
        IntervalMode::Numeric => ConnectSchema::semantic(Kind::Int64, "io.debezium.time.MicroDuration"),
        IntervalMode::String => ConnectSchema::semantic(Kind::String, "io.debezium.time.Interval"),
    }
}

/// Appends the zero value of intervals.
pub(super) fn put_zero<F: Format>(mode: IntervalMode, out: &mut Vec<u8>) {
    match mode {
        IntervalMode::Numeric => F::integer(0, out),
        IntervalMode::String => F::string(b"P0Y0M0DT0H0M0S", out),
    }
}
