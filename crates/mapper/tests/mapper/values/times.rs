//! Dates, times and timestamps.

use expect_test::expect;

use super::{check, check_modifier};

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
