//! Representation of values.

use crate::debezium::rule::Translate::{Number, Text, Words};
use crate::debezium::rule::{Rule, becomes, not_yet};

const TIME: &[(&str, &str)] = &[
    ("adaptive", "adaptive"),
    ("adaptive_time_microseconds", "adaptive_time_microseconds"),
    ("connect", "connect"),
    ("isostring", "isostring"),
    ("microseconds", "microseconds"),
    ("nanoseconds", "nanoseconds"),
];
const NUMERIC: &[(&str, &str)] = &[("precise", "precise"), ("double", "double"), ("string", "string")];
const INTERVAL: &[(&str, &str)] = &[("numeric", "numeric"), ("string", "string")];
const BINARY: &[(&str, &str)] = &[
    ("bytes", "bytes"),
    ("base64", "base64"),
    ("base64-url-safe", "base64_url_safe"),
    ("hex", "hex"),
];
/// Columns of unknown types are omitted or sent as bytes; the default of walcast sends their text.
const UNKNOWN: &[(&str, &str)] = &[("false", "drop"), ("true", "bytes")];
const HSTORE: &[(&str, &str)] = &[("json", "json"), ("map", "map")];

pub(super) const RULES: &[Rule] = &[
    becomes("decimal.handling.mode", "types.decimal", Words(NUMERIC)).default("precise"),
    becomes("time.precision.mode", "types.time", Words(TIME)).default("adaptive"),
    becomes("interval.handling.mode", "types.interval", Words(INTERVAL)).default("numeric"),
    becomes("binary.handling.mode", "types.binary", Words(BINARY)).default("bytes"),
    becomes("hstore.handling.mode", "types.hstore", Words(HSTORE)).default("json"),
    becomes("money.fraction.digits", "types.money_fraction_digits", Number).default("2"),
    becomes("include.unknown.datatypes", "types.unknown", Words(UNKNOWN))
        .default("false")
        .always()
        .withholds(),
    becomes(
        "unavailable.value.placeholder",
        "format.unavailable_value_placeholder",
        Text,
    )
    .default("__debezium_unavailable_value"),
    // A class can mask or remove values.
    not_yet("converters", "a Java class cannot be loaded")
        .default("")
        .withholds(),
    not_yet("post.processors", "a Java class cannot be loaded")
        .default("")
        .withholds(),
    not_yet("fields.null.include", "null fields are always written").default("true"),
];
