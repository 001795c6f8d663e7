//! Mapping of data types to encoders.

use walcast_pgoutput::Oid;

use crate::built_in;
use crate::config::{ArrayMode, BinaryMode, DecimalMode, HstoreMode, TimeMode, TypeModes, UnknownMode};
use crate::encode::{DateForm, Encoder, TimeForm};
use crate::table_metadata::{TableMetadata, TypeKind, TypeMetadata};

/// Encoder of a column of type `oid` with modifier `modifier`; `None` for a type that is not sent.
pub(crate) fn encoder(
    oid: Oid,
    modifier: i32,
    metadata: &TableMetadata,
    modes: &TypeModes,
) -> Option<Encoder> {
    let resolution = Resolution { metadata, modes };
    match resolution.of(oid, modifier, DEPTH_MAX) {
        Found::Known(encoder) => Some(encoder),
        Found::Unread(encoder) => Some(match modes.unknown {
            UnknownMode::Keep | UnknownMode::Bytes => encoder,
            UnknownMode::Drop => Encoder::Discarded,
        }),
        Found::Unknown(encoder) => match modes.unknown {
            UnknownMode::Keep => Some(encoder),
            UnknownMode::Drop => None,
            UnknownMode::Bytes => opaque(encoder, modes.binary),
        },
        Found::UnknownArray(encoder) => match modes.unknown {
            UnknownMode::Keep => Some(encoder),
            UnknownMode::Drop | UnknownMode::Bytes => None,
        },
    }
}

/// Whether Debezium reads the defaults of columns of this type.
pub(crate) fn has_readable_default(oid: Oid, metadata: &TableMetadata, modes: &TypeModes) -> bool {
    match metadata.types.get(&oid) {
        Some(known) => {
            matches!(known.kind, TypeKind::Enum { .. }) && !modes.is_as_text(&known.namespace, &known.name)
        }
        None => built_in::scalar(oid).is_some_and(|known| {
            READABLE_DEFAULTS.contains(&known.name) && !modes.is_as_text(built_in::NAMESPACE, known.name)
        }),
    }
}

/// See [`PostgresDefaultValueConverter`][1].
///
/// [1]: https://github.com/debezium/debezium/blob/v3.3.1.Final/debezium-connector-postgres/src/main/java/io/debezium/connector/postgresql/connection/PostgresDefaultValueConverter.java
const READABLE_DEFAULTS: [&str; 21] = [
    "bit",
    "bool",
    "bpchar",
    "date",
    "float4",
    "float8",
    "int2",
    "int4",
    "int8",
    "interval",
    "json",
    "jsonb",
    "numeric",
    "text",
    "time",
    "timestamp",
    "timestamptz",
    "uuid",
    "varbit",
    "varchar",
    "xml",
];

/// Limit of the nesting of domains and arrays: the server allows any depth, and the catalog cannot contain a cycle.
const DEPTH_MAX: usize = 64;
const NO_MODIFIER: i32 = -1;

/// Encoder of a type, and how Debezium 3.3.1 treats the type.
enum Found {
    /// Debezium sends the same.
    Known(Encoder),
    /// Debezium has the field, always null.
    Unread(Encoder),
    /// Debezium does not send the column unless it includes unknown types.
    Unknown(Encoder),
    /// Debezium never sends the column.
    UnknownArray(Encoder),
}

impl Found {
    fn encoder(self) -> Encoder {
        match self {
            Found::Known(encoder)
            | Found::Unread(encoder)
            | Found::Unknown(encoder)
            | Found::UnknownArray(encoder) => encoder,
        }
    }
}

struct Resolution<'r> {
    metadata: &'r TableMetadata,
    modes: &'r TypeModes,
}

