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
const NANOS_A_MICRO: i64 = 1_000;

/// What a date is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DateForm {
    /// Days, as Debezium names them.
    Days,
    /// Days, as Connect names them.
    Connect,
    /// ISO 8601 text.
    Iso,
}

/// What a time is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeForm {
    /// Milliseconds: Debezium's choice for columns of up to three digits.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
    /// Milliseconds, as Connect names them.
    Connect,
    /// ISO 8601 text.
    Iso,
}

impl TimeForm {
    /// `None` when it is too large.
    fn number_of(self, micros: i64) -> Option<i64> {
        match self {
            TimeForm::Millis | TimeForm::Connect => Some(micros.div_euclid(MICROS_A_MILLI)),
            TimeForm::Micros | TimeForm::Iso => Some(micros),
            TimeForm::Nanos => micros.checked_mul(NANOS_A_MICRO),
        }
    }
}

/// Days since 1970-01-01, or a text.
pub(super) fn date<F: Format>(text: &[u8], form: DateForm, out: &mut Vec<u8>) -> Result<(), Fault> {
    let days = match text {
        b"infinity" | b"-infinity" if form == DateForm::Iso => {
            F::string(text, out);
            return Ok(());
        }
        b"infinity" => Some(DATE_INFINITY_DAYS),
        b"-infinity" => Some(DATE_MINUS_INFINITY_DAYS),
        _ => calendar::parse_date(text),
    };
    let days = days.ok_or(Fault::Value("a date"))?;
    match form {
        DateForm::Days | DateForm::Connect => F::integer(days, out),
        DateForm::Iso => F::string(Moment::date(days).as_slice(), out),
    }
    Ok(())
}

/// Time since midnight, or a text; `24:00` is a value.
pub(super) fn time<F: Format>(text: &[u8], form: TimeForm, out: &mut Vec<u8>) -> Result<(), Fault> {
    let micros = calendar::parse_time(text).ok_or(Fault::Value("a time of day"))?;
    match form {
        TimeForm::Iso => F::string(Moment::time(micros).as_slice(), out),
        _ => F::integer(form.number_of(micros).ok_or(Fault::Value("a time of day"))?, out),
    }
    Ok(())
}

/// A time of day in UTC, whatever its zone: `24:00` is `00:00`.
pub(super) fn zoned_time<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let micros = calendar::parse_zoned_time(text).ok_or(Fault::Value("a time of day in UTC"))?;
    F::string(Moment::time(micros).as_slice(), out);
    Ok(())
}

/// Time since 1970-01-01 00:00, taken as UTC, or a text.
pub(super) fn timestamp<F: Format>(text: &[u8], form: TimeForm, out: &mut Vec<u8>) -> Result<(), Fault> {
    if form == TimeForm::Iso {
        return iso_timestamp::<F>(text, out);
    }
    let value = match text {
        b"infinity" => Some(infinity(TIMESTAMP_INFINITY_MILLIS, form)),
        b"-infinity" => Some(infinity(TIMESTAMP_MINUS_INFINITY_MILLIS, form)),
        _ => calendar::parse_timestamp(text).and_then(|(days, micros)| since_epoch(days, micros, form)),
    };
    F::integer(value.ok_or(Fault::Value("a number of time since 1970"))?, out);
    Ok(())
}

fn iso_timestamp<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    if matches!(text, b"infinity" | b"-infinity") {
        F::string(text, out);
        return Ok(());
    }
    let (days, micros) = calendar::parse_timestamp(text).ok_or(Fault::Value("a timestamp"))?;
    F::string(Moment::shortest(days, micros).as_slice(), out);
    Ok(())
}

fn infinity(millis: i64, form: TimeForm) -> i64 {
    match form {
        TimeForm::Millis | TimeForm::Connect => millis,
        TimeForm::Micros | TimeForm::Iso => millis * MICROS_A_MILLI,
        // The driver's own would not fit: the largest and the smallest number stand for them.
        TimeForm::Nanos if millis > 0 => i64::MAX,
        TimeForm::Nanos => i64::MIN,
    }
}

/// `None` when the number is too large: Postgres's last microseconds do not fit an `i64` counted from 1970.
fn since_epoch(days: i64, micros: i64, form: TimeForm) -> Option<i64> {
    let per_day = form.number_of(MICROS_A_DAY)?;
    days.checked_mul(per_day)?.checked_add(form.number_of(micros)?)
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
