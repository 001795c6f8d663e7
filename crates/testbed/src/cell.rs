//! One decoded column, and whether it says the same as the source's text.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// What Debezium's envelope holds in place of a wide value that did not change and is not in the WAL.
pub const UNAVAILABLE: &str = "__debezium_unavailable_value";

/// A column of a decoded record.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Null.
    Null,
    /// A boolean.
    Boolean(bool),
    /// Any whole number, also times counted from 1970.
    Integer(i64),
    /// A floating point number.
    Float(f64),
    /// A decimal with its scale, as text.
    Decimal(String),
    /// A text; enums, uuid, json and zoned times are texts too.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A wide value that did not change and is not in the WAL.
    Unavailable,
    /// A value of a shape that is not compared (arrays, nested records).
    Other(String),
}

/// A decoded row by column name.
pub type Cells = BTreeMap<String, Cell>;

impl Cell {
    /// Whether the cell agrees with the value in Postgres's text form (times in ISO 8601). A value that was not sent, or of a
    /// shape that is not compared, agrees with anything but null.
    pub fn agrees_with(&self, source: Option<&str>) -> bool {
        let Some(text) = source else {
            return *self == Cell::Null;
        };
        match self {
            Cell::Null => false,
            Cell::Boolean(value) => text == if *value { "true" } else { "false" },
            Cell::Integer(value) => integer_agrees(*value, text),
            Cell::Float(value) => text
                .parse::<f64>()
                .is_ok_and(|number| number == *value || (number.is_nan() && value.is_nan())),
            Cell::Decimal(value) => text == value,
            Cell::Text(value) => value == text || same_instant(value, text) || same_json(value, text),
            Cell::Bytes(value) => text.strip_prefix("\\x").is_some_and(|hex| hex == hex_of(value)),
            Cell::Unavailable | Cell::Other(_) => true,
        }
    }

    /// The cell as JSON, to show to a person: numbers and booleans as such, everything else as text.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Cell::Boolean(value) => (*value).into(),
            Cell::Integer(value) => (*value).into(),
            Cell::Float(value) => (*value).into(),
            other => other.to_text().into(),
        }
    }

    /// The cell in Postgres's text form as far as keys need it.
    pub fn to_text(&self) -> Option<String> {
        match self {
            Cell::Null => None,
            Cell::Boolean(value) => Some(value.to_string()),
            Cell::Integer(value) => Some(value.to_string()),
            Cell::Float(value) => Some(value.to_string()),
            Cell::Decimal(text) | Cell::Text(text) | Cell::Other(text) => Some(text.clone()),
            Cell::Bytes(bytes) => Some(format!("\\x{}", hex_of(bytes))),
            Cell::Unavailable => Some(UNAVAILABLE.to_owned()),
        }
    }
}

/// A number, or a time counted in days, milliseconds or microseconds from 1970 as if it were in UTC.
fn integer_agrees(value: i64, text: &str) -> bool {
    if let Ok(number) = text.parse::<i64>() {
        return number == value;
    }
    if let (false, Ok(date)) = (text.contains('T'), text.parse::<Date>()) {
        return date
            .since(Date::constant(1970, 1, 1))
            .is_ok_and(|span| i64::from(span.get_days()) == value);
    }
    let micros = text
        .parse::<DateTime>()
        .ok()
        .and_then(|time| time.to_zoned(TimeZone::UTC).ok());
    micros
        .map(|time| time.timestamp().as_microsecond())
        .is_some_and(|micros| value == micros || (micros % 1000 == 0 && value == micros / 1000))
}

fn same_instant(left: &str, right: &str) -> bool {
    let instant = |text: &str| text.parse::<jiff::Timestamp>().ok();
    instant(left).is_some_and(|left| instant(right) == Some(left))
}

fn same_json(left: &str, right: &str) -> bool {
    let json = |text: &str| {
        serde_json::from_str::<serde_json::Value>(text)
            .ok()
            .filter(|value| !value.is_number())
    };
    json(left).is_some_and(|left| json(right) == Some(left))
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_agree_with_the_text_they_came_from_and_with_no_other() {
        let text = |text: &str| Cell::Text(text.to_owned());
        let cases = [
            (Cell::Integer(5), "5", "6"),
            (Cell::Boolean(true), "true", "false"),
            (Cell::Decimal("12.30".into()), "12.30", "12.3"),
            (Cell::Float(0.5), "0.5", "0.25"),
            (Cell::Bytes(vec![0, 255]), "\\x00ff", "\\x00fe"),
            (text("placed"), "placed", "paid"),
            (text("{\"a\": 1}"), "{\"a\":1}", "{\"a\":2}"),
            (
                text("2026-01-02T03:04:05.6Z"),
                "2026-01-02T04:04:05.600000+01:00",
                "2026-01-02T03:04:05.7+00:00",
            ),
            (Cell::Integer(20_455), "2026-01-02", "2026-01-03"),
            (
                Cell::Integer(1_767_323_045_600_000),
                "2026-01-02T03:04:05.6",
                "2026-01-02T03:04:05.600001",
            ),
            (
                Cell::Integer(1_767_323_045_600),
                "2026-01-02T03:04:05.6",
                "2026-01-02T03:04:05.6001",
            ),
        ];
        for (cell, same, other) in cases {
            assert!(cell.agrees_with(Some(same)), "{cell:?} {same}");
            assert!(!cell.agrees_with(Some(other)), "{cell:?} {other}");
            assert!(!cell.agrees_with(None), "{cell:?}");
        }
        assert!(Cell::Null.agrees_with(None) && !Cell::Null.agrees_with(Some("")));
        assert!(Cell::Unavailable.agrees_with(Some("wide")) && !Cell::Unavailable.agrees_with(None));
        assert!(!text("1").agrees_with(Some("1.0")));
    }
}