impl Resolution<'_> {
    fn of(&self, oid: Oid, modifier: i32, depth: usize) -> Found {
        let Some(depth) = depth.checked_sub(1) else {
            return Found::Unknown(Encoder::Text);
        };
        if let Some(known) = built_in::scalar(oid) {
            return if self.modes.is_as_text(built_in::NAMESPACE, known.name) {
                Found::Known(Encoder::Text)
            } else {
                self.built_in(known.name, modifier)
            };
        }
        if let Some(element) = built_in::element(oid) {
            if self
                .modes
                .is_as_text(built_in::NAMESPACE, &format!("_{}", element.name))
            {
                return Found::Known(Encoder::Text);
            }
            let found = self.of(Oid::new(element.oid), modifier, depth);
            return self.array(found, element.delimiter(), UNSENT_ARRAYS.contains(&element.name));
        }
        match self.metadata.types.get(&oid) {
            Some(known) if self.modes.is_as_text(&known.namespace, &known.name) => {
                Found::Known(Encoder::Text)
            }
            Some(known) => self.own(oid, known, modifier, depth),
            None => Found::Unknown(Encoder::Text),
        }
    }

    /// Resolves a user-defined type.
    fn own(&self, oid: Oid, known: &TypeMetadata, modifier: i32, depth: usize) -> Found {
        match &known.kind {
            TypeKind::Enum { labels } => Found::Known(Encoder::Enum {
                type_oid: oid,
                labels: labels.clone(),
                is_open: self.metadata.former_labels.contains(&oid),
            }),
            TypeKind::Domain { base, base_modifier } => {
                let modifier = if *base_modifier == NO_MODIFIER {
                    modifier
                } else {
                    *base_modifier
                };
                self.of(*base, modifier, depth)
            }
            TypeKind::Array { element, delimiter } => {
                let is_domain = self
                    .metadata
                    .types
                    .get(element)
                    .is_some_and(|element| matches!(element.kind, TypeKind::Domain { .. }));
                let found = match self.of(*element, modifier, depth) {
                    // Debezium does not look through a domain in an array.
                    found if is_domain => Found::Unknown(found.encoder()),
                    found => found,
                };
                self.array(found, *delimiter, false)
            }
            TypeKind::Base => self.extension(&known.name),
            TypeKind::Composite | TypeKind::Range => Found::Unknown(Encoder::Text),
        }
    }

    fn array(&self, element: Found, delimiter: u8, is_unsent: bool) -> Found {
        let list = |element| match self.modes.arrays {
            ArrayMode::Text => Encoder::Text,
            // Postgres has no arrays of arrays; a domain over an array can make one look so.
            ArrayMode::List if matches!(element, Encoder::Array { .. }) => Encoder::Text,
            ArrayMode::List => Encoder::Array {
                element: Box::new(element),
                delimiter,
            },
        };
        match element {
            element if is_unsent => Found::UnknownArray(list(element.encoder())),
            Found::Known(element) => Found::Known(list(element)),
            other => Found::Unknown(list(other.encoder())),
        }
    }

    fn built_in(&self, name: &str, modifier: i32) -> Found {
        Found::Known(match name {
            "bool" => Encoder::Boolean,
            "int2" => Encoder::Int16,
            "int4" => Encoder::Int32,
            "int8" => Encoder::Int64,
            "oid" => Encoder::Oid,
            "float4" => Encoder::Float,
            "float8" => Encoder::Double,
            "numeric" => self.numeric(modifier),
            "money" => self.money(),
            "text" | "varchar" | "bpchar" | "char" | "inet" | "cidr" | "macaddr" | "macaddr8"
            | "int4range" | "int8range" | "numrange" | "tsrange" | "tstzrange" | "daterange" => Encoder::Text,
            "name" => return Found::Unread(Encoder::Text),
            "bytea" => match self.modes.binary {
                BinaryMode::Bytes => Encoder::Bytes,
                mode => Encoder::BytesText(mode),
            },
            "bit" | "varbit" => bits(modifier),
            "uuid" => Encoder::Uuid,
            "json" | "jsonb" => Encoder::Json,
            "xml" => Encoder::Named("io.debezium.data.Xml"),
            "tsvector" => Encoder::Named("io.debezium.data.Tsvector"),
            "date" => Encoder::Date(match self.modes.time {
                TimeMode::Connect => DateForm::Connect,
                TimeMode::Isostring => DateForm::Iso,
                TimeMode::Adaptive
                | TimeMode::AdaptiveTimeMicroseconds
                | TimeMode::Microseconds
                | TimeMode::Nanoseconds => DateForm::Days,
            }),
            "time" => Encoder::Time(self.time_of_day(modifier)),
            "timestamp" => Encoder::Timestamp(self.timestamp(modifier)),
            "timestamptz" => Encoder::ZonedTimestamp {
                digits: second_digits(modifier),
            },
            "timetz" => Encoder::ZonedTime,
            "interval" => Encoder::Interval(self.modes.interval),
            "point" => Encoder::Point,
            _ => return Found::Unknown(Encoder::Text),
        })
    }

    /// Resolves a base type of an extension, by the names that Debezium knows.
    fn extension(&self, name: &str) -> Found {
        Found::Known(match name {
            "citext" | "isbn" => Encoder::Text,
            "ltree" => Encoder::Named("io.debezium.data.Ltree"),
            "hstore" => match self.modes.hstore {
                HstoreMode::Json => Encoder::HstoreJson,
                HstoreMode::Map => Encoder::HstoreMap,
            },
            "vector" => Encoder::DoubleVector,
            "halfvec" => Encoder::FloatVector,
            "sparsevec" => Encoder::SparseVector,
            "geometry" => Encoder::Geometry,
            "geography" => Encoder::Geography,
            _ => return Found::Unknown(Encoder::Text),
        })
    }

    /// `numeric`'s modifier is the precision above the scale, plus four; from version 15 on the scale has 11 bits and a sign.
    ///
    /// A negative scale only means that the last digits are zeros: the precision grows so that the value is exact.
    fn numeric(&self, modifier: i32) -> Encoder {
        let fixed = modifier
            .checked_sub(4)
            .filter(|packed| *packed >= 0)
            .map(|packed| {
                let precision = (packed >> 16) & 0xFFFF;
                let scale = ((packed & 0x7FF) ^ 1024) - 1024;
                let size = |number: i32| usize::try_from(number).expect("neither is negative");
                (size(precision - scale.min(0)), size(scale.max(0)))
            });
        match (self.modes.decimal, fixed) {
            (DecimalMode::Double, _) => Encoder::DecimalDouble,
            (DecimalMode::String, fixed) => Encoder::DecimalText {
                scale: fixed.map(|(_, scale)| scale),
            },
            (DecimalMode::Precise, Some((precision, scale))) => Encoder::Decimal {
                precision: Some(precision),
                scale,
            },
            (DecimalMode::Precise, None) => Encoder::VariableDecimal,
        }
    }

    fn money(&self) -> Encoder {
        let fraction_digits = usize::from(self.modes.money_fraction_digits);
        let form = match self.modes.decimal {
            DecimalMode::Precise => Encoder::Decimal {
                precision: None,
                scale: fraction_digits,
            },
            DecimalMode::Double => Encoder::DecimalDouble,
            DecimalMode::String => Encoder::DecimalText { scale: None },
        };
        Encoder::Money {
            form: Box::new(form),
            fraction_digits,
        }
    }

    fn time_of_day(&self, modifier: i32) -> TimeForm {
        match self.modes.time {
            TimeMode::AdaptiveTimeMicroseconds => TimeForm::Micros,
            _ => self.timestamp(modifier),
        }
    }

    fn timestamp(&self, modifier: i32) -> TimeForm {
        match self.modes.time {
            TimeMode::Adaptive | TimeMode::AdaptiveTimeMicroseconds => {
                if second_digits(modifier) <= MILLIS_DIGITS {
                    TimeForm::Millis
                } else {
                    TimeForm::Micros
                }
            }
            TimeMode::Connect => TimeForm::Connect,
            TimeMode::Isostring => TimeForm::Iso,
            TimeMode::Microseconds => TimeForm::Micros,
            TimeMode::Nanoseconds => TimeForm::Nanos,
        }
    }
}

