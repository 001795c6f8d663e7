//! Moments as ISO 8601 text in UTC.

use crate::encode::calendar::{MICROS_A_DAY, MICROS_A_SECOND, civil};

/// The text of one moment, on the stack: its length goes before it.
#[derive(Default)]
pub(crate) struct Moment {
    bytes: [u8; MOMENT_BYTES_MAX],
    used: usize,
}

/// A sign, a year of eight digits, and `-MM-DDTHH:MM:SS.ffffffZ`.
const MOMENT_BYTES_MAX: usize = 32;

impl Moment {
    /// `YYYY-MM-DDTHH:MM:SS[.f…]Z` with exactly `digits` digits of a second; years after 9999 have a plus, years before 1 a
    /// minus and count a year 0.
    pub(super) fn new(days: i64, micros: i64, digits: u32) -> Self {
        let mut written = Self::default();
        let (year, month, day) = civil(days);
        match year {
            ..0 => written.push(b'-'),
            0..=9999 => {}
            10000.. => written.push(b'+'),
        }
        written.push_number(year.abs(), 4);
        let seconds = micros / MICROS_A_SECOND;
        let parts = [
            (b'-', month),
            (b'-', day),
            (b'T', seconds / 3600),
            (b':', seconds / 60 % 60),
            (b':', seconds % 60),
        ];
        for (separator, number) in parts {
            written.push(separator);
            written.push_number(number, 2);
        }
        let width = digits.min(SECOND_DIGITS_MAX);
        if width > 0 {
            written.push(b'.');
            written.push_number(
                micros % MICROS_A_SECOND / 10i64.pow(SECOND_DIGITS_MAX - width),
                width,
            );
        }
        written.push(b'Z');
        written
    }

    /// A number of microseconds since 1970-01-01 in UTC, with `digits` digits of a second.
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

/// Postgres keeps microseconds.
pub(crate) const SECOND_DIGITS_MAX: u32 = 6;
