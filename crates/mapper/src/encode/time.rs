//! Dates and times as the numbers and texts that Debezium makes of them.

use crate::encode::Fault;
use crate::encode::calendar::{self, MICROS_A_DAY};
use crate::encode::moment::Moment;
use crate::format::Format;

/// Debezium's numbers for the dates `infinity` and `-infinity`: the server's own, shifted to 1970 and wrapped around
/// 32 bits. No date that Postgres can hold has them.
const DATE_INFINITY_DAYS: i64 = -2_147_472_692;
const DATE_MINUS_INFINITY_DAYS: i64 = -2_147_472_691;
/// Debezium's numbers for the timestamps `infinity` and `-infinity`, in milliseconds: those of the JDBC driver.
const TIMESTAMP_INFINITY_MILLIS: i64 = 9_223_372_036_825_200;
const TIMESTAMP_MINUS_INFINITY_MILLIS: i64 = -9_223_372_036_832_400;

const MICROS_A_MILLI: i64 = 1_000;

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
pub(super) fn date<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let days = match text {
        b"infinity" => Some(DATE_INFINITY_DAYS),
        b"-infinity" => Some(DATE_MINUS_INFINITY_DAYS),
        _ => calendar::parse_date(text),
    };
    F::integer(days.ok_or(Fault::Value("a date"))?, out);
    Ok(())
}

/// Time since midnight; `24:00` is a value.
pub(super) fn time<F: Format>(text: &[u8], unit: TimeUnit, out: &mut Vec<u8>) -> Result<(), Fault> {
    let micros = calendar::parse_time(text).ok_or(Fault::Value("a time of day"))?;
    F::integer(unit.number_of(micros), out);
    Ok(())
}

/// Time since 1970-01-01 00:00, taken as UTC.
pub(super) fn timestamp<F: Format>(text: &[u8], unit: TimeUnit, out: &mut Vec<u8>) -> Result<(), Fault> {
    let value = match text {
        b"infinity" => Some(infinity(TIMESTAMP_INFINITY_MILLIS, unit)),
        b"-infinity" => Some(infinity(TIMESTAMP_MINUS_INFINITY_MILLIS, unit)),
        _ => calendar::parse_timestamp(text).and_then(|(days, micros)| since_epoch(days, micros, unit)),
    };
    F::integer(value.ok_or(Fault::Value("a number of time since 1970"))?, out);
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
pub(super) fn zoned_timestamp<F: Format>(text: &[u8], digits: u32, out: &mut Vec<u8>) -> Result<(), Fault> {
    if matches!(text, b"infinity" | b"-infinity") {
        F::string(text, out);
        return Ok(());
    }
    let (days, micros) = calendar::parse_zoned(text).ok_or(Fault::Value("a moment in UTC"))?;
    F::string(Moment::new(days, micros, digits).as_slice(), out);
    Ok(())
}
