//! Dates and times, which Debezium sends as numbers whose meaning the schema names.

use std::fmt;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use serde::{Serialize, Serializer};

/// Date, time of day or timestamp without time zone, as a number since the Unix epoch or since midnight.
///
/// Printed as Postgres prints it in ISO style: `2026-12-01`, `10:00:00.5`, `2026-12-01 10:00:00.5`. A number outside of the calendar
/// is printed as the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Moment {
    /// Meaning of the number.
    pub kind: MomentKind,
    /// The number.
    pub number: i64,
}

/// Meaning of the number of a [`Moment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MomentKind {
    /// Days since the Unix epoch.
    Date,
    /// Time of day in this unit since midnight.
    Time(Unit),
    /// Timestamp in this unit since the Unix epoch, without time zone.
    Timestamp(Unit),
}

/// Unit of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

impl Unit {
    const fn nanos(self) -> i128 {
        match self {
            Self::Millis => 1_000_000,
            Self::Micros => 1_000,
            Self::Nanos => 1,
        }
    }
}

impl MomentKind {
    /// Kind that a Connect schema name stands for, such as `io.debezium.time.MicroTimestamp`.
    pub(crate) fn of_connect(name: &str) -> Option<Self> {
        let kind = match name {
            "io.debezium.time.Date" | "org.apache.kafka.connect.data.Date" => Self::Date,
            "io.debezium.time.Time" | "org.apache.kafka.connect.data.Time" => Self::Time(Unit::Millis),
            "io.debezium.time.MicroTime" => Self::Time(Unit::Micros),
            "io.debezium.time.NanoTime" => Self::Time(Unit::Nanos),
            "io.debezium.time.Timestamp" | "org.apache.kafka.connect.data.Timestamp" => {
                Self::Timestamp(Unit::Millis)
            }
            "io.debezium.time.MicroTimestamp" => Self::Timestamp(Unit::Micros),
            "io.debezium.time.NanoTimestamp" => Self::Timestamp(Unit::Nanos),
            _ => return None,
        };
        Some(kind)
    }

    /// Kind that an Avro logical type stands for.
    pub(crate) fn of_avro(logical_type: &str) -> Option<Self> {
        let kind = match logical_type {
            "date" => Self::Date,
            "time-millis" => Self::Time(Unit::Millis),
            "time-micros" => Self::Time(Unit::Micros),
            "timestamp-millis" | "local-timestamp-millis" => Self::Timestamp(Unit::Millis),
            "timestamp-micros" | "local-timestamp-micros" => Self::Timestamp(Unit::Micros),
            "timestamp-nanos" | "local-timestamp-nanos" => Self::Timestamp(Unit::Nanos),
            _ => return None,
        };
        Some(kind)
    }

    /// Number for a text that a user typed: the number itself, or the date and time as [`Moment`] prints it.
    pub(crate) fn parse(self, text: &str) -> Option<i64> {
        if let Ok(number) = text.parse() {
            return Some(number);
        }
        match self {
            Self::Date => {
                let date: Date = text.parse().ok()?;
                let days = EPOCH.until(date).ok()?.get_days();
                Some(i64::from(days))
            }
            Self::Time(unit) => {
                let time: Time = text.parse().ok()?;
                let nanos = Time::midnight().duration_until(time).as_nanos();
                i64::try_from(nanos / unit.nanos()).ok()
            }
            Self::Timestamp(unit) => {
                let time: DateTime = text.replacen(' ', "T", 1).parse().ok()?;
                let nanos = time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_nanosecond();
                i64::try_from(nanos.div_euclid(unit.nanos())).ok()
            }
        }
    }
}

/// The Unix epoch.
const EPOCH: Date = Date::constant(1970, 1, 1);

impl Moment {
    fn text(self) -> Option<String> {
        match self.kind {
            MomentKind::Date => {
                let date = EPOCH.checked_add(Span::new().try_days(self.number).ok()?).ok()?;
                Some(date.to_string())
            }
            MomentKind::Time(unit) => {
                let nanos = i128::from(self.number) * unit.nanos();
                let nanos = i64::try_from(nanos).ok()?;
                let time = Time::midnight()
                    .checked_add(SignedDuration::from_nanos(nanos))
                    .ok()?;
                Some(time.to_string())
            }
            MomentKind::Timestamp(unit) => {
                let nanos = i128::from(self.number) * unit.nanos();
                let time = Timestamp::from_nanosecond(nanos).ok()?;
                Some(
                    time.to_zoned(TimeZone::UTC)
                        .datetime()
                        .to_string()
                        .replacen('T', " ", 1),
                )
            }
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) => f.write_str(&text),
            None => self.number.fmt(f),
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_printed_as_postgres_prints_them_and_read_back() {
        for (kind, number, text) in [
            (MomentKind::Date, 20_788, "2026-12-01"),
            (MomentKind::Date, -1, "1969-12-31"),
            (MomentKind::Time(Unit::Micros), 36_000_500_000, "10:00:00.5"),
            (MomentKind::Time(Unit::Millis), 0, "00:00:00"),
            (
                MomentKind::Timestamp(Unit::Micros),
                1_796_119_200_500_000,
                "2026-12-01 10:00:00.5",
            ),
            (
                MomentKind::Timestamp(Unit::Nanos),
                -1,
                "1969-12-31 23:59:59.999999999",
            ),
        ] {
            assert_eq!(Moment { kind, number }.to_string(), text);
            assert_eq!(kind.parse(text), Some(number), "{text}");
            assert_eq!(kind.parse(&number.to_string()), Some(number));
        }
    }

    #[test]
    fn numbers_outside_of_the_calendar_stay_numbers() {
        let infinity = Moment {
            kind: MomentKind::Timestamp(Unit::Micros),
            number: i64::MAX,
        };
        assert_eq!(infinity.to_string(), "9223372036854775807");
        let day = Moment {
            kind: MomentKind::Date,
            number: i64::from(i32::MAX),
        };
        assert_eq!(day.to_string(), "2147483647");
        assert_eq!(MomentKind::Date.parse("tomorrow"), None);
    }
}
