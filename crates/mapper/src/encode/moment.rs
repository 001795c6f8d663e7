//! Timestamps as ISO 8601 text in UTC.

use crate::encode::calendar::{MICROS_A_DAY, MICROS_A_SECOND, civil};

/// Text of one timestamp, on the stack: Avro writes its length before it.
#[derive(Default)]
pub(crate) struct Moment {
    bytes: [u8; MOMENT_BYTES_MAX],
    used: usize,
}

/// A sign, a year of eight digits, and `-MM-DDTHH:MM:SS.ffffffZ`.
const MOMENT_BYTES_MAX: usize = 32;

impl Moment {
    /// `YYYY-MM-DDTHH:MM:SS[.f…]Z` with exactly `digits` fractional digits. Years after 9999 have a plus sign; years
    /// before 1 have a minus sign and include a year 0.
    pub(super) fn new(days: i64, micros: i64, digits: u32) -> Self {
        let mut written = Self::default();
        written.push_date(days);
        written.push(b'T');
        written.push_clock(micros, digits.min(SECOND_DIGITS_MAX));
        written.push(b'Z');
        written
    }

    /// The same with the fewest fractional digits that represent the value.
    pub(super) fn shortest(days: i64, micros: i64) -> Self {
        Self::new(days, micros, shortest_digits(micros))
    }

    /// `YYYY-MM-DDZ`.
    pub(super) fn date(days: i64) -> Self {
        let mut written = Self::default();
        written.push_date(days);
        written.push(b'Z');
        written
    }

    /// `HH:MM:SS[.f…]Z` with the fewest fractional digits that represent the value.
    pub(super) fn time(micros: i64) -> Self {
        let mut written = Self::default();
        written.push_clock(micros, shortest_digits(micros));
        written.push(b'Z');
        written
    }

    /// Timestamp of a number of microseconds since 1970-01-01 in UTC, with `digits` fractional digits.
    pub(crate) fn of_unix_micros(unix_micros: i64, digits: u32) -> Self {
        Self::new(
            unix_micros.div_euclid(MICROS_A_DAY),
            unix_micros.rem_euclid(MICROS_A_DAY),
            digits,
        )
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or_default()
    }

    fn push_date(&mut self, days: i64) {
        let (year, month, day) = civil(days);
        match year {
            ..0 => self.push(b'-'),
            0..=9999 => {}
            10000.. => self.push(b'+'),
        }
        self.push_number(year.abs(), 4);
        for number in [month, day] {
            self.push(b'-');
            self.push_number(number, 2);
        }
    }

    fn push_clock(&mut self, micros: i64, digits: u32) {
        let seconds = micros / MICROS_A_SECOND;
        self.push_number(seconds / 3600, 2);
        for number in [seconds / 60 % 60, seconds % 60] {
            self.push(b':');
            self.push_number(number, 2);
        }
        if digits > 0 {
            self.push(b'.');
            let fraction = micros % MICROS_A_SECOND / 10i64.pow(SECOND_DIGITS_MAX - digits);
            self.push_number(fraction, digits);
        }
    }

    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.used) {
            *slot = byte;
            self.used += 1;
        }
    }

    /// Appends at least `width` digits of a number that is not negative.
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

/// Number of fractional digits up to the last that is not 0.
fn shortest_digits(micros: i64) -> u32 {
    let mut fraction = micros % MICROS_A_SECOND;
    if fraction == 0 {
        return 0;
    }
    let mut digits = SECOND_DIGITS_MAX;
    while fraction % 10 == 0 {
        fraction /= 10;
        digits -= 1;
    }
    digits
}

/// Precision of Postgres.
pub(crate) const SECOND_DIGITS_MAX: u32 = 6;