/// Whether the name of an extension's base type is enough to know how its values are sent.
#[must_use]
pub fn is_extension_type(name: &str) -> bool {
    EXTENSION_TYPES.contains(&name)
}

/// Base types of extensions that Debezium knows by name.
const EXTENSION_TYPES: [&str; 9] = [
    "citext",
    "geography",
    "geometry",
    "halfvec",
    "hstore",
    "isbn",
    "ltree",
    "sparsevec",
    "vector",
];

/// Element types of the arrays that Debezium never sends, although it sends most of the element types.
const UNSENT_ARRAYS: [&str; 8] = [
    "bit",
    "interval",
    "money",
    "name",
    "point",
    "refcursor",
    "varbit",
    "xml",
];

/// Encoder of an unknown type that is included: the bytes of the text, and arrays of them.
fn opaque(kept: Encoder, mode: BinaryMode) -> Option<Encoder> {
    Some(match kept {
        Encoder::Array { delimiter, .. } => Encoder::Array {
            element: Box::new(Encoder::Opaque(mode)),
            delimiter,
        },
        _ => Encoder::Opaque(mode),
    })
}

/// Bit strings of one bit are booleans.
fn bits(modifier: i32) -> Encoder {
    match u32::try_from(modifier) {
        Ok(1) => Encoder::Bit,
        Ok(length) => Encoder::Bits { length },
        Err(_) => Encoder::Bits { length: BITS_UNKNOWN },
    }
}

/// Length of a `varbit` without length in the JDBC driver.
const BITS_UNKNOWN: u32 = i32::MAX.cast_unsigned();

/// Fractional digits of a second; six without a modifier.
fn second_digits(modifier: i32) -> u32 {
    u32::try_from(modifier).map_or(SECOND_DIGITS_MAX, |digits| digits.min(SECOND_DIGITS_MAX))
}

const SECOND_DIGITS_MAX: u32 = 6;
/// Columns with up to this many fractional digits are sent in milliseconds.
const MILLIS_DIGITS: u32 = 3;
