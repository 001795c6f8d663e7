//! Dates and times as Debezium's numbers and texts.

use crate::connect::{ConnectSchema, DATE, Kind, TIME, TIMESTAMP};
use crate::encode::calendar::{self, MICROS_A_DAY};
use crate::encode::moment::Moment;
use crate::encode::value_error::ValueError;
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

/// Representation of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DateForm {
    /// Days, with Debezium's semantic type.
    Days,
    /// Days, with Connect's semantic type.
    Connect,
    /// ISO 8601 text.
    Iso,
}

/// Representation of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeForm {
    /// Milliseconds: Debezium's choice for columns of up to three digits.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
    /// Milliseconds, with Connect's semantic type.
    Connect,
    /// ISO 8601 text.
    Iso,
}

impl TimeForm {
    /// The number of `micros` in this unit; `None` when it is too large.
    fn number_of(self, micros: i64) -> Option<i64> {
        match self {
            TimeForm::Millis | TimeForm::Connect => Some(micros.div_euclid(MICROS_A_MILLI)),
            TimeForm::Micros | TimeForm::Iso => Some(micros),
            TimeForm::Nanos => micros.checked_mul(NANOS_A_MICRO),
        }
    }
}

/// Appends a date as days since 1970-01-01, or as text.
pub(super) fn date<F: Format>(text: &[u8], form: DateForm, out: &mut Vec<u8>) -> Result<(), ValueError> {
    let days = match text {
        b"infinity" | b"-infinity" if form == DateForm::Iso => {
            F::string(text, out);
            return Ok(());
        }
        b"infinity" => Some(DATE_INFINITY_DAYS),
        b"-infinity" => Some(DATE_MINUS_INFINITY_DAYS),
        _ => calendar::parse_date(text),
    };
    let days = days.ok_or(ValueError::Value("a date"))?;
    match form {
        DateForm::Days | DateForm::Connect => F::integer(days, out),
        DateForm::Iso => F::string(Moment::date(days).as_slice(), out),
    }
    Ok(())
}

/// Appends a time of day as a number since midnight, or as text; `24:00` is a value.
pub(super) fn time<F: Format>(text: &[u8], form: TimeForm, out: &mut Vec<u8>) -> Result<(), ValueError> {
    let micros = calendar::parse_time(text).ok_or(ValueError::Value("a time of day"))?;
    match form {
        TimeForm::Iso => F::string(Moment::time(micros).as_slice(), out),
        _ => F::integer(
            form.number_of(micros).ok_or(ValueError::Value("a time of day"))?,
            out,
        ),
    }
    Ok(())
}

/// Appends a time of day converted to UTC: `24:00` becomes `00:00`.
pub(super) fn zoned_time<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    let micros = calendar::parse_zoned_time(text).ok_or(ValueError::Value("a time of day in UTC"))?;
    F::string(Moment::time(micros).as_slice(), out);
    Ok(())
}

/// Appends a timestamp, taken as UTC, as a number since 1970-01-01, or as text.
pub(super) fn timestamp<F: Format>(text: &[u8], form: TimeForm, out: &mut Vec<u8>) -> Result<(), ValueError> {
    if form == TimeForm::Iso {
        return iso_timestamp::<F>(text, out);
    }
    let value = match text {
        b"infinity" => Some(infinity(TIMESTAMP_INFINITY_MILLIS, form)),
        b"-infinity" => Some(infinity(TIMESTAMP_MINUS_INFINITY_MILLIS, form)),
        _ => calendar::parse_timestamp(text).and_then(|(days, micros)| since_epoch(days, micros, form)),
    };
    F::integer(
        value.ok_or(ValueError::Value("a number of time since 1970"))?,
        out,
    );
    Ok(())
}

fn iso_timestamp<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    if matches!(text, b"infinity" | b"-infinity") {
        F::string(text, out);
        return Ok(());
    }
    let (days, micros) = calendar::parse_timestamp(text).ok_or(ValueError::Value("a timestamp"))?;
    F::string(Moment::shortest(days, micros).as_slice(), out);
    Ok(())
}

