//! Values compared without the encoder: the text of Postgres on one side, what apache-avro has decoded on the other.
//!
//! Only types whose text has one exact counterpart are compared.

use num_bigint::BigInt;
use walcast_mapper::MapperConfig;
use walcast_mapper::config::{BinaryMode, DecimalMode};
use walcast_pgoutput::RelationColumn;

use crate::value::Value;

/// Type whose values are compared without the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainType {
    /// `boolean`.
    Boolean,
    /// `smallint`, `integer`, `bigint`.
    Integer,
    /// `real`.
    Real,
    /// `double precision`.
    Double,
    /// `text`, `varchar`, `json`, `jsonb`, `uuid`.
    Text,
    /// `bytea`.
    Bytes,
    /// `numeric` with this scale.
    Numeric {
        /// Digits after the point; `None`: the value has its own scale.
        scale: Option<u32>,
    },
}

/// Built-in types by OID, with their names.
const TYPES: [(u32, &str, PlainType); 13] = [
    (16, "bool", PlainType::Boolean),
    (17, "bytea", PlainType::Bytes),
    (20, "int8", PlainType::Integer),
    (21, "int2", PlainType::Integer),
    (23, "int4", PlainType::Integer),
    (25, "text", PlainType::Text),
    (114, "json", PlainType::Text),
    (700, "float4", PlainType::Real),
    (701, "float8", PlainType::Double),
    (1043, "varchar", PlainType::Text),
    (1700, "numeric", PlainType::Numeric { scale: None }),
    (2950, "uuid", PlainType::Text),
    (3802, "jsonb", PlainType::Text),
];

/// Bytes of a type modifier before its content.
const MODIFIER_HEAD: i32 = 4;

impl PlainType {
    /// Type of a column; `None` if its values are not compared.
    pub(crate) fn of(column: &RelationColumn, config: &MapperConfig) -> Option<Self> {
        let (_, name, plain) = TYPES.iter().find(|(oid, ..)| *oid == column.type_oid.as_u32())?;
        if config.types.is_as_text("pg_catalog", name) {
            return Some(Self::Text);
        }
        match plain {
            Self::Bytes if config.types.binary != BinaryMode::Bytes => None,
            Self::Numeric { .. } => match config.types.decimal {
                DecimalMode::Double | DecimalMode::String => None,
                DecimalMode::Precise => numeric(column.type_modifier),
            },
            plain => Some(*plain),
        }
    }

    /// Value of a text of Postgres. A text that is none of the type stays a text.
    pub(crate) fn of_source(self, text: &str) -> Value {
        let parsed = match self {
            Self::Text | Self::Numeric { scale: Some(_) } => None,
            Self::Numeric { scale: None } => Some(Value::Text(shortest(text).to_owned())),
            Self::Boolean => match text {
                "t" => Some(Value::Bool(true)),
                "f" => Some(Value::Bool(false)),
                _ => None,
            },
            Self::Integer => text.parse().ok().map(Value::Int),
            Self::Real => text
                .parse::<f32>()
                .ok()
                .map(|number| Value::Float(f64::from(number))),
            Self::Double => text.parse().ok().map(Value::Float),
            Self::Bytes => text.strip_prefix("\\x").and_then(bytes).map(Value::Bytes),
        };
        parsed.unwrap_or_else(|| Value::Text(text.to_owned()))
    }

    /// The same value as apache-avro has decoded it. A value of another form is returned as it is.
    pub(crate) fn of_record(self, value: &Value) -> Value {
        match (self, value) {
            (Self::Numeric { scale: Some(scale) }, Value::Bytes(unscaled)) => {
                Value::Text(decimal(unscaled, i64::from(scale)))
            }
            (Self::Numeric { scale: None }, record @ Value::Record(_)) => {
                match (record.get("scale"), record.get("value")) {
                    (Some(Value::Int(scale)), Some(Value::Bytes(unscaled))) => {
                        Value::Text(shortest(&decimal(unscaled, *scale)).to_owned())
                    }
                    _ => value.clone(),
                }
            }
            _ => value.clone(),
        }
    }
}

