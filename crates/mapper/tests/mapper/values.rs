//! Every type, value by value: what the wire says and what an independent decoder reads.

use expect_test::{Expect, expect};
use walcast_mapper::{TypeFacts, TypeKind};
use walcast_pgoutput::{Column, Oid};

use crate::shown;
use crate::table::{INT4, Table};

fn check_modifier(oid: u32, modifier: i32, text: &str, expected: Expect) {
    let mut table = Table::new(&[("id", INT4, -1), ("v", oid, modifier)]);
    table.facts.types = user_types();
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

fn user_types() -> std::collections::BTreeMap<Oid, TypeFacts> {
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
            },
        ),
        (POINT3, "point3", TypeKind::Composite),
        (CITEXT, "citext", TypeKind::Base),
        (HSTORE, "hstore", TypeKind::Base),
        // No catalog can hold this, but what comes from outside must not hang us.
        (
            CIRCLE,
            "circle",
            TypeKind::Domain {
                base: Oid::new(CIRCLE),
                base_modifier: -1,
            },
        ),
    ];
    let facts = |name: &str, kind| TypeFacts {
        namespace: "public".to_owned(),
        name: name.to_owned(),
        kind,
    };
    kinds
        .into_iter()
        .map(|(oid, name, kind)| (Oid::new(oid), facts(name, kind)))
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
    check_modifier(1700, numeric(3, 5), "0.00123", expect!["123e"]);
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
fn text_that_is_not_utf8_is_refused() {
    let table = Table::new(&[("id", INT4, -1), ("v", 25, -1)]);
    let error = table
        .inserted(&[Column::Text(b"1"), Column::Text(b"\xff")], "v")
        .unwrap_err();
    expect!["column v of public.t: the value cannot be written as text: it is not UTF-8"]
        .assert_eq(&error.to_string());
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

#[test]
fn dates() {
    for (text, expected) in [
        ("1970-01-01", expect!["0"]),
        ("1969-12-31", expect!["-1"]),
        ("2024-02-29", expect!["19782"]),
        ("0001-01-01", expect!["-719162"]),
        ("0001-12-31 BC", expect!["-719163"]),
        ("4713-01-01 BC", expect!["-2440550"]),
        ("10000-01-01", expect!["2932897"]),
        ("5874897-12-31", expect!["2145042905"]),
        ("infinity", expect!["-2147472692"]),
        ("-infinity", expect!["-2147472691"]),
        (
            "2024-13-01",
            expect!["column v of public.t: the value cannot be written as a date"],
        ),
        (
            "02/29/2024",
            expect!["column v of public.t: the value cannot be written as a date"],
        ),
        (
            "2024-02-29 ",
            expect!["column v of public.t: the value cannot be written as a date"],
        ),
    ] {
        check(1082, text, expected);
    }
}

#[test]
fn times_of_day() {
    check(1083, "00:00:00", expect!["0"]);
    check(1083, "12:34:56.789012", expect!["45296789012"]);
    check(1083, "24:00:00", expect!["86400000000"]);
    check_modifier(1083, 3, "12:34:56.789", expect!["45296789"]);
    check_modifier(1083, 0, "24:00:00", expect!["86400000"]);
    check(
        1083,
        "12:34",
        expect!["column v of public.t: the value cannot be written as a time of day"],
    );
    check(
        1083,
        "12:34:56.",
        expect!["column v of public.t: the value cannot be written as a time of day"],
    );
    check(
        1083,
        "12:34:56.1234567",
        expect!["column v of public.t: the value cannot be written as a time of day"],
    );
}

#[test]
fn timestamps() {
    for (text, expected) in [
        ("1970-01-01 00:00:00", expect!["0"]),
        ("1969-12-31 23:59:59.999999", expect!["-1"]),
        ("2024-02-29 12:34:56.7", expect!["1709210096700000"]),
        ("0044-03-15 12:00:00 BC", expect!["-63517780800000000"]),
        ("10000-01-01 00:00:00", expect!["253402300800000000"]),
        ("infinity", expect!["9223372036825200000"]),
        ("-infinity", expect!["-9223372036832400000"]),
        ("294247-01-10 04:00:54.775807", expect!["9223372036854775807"]),
        (
            "294247-01-10 04:00:54.775808",
            expect!["column v of public.t: the value cannot be written as a number of time since 1970"],
        ),
        (
            "2024-02-29T12:34:56",
            expect!["column v of public.t: the value cannot be written as a number of time since 1970"],
        ),
    ] {
        check(1114, text, expected);
    }
    check_modifier(1114, 3, "1969-12-31 23:59:59.999", expect!["-1"]);
    check_modifier(1114, 0, "294276-12-31 23:59:59", expect!["9224318015999000"]);
    check_modifier(1114, 3, "-infinity", expect!["-9223372036832400"]);
}

#[test]
fn timestamps_with_time_zone() {
    for (text, expected) in [
        (
            "2024-02-29 12:34:56.789012+05:30",
            expect![[r#""2024-02-29T07:04:56.789012Z""#]],
        ),
        (
            "2024-01-01 00:00:00-08",
            expect![[r#""2024-01-01T08:00:00.000000Z""#]],
        ),
        (
            "1883-11-18 12:03:58-04:56:02",
            expect![[r#""1883-11-18T17:00:00.000000Z""#]],
        ),
        (
            "2024-01-01 00:30:00+01",
            expect![[r#""2023-12-31T23:30:00.000000Z""#]],
        ),
        (
            "0044-03-15 12:00:00+00 BC",
            expect![[r#""-0043-03-15T12:00:00.000000Z""#]],
        ),
        (
            "0001-01-01 00:00:00+01",
            expect![[r#""0000-12-31T23:00:00.000000Z""#]],
        ),
        (
            "10000-01-01 00:00:00+00",
            expect![[r#""+10000-01-01T00:00:00.000000Z""#]],
        ),
        ("infinity", expect![[r#""infinity""#]]),
        ("-infinity", expect![[r#""-infinity""#]]),
        (
            "2024-01-01 00:00:00",
            expect!["column v of public.t: the value cannot be written as a moment in UTC"],
        ),
    ] {
        check(1184, text, expected);
    }
    check_modifier(
        1184,
        0,
        "2024-01-01 00:00:00+00",
        expect![[r#""2024-01-01T00:00:00Z""#]],
    );
    check_modifier(
        1184,
        3,
        "2024-01-01 00:00:00.12+00",
        expect![[r#""2024-01-01T00:00:00.120Z""#]],
    );
}

#[test]
fn enums() {
    check(MOOD, "sad", expect![[r#""sad""#]]);
    check(MOOD, "it's, \"ok\"", expect![[r#""it's, \"ok\"""#]]);
    check(
        MOOD,
        "glad",
        expect![
            "column v of public.t holds a label that enum type 20000 did not have when its schema was made"
        ],
    );
    check(
        MOODS,
        r#"{sad,"it's, \"ok\""}"#,
        expect![[r#"["sad", "it's, \"ok\""]"#]],
    );
    check(
        MOODS,
        "{sad,NULL}",
        expect!["column v of public.t: the value cannot be written as an array whose elements are not null"],
    );
    check(
        MOODS,
        "{glad}",
        expect![
            "column v of public.t holds a label that enum type 20000 did not have when its schema was made"
        ],
    );
}

#[test]
fn domains() {
    check(POSITIVE, "5", expect!["5"]);
    check(PRICE, "1.50", expect!["150e"]);
    check(SMALL_PRICE, "1.50", expect!["150e"]);
    check(POSITIVES, "{1,NULL}", expect!["[1, null]"]);
    check(CIRCLE, "as text", expect![[r#""as text""#]]);
}

#[test]
fn types_without_an_encoder_are_text() {
    check(1186, "1 day 02:00:00", expect![[r#""1 day 02:00:00""#]]);
    check(869, "10.0.0.1/8", expect![[r#""10.0.0.1/8""#]]);
    check(1041, "{10.0.0.1,10.0.0.2}", expect![[r#""{10.0.0.1,10.0.0.2}""#]]);
    check(3904, "[1,5)", expect![[r#""[1,5)""#]]);
    check(POINT3, "(1,2,3)", expect![[r#""(1,2,3)""#]]);
    check(HSTORE, r#""a"=>"b""#, expect![[r#""\"a\"=>\"b\"""#]]);
    check(99_999, "unheard of", expect![[r#""unheard of""#]]);
}

#[test]
fn arrays() {
    check(1007, "{}", expect!["[]"]);
    check(1007, "{1,NULL,-3}", expect!["[1, null, -3]"]);
    check(1007, "[5:7]={1,2,3}", expect!["[1, 2, 3]"]);
    check(
        1007,
        "{{1,2},{3,4}}",
        expect!["column v of public.t: the value cannot be written as an array of one dimension"],
    );
    check(
        1007,
        "[0:1][0:1]={{1,2},{3,4}}",
        expect!["column v of public.t: the value cannot be written as an array of one dimension"],
    );
    check(
        1007,
        "{1,2",
        expect!["column v of public.t: the value cannot be written as an array of one dimension"],
    );
    check(
        1007,
        "{1,}",
        expect!["column v of public.t: the value cannot be written as an array of one dimension"],
    );
    check(
        1007,
        "1,2}",
        expect!["column v of public.t: the value cannot be written as an array of one dimension"],
    );
    check(
        1007,
        "{1}2",
        expect!["column v of public.t: the value cannot be written as an array of one dimension"],
    );
    check(
        1007,
        "{1,x}",
        expect!["column v of public.t: the value cannot be written as a whole number of the column's size"],
    );
    check(
        1007,
        "",
        expect!["column v of public.t: the value cannot be written as an array of one dimension"],
    );
    check(
        1009,
        r#"{"a,b","c\"d","e\\f",NULL,"NULL","",é,"{}"}"#,
        expect![[r#"["a,b", "c\"d", "e\\f", null, "NULL", "", "é", "{}"]"#]],
    );
    check(
        1009,
        r#"{"a}"#,
        expect!["column v of public.t: the value cannot be written as an array of one dimension"],
    );
    check(
        1009,
        r#"{"a\"#,
        expect!["column v of public.t: the value cannot be written as an array of one dimension"],
    );
    check(1000, "{t,f,NULL}", expect!["[true, false, null]"]);
    check(1001, r#"{"\\x00ff","\\x"}"#, expect!["[x00ff, x]"]);
    check(
        1182,
        "{2024-02-29,infinity,\"0044-03-15 BC\"}",
        expect!["[19782, -2147472692, -735160]"],
    );
    check(1183, "{12:34:56.789012}", expect!["[45296789012]"]);
    check_modifier(1183, 3, "{12:34:56.789}", expect!["[45296789]"]);
    check(
        1115,
        r#"{"2024-02-29 12:34:56.789012",-infinity}"#,
        expect!["[1709210096789012, -9223372036832400000]"],
    );
    check(
        1185,
        r#"{"2024-02-29 12:34:56+02",-infinity}"#,
        expect![[r#"["2024-02-29T10:34:56.000000Z", "-infinity"]"#]],
    );
    check_modifier(1231, numeric(10, 2), "{1.50,-0.01}", expect!["[150e, -1e]"]);
    check(
        1231,
        "{1.50,100}",
        expect!["[{scale: 1, value: x0f}, {scale: 0, value: x64}]"],
    );
    check(
        2951,
        "{6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11}",
        expect![[r#"["6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11"]"#]],
    );
    check(199, r#"{"{\"a\": 1}"}"#, expect![[r#"["{\"a\": 1}"]"#]]);
    check(1003, "{a,b}", expect![[r#"["a", "b"]"#]]);
}
