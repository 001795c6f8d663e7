//! Every data type, value by value: the text on the wire and the value that an independent decoder reads.

use expect_test::{Expect, expect};
use walcast_mapper::config::{TypeModes, UnwritableMode};
use walcast_mapper::{MapError, TypeKind, TypeMetadata};
use walcast_pgoutput::{Column, Oid};

use crate::shown;
use crate::table::{INT4, Table};

mod composed;
mod extensions;
mod modes;
mod random;
mod times;
mod unknown;

fn check_modifier(oid: u32, modifier: i32, text: &str, expected: Expect) {
    check_modes(TypeModes::default(), oid, modifier, text, expected);
}

/// A table whose column `v` is written in these modes.
fn table(modes: TypeModes, oid: u32, modifier: i32) -> Table {
    let mut table = Table::new(&[("id", INT4, -1), ("v", oid, modifier)]);
    table.metadata.types = user_types();
    table.config.types = modes;
    table
}

fn check_modes(modes: TypeModes, oid: u32, modifier: i32, text: &str, expected: Expect) {
    let table = table(modes, oid, modifier);
    let shown = match table.inserted(&[Column::Text(b"1"), Column::Text(text.as_bytes())], "v") {
        Ok(value) => shown::show(&value),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&shown);
}

fn check(oid: u32, text: &str, expected: Expect) {
    check_modifier(oid, -1, text, expected);
}

const MOOD: u32 = 20_000;
const MOODS: u32 = 20_001;
const POSITIVE: u32 = 20_002;
const PRICE: u32 = 20_003;
const SMALL_PRICE: u32 = 20_004;
const POSITIVES: u32 = 20_005;
const POINT3: u32 = 20_006;
const CITEXT: u32 = 20_007;
const HSTORE: u32 = 20_008;
const CIRCLE: u32 = 20_009;
const LTREE: u32 = 20_010;
const VECTOR: u32 = 20_011;
const HALFVEC: u32 = 20_012;
const SPARSEVEC: u32 = 20_013;
const GEOMETRY: u32 = 20_014;
const GEOMETRIES: u32 = 20_015;
const GEOGRAPHY: u32 = 20_016;
const POINTS3: u32 = 20_017;
const OWN_RANGE: u32 = 20_018;

fn user_types() -> std::collections::BTreeMap<Oid, TypeMetadata> {
    let kinds = [
        (
            MOOD,
            "mood",
            TypeKind::Enum {
                labels: vec!["sad".into(), "it's, \"ok\"".into()],
            },
        ),
        (
            MOODS,
            "_mood",
            TypeKind::Array {
                element: Oid::new(MOOD),
                delimiter: b',',
            },
        ),
        (
            POSITIVE,
            "positive",
            TypeKind::Domain {
                base: Oid::new(INT4),
                base_modifier: -1,
            },
        ),
        (
            PRICE,
            "price",
            TypeKind::Domain {
                base: Oid::new(1700),
                base_modifier: (12 << 16) + 2 + 4,
            },
        ),
        (
            SMALL_PRICE,
            "small_price",
            TypeKind::Domain {
                base: Oid::new(PRICE),
                base_modifier: -1,
            },
        ),
        (
            POSITIVES,
            "_positive",
            TypeKind::Array {
                element: Oid::new(POSITIVE),
                delimiter: b',',
            },
        ),
        (POINT3, "point3", TypeKind::Composite),
        (CITEXT, "citext", TypeKind::Base),
        (HSTORE, "hstore", TypeKind::Base),
        (LTREE, "ltree", TypeKind::Base),
        (VECTOR, "vector", TypeKind::Base),
        (HALFVEC, "halfvec", TypeKind::Base),
        (SPARSEVEC, "sparsevec", TypeKind::Base),
        (GEOMETRY, "geometry", TypeKind::Base),
        (
            GEOMETRIES,
            "_geometry",
            TypeKind::Array {
                element: Oid::new(GEOMETRY),
                delimiter: b':',
            },
        ),
        (GEOGRAPHY, "geography", TypeKind::Base),
        (
            POINTS3,
            "_point3",
            TypeKind::Array {
                element: Oid::new(POINT3),
                delimiter: b',',
            },
        ),
        (OWN_RANGE, "floatrange", TypeKind::Range),
        // A catalog cannot contain this, but no input may cause an endless loop.
        (
            CIRCLE,
            "circle",
            TypeKind::Domain {
                base: Oid::new(CIRCLE),
                base_modifier: -1,
            },
        ),
    ];
    let metadata = |name: &str, kind| TypeMetadata {
        namespace: "public".to_owned(),
        name: name.to_owned(),
        kind,
    };
    kinds
        .into_iter()
        .map(|(oid, name, kind)| (Oid::new(oid), metadata(name, kind)))
        .collect()
}