/// `numeric` with the scale of a type modifier; `None` for a negative scale.
fn numeric(modifier: i32) -> Option<PlainType> {
    if modifier < MODIFIER_HEAD {
        return Some(PlainType::Numeric { scale: None });
    }
    // 11 bits with a sign, below the precision.
    let low = (modifier - MODIFIER_HEAD) & 0x7FF;
    match u32::try_from((low ^ 0x400) - 0x400) {
        Ok(scale) => Some(PlainType::Numeric { scale: Some(scale) }),
        Err(_) => None,
    }
}

/// Text of an exact number, with all digits of its scale, as Postgres prints it.
fn decimal(unscaled: &[u8], scale: i64) -> String {
    let number = BigInt::from_signed_bytes_be(unscaled).to_string();
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", number.as_str()),
    };
    let Ok(scale) = usize::try_from(scale) else {
        return format!("{number}e{}", scale.unsigned_abs());
    };
    if scale == 0 {
        return number;
    }
    let digits = format!("{digits:0>width$}", width = scale.saturating_add(1));
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// A number without the zeros at the end of its fraction: a value with a scale of its own is the same number without them.
fn shortest(number: &str) -> &str {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    }
}

/// Bytes of hexadecimal digits.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use walcast_pgoutput::Oid;

    use super::*;

    fn of(oid: u32, modifier: i32, config: &MapperConfig) -> Option<PlainType> {
        let column = RelationColumn {
            is_key: false,
            name: "a".to_owned(),
            type_oid: Oid::new(oid),
            type_modifier: modifier,
        };
        PlainType::of(&column, config)
    }

    #[test]
    fn both_sides_have_one_value() {
        let variable = Value::Record(
            [
                ("scale".to_owned(), Value::Int(1)),
                ("value".to_owned(), Value::Bytes(vec![0xFF])),
            ]
            .into(),
        );
        for (plain, text, value) in [
            (PlainType::Boolean, "t", Value::Bool(true)),
            (PlainType::Integer, "-7", Value::Int(-7)),
            (PlainType::Real, "1.1", Value::Float(f64::from(1.1_f32))),
            (PlainType::Double, "1e+20", Value::Float(1e20)),
            (PlainType::Double, "-Infinity", Value::Float(f64::NEG_INFINITY)),
            (PlainType::Text, "a", Value::Text("a".to_owned())),
            (PlainType::Bytes, "\\x00ff", Value::Bytes(vec![0, 0xFF])),
            (PlainType::Bytes, "\\x", Value::Bytes(vec![])),
            (
                PlainType::Numeric { scale: Some(2) },
                "12.30",
                Value::Bytes(vec![4, 0xCE]),
            ),
            (
                PlainType::Numeric { scale: Some(2) },
                "-0.05",
                Value::Bytes(vec![0xFB]),
            ),
            (PlainType::Numeric { scale: Some(0) }, "5", Value::Bytes(vec![5])),
            (PlainType::Numeric { scale: None }, "-0.1", variable.clone()),
            (PlainType::Numeric { scale: None }, "-0.100", variable),
        ] {
            assert_eq!(plain.of_source(text), plain.of_record(&value), "{plain:?} {text}");
        }
        let nan = PlainType::Double.of_source("NaN");
        assert!(matches!(nan, Value::Float(number) if number.is_nan()));
    }

    #[test]
    fn only_exact_types_are_compared() {
        let mut config = MapperConfig::new("shop", "shop");
        let scaled = |scale| Some(PlainType::Numeric { scale });
        assert_eq!(of(1700, -1, &config), scaled(None));
        // numeric(10,2) and numeric(3,-2).
        assert_eq!(of(1700, (10 << 16) + 2 + 4, &config), scaled(Some(2)));
        assert_eq!(of(1700, (3 << 16) + (2048 - 2) + 4, &config), None);
        assert_eq!(of(1114, -1, &config), None);
        config.types.decimal = DecimalMode::Double;
        config.types.as_text = vec!["int4".to_owned()];
        assert_eq!(of(1700, -1, &config), None);
        assert_eq!(of(23, -1, &config), Some(PlainType::Text));
    }
}