fn infinity(millis: i64, form: TimeForm) -> i64 {
    match form {
        TimeForm::Millis | TimeForm::Connect => millis,
        TimeForm::Micros | TimeForm::Iso => millis * MICROS_A_MILLI,
        // The driver's numbers exceed the range: the largest and the smallest number replace them.
        TimeForm::Nanos if millis > 0 => i64::MAX,
        TimeForm::Nanos => i64::MIN,
    }
}

/// Number since 1970-01-01; `None` when it is too large: the end of Postgres's range exceeds an `i64` of microseconds
/// from 1970.
fn since_epoch(days: i64, micros: i64, form: TimeForm) -> Option<i64> {
    let per_day = form.number_of(MICROS_A_DAY)?;
    days.checked_mul(per_day)?.checked_add(form.number_of(micros)?)
}

/// Appends a timestamp with time zone as ISO 8601 text in UTC with exactly `digits` fractional digits.
pub(super) fn zoned_timestamp<F: Format>(
    text: &[u8],
    digits: u32,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    if matches!(text, b"infinity" | b"-infinity") {
        F::string(text, out);
        return Ok(());
    }
    let (days, micros) = calendar::parse_zoned(text).ok_or(ValueError::Value("a moment in UTC"))?;
    F::string(Moment::new(days, micros, digits).as_slice(), out);
    Ok(())
}

/// Schema of dates.
pub(super) fn date_schema(form: DateForm) -> ConnectSchema {
    match form {
        DateForm::Days => ConnectSchema::semantic(Kind::Int32, "io.debezium.time.Date"),
        DateForm::Connect => ConnectSchema::semantic(Kind::Int32, DATE),
        DateForm::Iso => ConnectSchema::semantic(Kind::String, "io.debezium.time.IsoDate"),
    }
}

/// Schema of times of day.
pub(super) fn time_schema(form: TimeForm) -> ConnectSchema {
    match form {
        TimeForm::Millis => ConnectSchema::semantic(Kind::Int32, "io.debezium.time.Time"),
        TimeForm::Micros => ConnectSchema::semantic(Kind::Int64, "io.debezium.time.MicroTime"),
        TimeForm::Nanos => ConnectSchema::semantic(Kind::Int64, "io.debezium.time.NanoTime"),
        TimeForm::Connect => ConnectSchema::semantic(Kind::Int32, TIME),
        TimeForm::Iso => ConnectSchema::semantic(Kind::String, "io.debezium.time.IsoTime"),
    }
}

/// Schema of timestamps.
pub(super) fn timestamp_schema(form: TimeForm) -> ConnectSchema {
    match form {
        TimeForm::Millis => ConnectSchema::semantic(Kind::Int64, "io.debezium.time.Timestamp"),
        TimeForm::Micros => ConnectSchema::semantic(Kind::Int64, "io.debezium.time.MicroTimestamp"),
        TimeForm::Nanos => ConnectSchema::semantic(Kind::Int64, "io.debezium.time.NanoTimestamp"),
        TimeForm::Connect => ConnectSchema::semantic(Kind::Int64, TIMESTAMP),
        TimeForm::Iso => ConnectSchema::semantic(Kind::String, "io.debezium.time.IsoTimestamp"),
    }
}

/// Appends the zero value of dates.
pub(super) fn put_zero_date<F: Format>(form: DateForm, out: &mut Vec<u8>) {
    match form {
        DateForm::Iso => F::string(b"1970-01-01Z", out),
        DateForm::Days | DateForm::Connect => F::integer(0, out),
    }
}

/// Appends the zero value of times of day.
pub(super) fn put_zero_time<F: Format>(form: TimeForm, out: &mut Vec<u8>) {
    match form {
        TimeForm::Iso => F::string(b"00:00:00Z", out),
        TimeForm::Millis | TimeForm::Micros | TimeForm::Nanos | TimeForm::Connect => F::integer(0, out),
    }
}

/// Appends the zero value of timestamps.
pub(super) fn put_zero_timestamp<F: Format>(form: TimeForm, out: &mut Vec<u8>) {
    match form {
        TimeForm::Iso => F::string(b"1970-01-01T00:00:00Z", out),
        TimeForm::Millis | TimeForm::Micros | TimeForm::Nanos | TimeForm::Connect => F::integer(0, out),
    }
}