const fn numeric(precision: i32, scale: i32) -> i32 {
    (precision << 16) + (scale & 0x7FF) + 4
}

#[test]
fn booleans() {
    check(16, "t", expect!["true"]);
    check(16, "f", expect!["false"]);
    check(
        16,
        "",
        expect!["column v of public.t: the value cannot be written as a boolean"],
    );
}

#[test]
fn whole_numbers() {
    check(21, "-32768", expect!["-32768"]);
    check(
        21,
        "32768",
        expect!["column v of public.t: the value cannot be written as a whole number of the column's size"],
    );
    check(23, "2147483647", expect!["2147483647"]);
    check(
        23,
        "-2147483649",
        expect!["column v of public.t: the value cannot be written as a whole number of the column's size"],
    );
    check(20, "-9223372036854775808", expect!["-9223372036854775808"]);
    check(20, "9223372036854775807", expect!["9223372036854775807"]);
    check(
        20,
        "9223372036854775808",
        expect!["column v of public.t: the value cannot be written as a whole number of the column's size"],
    );
    check(
        20,
        "99999999999999999999",
        expect!["column v of public.t: the value cannot be written as a whole number of the column's size"],
    );
    check(
        20,
        "",
        expect!["column v of public.t: the value cannot be written as a whole number of the column's size"],
    );
    check(
        20,
        "-",
        expect!["column v of public.t: the value cannot be written as a whole number of the column's size"],
    );
    check(
        20,
        "1 ",
        expect!["column v of public.t: the value cannot be written as a whole number of the column's size"],
    );
    check(26, "4294967295", expect!["4294967295"]);
    check(
        26,
        "-1",
        expect!["column v of public.t: the value cannot be written as a whole number of the column's size"],
    );
}

#[test]
fn floating_point() {
    check(700, "1.5", expect!["1.5"]);
    check(700, "1e-45", expect!["1e-45"]);
    check(700, "NaN", expect!["NaN"]);
    check(701, "1e+16", expect!["1e16"]);
    check(701, "-Infinity", expect!["-inf"]);
    check(701, "5e-324", expect!["5e-324"]);
    check(
        701,
        "x",
        expect!["column v of public.t: the value cannot be written as a double"],
    );
}

#[test]
fn numbers_of_fixed_scale() {
    for (text, expected) in [
        ("0.00", expect!["0e"]),
        ("-0.01", expect!["-1e"]),
        ("1.28", expect!["128e"]),
        ("-1.28", expect!["-128e"]),
        ("-1.29", expect!["-129e"]),
        ("99999999.99", expect!["9999999999e"]),
        ("5", expect!["500e"]),
        ("5.1", expect!["510e"]),
        ("5.100", expect!["510e"]),
        (
            "5.101",
            expect!["column v of public.t: the value cannot be written as a decimal of the column's scale"],
        ),
        (
            "NaN",
            expect![
                "column v of public.t: the value cannot be written as a decimal: only finite numbers have one"
            ],
        ),
        (
            "-Infinity",
            expect![
                "column v of public.t: the value cannot be written as a decimal: only finite numbers have one"
            ],
        ),
        (
            ".",
            expect![
                "column v of public.t: the value cannot be written as a decimal: only finite numbers have one"
            ],
        ),
        (
            "1.2.3",
            expect![
                "column v of public.t: the value cannot be written as a decimal: only finite numbers have one"
            ],
        ),
        (
            "",
            expect![
                "column v of public.t: the value cannot be written as a decimal: only finite numbers have one"
            ],
        ),
    ] {
        check_modifier(1700, numeric(10, 2), text, expected);
    }
    check_modifier(1700, numeric(5, -2), "12300", expect!["12300e"]);
    check_modifier(1700, numeric(3, 5), "0.00123", expect!["x7b"]);
    check_modifier(
        1700,
        numeric(38, 0),
        "-170141183460469231731687303715884105728",
        expect!["-170141183460469231731687303715884105728e"],
    );
    check_modifier(
        1700,
        numeric(40, 20),
        "18446744073709551616.00000000000000000001",
        expect!["1844674407370955161600000000000000000001e"],
    );
}

