//! Representation of data types, where Debezium has an option or its only choice loses values.

use serde::{Deserialize, Serialize};

/// The table `[types]`. The defaults are Debezium's, except for [`TypeModes::unknown`], whose default keeps every
/// value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct TypeModes {
    /// `numeric` and `money` (Debezium's `decimal.handling.mode`).
    pub decimal: DecimalMode,
    /// Digits of `money` after the point (Debezium's `money.fraction.digits`).
    pub money_fraction_digits: u8,
    /// Dates, times of day and timestamps (Debezium's `time.precision.mode`).
    pub time: TimeMode,
    /// `interval` (Debezium's `interval.handling.mode`).
    pub interval: IntervalMode,
    /// `bytea` (Debezium's `binary.handling.mode`).
    pub binary: BinaryMode,
    /// `hstore` (Debezium's `hstore.handling.mode`).
    pub hstore: HstoreMode,
    /// Arrays.
    pub arrays: ArrayMode,
    /// Types that Debezium does not know (its `include.unknown.datatypes`).
    pub unknown: UnknownMode,
    /// Values that their column's schema cannot represent.
    pub unwritable: UnwritableMode,
    /// Types whose values are sent in the server's text form: `numeric`, `int4[]`, `public.mood`.
    pub as_text: Vec<String>,
}

/// Representation of exact numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecimalMode {
    /// Connect's `Decimal`, or Debezium's `VariableScaleDecimal` where the column fixes no scale.
    #[default]
    Precise,
    /// The nearest double.
    Double,
    /// Text.
    String,
}

/// Representation of dates and of times without time zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeMode {
    /// Milliseconds or microseconds, by the column's precision.
    #[default]
    Adaptive,
    /// [`TimeMode::Adaptive`], but times of day are always microseconds.
    AdaptiveTimeMicroseconds,
    /// Connect's own types, in milliseconds.
    Connect,
    /// ISO 8601 text.
    Isostring,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

/// Representation of an `interval`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalMode {
    /// Approximate microseconds: a month is a twelfth of 365.25 days.
    #[default]
    Numeric,
    /// ISO 8601 text, exact.
    String,
}

/// Representation of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BinaryMode {
    /// Bytes.
    #[default]
    Bytes,
    /// Text in base64.
    Base64,
    /// Text in base64 with `-` and `_`.
    Base64UrlSafe,
    /// Hexadecimal digits.
    Hex,
}

/// Representation of an `hstore`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HstoreMode {
    /// Text that is a JSON object.
    #[default]
    Json,
    /// A map.
    Map,
}

/// Representation of an array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrayMode {
    /// A list. Arrays of several dimensions cannot be written.
    #[default]
    List,
    /// The server's text form, with all dimensions and bounds.
    Text,
}

/// Handling of columns whose type Debezium does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownMode {
    /// Sent in the server's text form, arrays as lists.
    #[default]
    Keep,
    /// Not sent, Debezium's default.
    Drop,
    /// Sent as the bytes of its text, Debezium's `include.unknown.datatypes`.
    Bytes,
}

/// Handling of values that their column's schema cannot represent (`NaN` as a decimal).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnwritableMode {
    /// The stream stops with an error that names the column.
    #[default]
    Halt,
    /// Sent as null where the column is nullable, as Debezium does.
    Null,
}

/// The number of digits of most currencies.
const MONEY_FRACTION_DIGITS: u8 = 2;

impl Default for TypeModes {
    fn default() -> Self {
        Self {
            decimal: DecimalMode::default(),
            money_fraction_digits: MONEY_FRACTION_DIGITS,
            time: TimeMode::default(),
            interval: IntervalMode::default(),
            binary: BinaryMode::default(),
            hstore: HstoreMode::default(),
            arrays: ArrayMode::default(),
            unknown: UnknownMode::default(),
            unwritable: UnwritableMode::default(),
            as_text: Vec::new(),
        }
    }
}

impl TypeModes {
    /// Whether values of the type are always sent as text.
    #[must_use]
    pub fn is_as_text(&self, namespace: &str, name: &str) -> bool {
        self.as_text
            .iter()
            .any(|wanted| is_type_name(wanted, namespace, name))
    }
}

/// Whether an entry of [`TypeModes::as_text`] is a name of the type.
#[must_use]
pub fn is_type_name(entry: &str, namespace: &str, name: &str) -> bool {
    let (schema, wanted) = match entry.rsplit_once('.') {
        Some((schema, wanted)) => (Some(schema), wanted),
        None => (None, entry),
    };
    let is_name = match wanted.strip_suffix("[]") {
        Some(element) => name.strip_prefix('_') == Some(catalog_name(element)),
        None => name == catalog_name(wanted),
    };
    is_name && schema.is_none_or(|schema| schema == namespace)
}

/// Catalog name of a type with an SQL name of its own.
fn catalog_name(name: &str) -> &str {
    match name {
        "bigint" => "int8",
        "bit varying" => "varbit",
        "boolean" => "bool",
        "character" => "bpchar",
        "character varying" => "varchar",
        "decimal" => "numeric",
        "double precision" => "float8",
        "integer" => "int4",
        "real" => "float4",
        "smallint" => "int2",
        "time with time zone" => "timetz",
        "time without time zone" => "time",
        "timestamp with time zone" => "timestamptz",
        "timestamp without time zone" => "timestamp",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::TypeModes;

    fn chosen(entry: &str, namespace: &str, name: &str) -> bool {
        let modes = TypeModes {
            as_text: vec![entry.to_owned()],
            ..TypeModes::default()
        };
        modes.is_as_text(namespace, name)
    }

    #[test]
    fn types_are_chosen_by_any_of_their_names() {
        for (entry, namespace, name) in [
            ("numeric", "pg_catalog", "numeric"),
            ("integer[]", "pg_catalog", "_int4"),
            ("_int4", "pg_catalog", "_int4"),
            ("public.mood", "public", "mood"),
            ("public.mood[]", "public", "_mood"),
        ] {
            assert!(chosen(entry, namespace, name), "{entry}");
        }
        for (entry, namespace, name) in [
            ("integer", "pg_catalog", "_int4"),
            ("integer[]", "pg_catalog", "int4"),
            ("public.mood", "other", "mood"),
            ("", "public", "mood"),
        ] {
            assert!(!chosen(entry, namespace, name), "{entry}");
        }
    }
}