#[test]
fn numbers_of_any_scale() {
    check(1700, "0", expect!["{scale: 0, value: x00}"]);
    check(1700, "0.000", expect!["{scale: 0, value: x00}"]);
    check(1700, "1.500", expect!["{scale: 1, value: x0f}"]);
    check(1700, "-100", expect!["{scale: 0, value: x9c}"]);
    check(
        1700,
        "12345678901234567890.1234567890",
        expect!["{scale: 9, value: x27e41b3246bec9b16e398115}"],
    );
    check(
        1700,
        "NaN",
        expect![
            "column v of public.t: the value cannot be written as a decimal: only finite numbers have one"
        ],
    );
}

#[test]
fn text() {
    check(25, "ä€𝄞\n", expect![[r#""ä€𝄞\n""#]]);
    check(25, "", expect![[r#""""#]]);
    check(1043, "v", expect![[r#""v""#]]);
    check_modifier(1042, 14, "c         ", expect![[r#""c         ""#]]);
    check(19, "a name", expect![[r#""a name""#]]);
    check(18, "x", expect![[r#""x""#]]);
    check(
        2950,
        "6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11",
        expect![[r#""6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11""#]],
    );
    check(114, r#"{"a" : 1}"#, expect![[r#""{\"a\" : 1}""#]]);
    check(3802, r#"{"a": 1}"#, expect![[r#""{\"a\": 1}""#]]);
    check(CITEXT, "CiText", expect![[r#""CiText""#]]);
}

#[test]
fn text_that_is_not_utf8_is_rejected() {
    let table = Table::new(&[("id", INT4, -1), ("v", 25, -1)]);
    let error = table
        .inserted(&[Column::Text(b"1"), Column::Text(b"\xff")], "v")
        .unwrap_err();
    expect!["column v of public.t: the value cannot be written as text: it is not UTF-8"]
        .assert_eq(&error.to_string());
}

#[test]
fn text_without_equivalent_in_utf8_has_no_form() {
    let mut table = Table::new(&[("id", INT4, -1), ("v", 25, -1)]);
    let stored = [Column::Binary(b"a\x81"), Column::Text(b"a\x81")];
    for value in stored {
        let error = table.inserted(&[Column::Text(b"1"), value], "v").unwrap_err();
        assert!(matches!(error, MapError::Value { .. }), "{error}");
    }
    table.config.types.unwritable = UnwritableMode::Null;
    for value in stored {
        let written = table.inserted(&[Column::Text(b"1"), value], "v").unwrap();
        expect!["null"].assert_eq(&shown::show(&written));
        // A key is never null.
        table.inserted(&[value, Column::Null], "v").unwrap_err();
    }
}

#[test]
fn bytes() {
    check(17, r"\x00ff41", expect!["x00ff41"]);
    check(17, r"\x", expect!["x"]);
    check(
        17,
        r"\x0",
        expect!["column v of public.t: the value cannot be written as bytes"],
    );
    check(
        17,
        r"\x0g",
        expect!["column v of public.t: the value cannot be written as bytes"],
    );
    check(17, r"a\\b\000\377", expect!["x615c6200ff"]);
    check(
        17,
        r"a\400",
        expect!["column v of public.t: the value cannot be written as bytes"],
    );
    check(17, "", expect!["x"]);
}
