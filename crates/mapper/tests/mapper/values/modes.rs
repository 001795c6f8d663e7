//! The modes of `[types]`, which are Debezium's options.

use expect_test::{Expect, expect};
use walcast_mapper::config::{
    ArrayMode, BinaryMode, DecimalMode, IntervalMode, TimeMode, TypeModes, UnwritableMode,
};

use super::{check, check_modes, numeric};

const NUMERIC: u32 = 1700;
const MONEY: u32 = 790;
const INTERVAL: u32 = 1186;

fn decimal(decimal: DecimalMode) -> TypeModes {
    TypeModes {
        decimal,
        ..TypeModes::default()
    }
}

#[test]
fn decimals_as_doubles() {
    let check = |text: &str, expected: Expect| {
        check_modes(
            decimal(DecimalMode::Double),
            NUMERIC,
            numeric(10, 2),
            text,
            expected,
        );
    };
    check("12.30", expect!["12.3"]);
    check("-0.01", expect!["-0.01"]);
    check("NaN", expect!["NaN"]);
    check("-Infinity", expect!["-inf"]);
    check(
        &"9".repeat(400),
        expect!["column v of public.t: the value cannot be written as a finite double"],
    );
    check(
        "inf",
        expect!["column v of public.t: the value cannot be written as a finite double"],
    );
}

#[test]
fn decimals_as_text() {
    let check = |modifier, text: &str, expected: Expect| {
        check_modes(decimal(DecimalMode::String), NUMERIC, modifier, text, expected);
    };
    check(numeric(10, 2), "12.30", expect![[r#""12.30""#]]);
    check(-1, "1.500", expect![[r#""1.500""#]]);
    check(-1, "NaN", expect![[r#""NAN""#]]);
    check(-1, "Infinity", expect![[r#""POSITIVE_INFINITY""#]]);
    check(numeric(10, 2), "-Infinity", expect![[r#""NEGATIVE_INFINITY""#]]);
    check(numeric(10, 2), "5", expect![[r#""5.00""#]]);
    check(numeric(10, 0), "5.000", expect![[r#""5""#]]);
    check(
        numeric(10, 2),
        "5.001",
        expect!["column v of public.t: the value cannot be written as a decimal of the column's scale"],
    );
    check(
        -1,
        "1e5",
        expect!["column v of public.t: the value cannot be written as a decimal"],
    );
}

#[test]
fn money() {
    check(MONEY, "$1,234.50", expect!["123450e"]);
    check(MONEY, "-$0.01", expect!["-1e"]);
    check(MONEY, "1.234,50 €", expect!["123450e"]);
    check(MONEY, "￥1,234", expect!["123400e"]);
    check(
        MONEY,
        "$",
        expect!["column v of public.t: the value cannot be written as a sum of money"],
    );
    check_modes(
        decimal(DecimalMode::Double),
        MONEY,
        -1,
        "$1,234.50",
        expect!["1234.5"],
    );
    check_modes(
        decimal(DecimalMode::String),
        MONEY,
        -1,
        "-$1,234.50",
        expect![[r#""-1234.50""#]],
    );
    let digits = |money_fraction_digits| TypeModes {
        money_fraction_digits,
        ..TypeModes::default()
    };
    check_modes(digits(3), MONEY, -1, "KD1.234", expect!["1234e"]);
    // Rounding would lose money.
    check_modes(
        digits(0),
        MONEY,
        -1,
        "$1.50",
        expect!["column v of public.t: the value cannot be written as a decimal of the column's scale"],
    );
    check(791, r#"{$1.00,"$1,234.00"}"#, expect!["[100e, 123400e]"]);
}

#[test]
fn intervals() {
    let iso = |text: &str, expected: Expect| {
        let modes = TypeModes {
            interval: IntervalMode::String,
            ..TypeModes::default()
        };
        check_modes(modes, INTERVAL, -1, text, expected);
    };
    let text = "1 year 2 mons 3 days 04:05:06.789";
    check(INTERVAL, text, expect!["37091106789000"]);
    iso(text, expect![[r#""P1Y2M3DT4H5M6.789S""#]]);
    let text = "-1 years -2 mons +3 days -04:05:06.07";
    check(INTERVAL, text, expect!["-36572706070000"]);
    iso(text, expect![[r#""P-1Y-2M3DT-4H-5M-6.07S""#]]);
    check(INTERVAL, "00:00:00", expect!["0"]);
    iso("00:00:00", expect![[r#""P0Y0M0DT0H0M0S""#]]);
    check(INTERVAL, "-00:00:00.5", expect!["-500000"]);
    iso("-00:00:00.5", expect![[r#""P0Y0M0DT0H0M-0.5S""#]]);
    iso(
        "1000000:00:00.000001",
        expect![[r#""P0Y0M0DT1000000H0M0.000001S""#]],
    );
    check(INTERVAL, "infinity", expect!["9223372036854775807"]);
    check(INTERVAL, "-infinity", expect!["-9223372036854775808"]);
    iso("-infinity", expect![[r#""-infinity""#]]);
    check(
        INTERVAL,
        "300000 years",
        expect!["column v of public.t: the value cannot be written as a number of microseconds"],
    );
    iso("300000 years", expect![[r#""P300000Y0M0DT0H0M0S""#]]);
    for strange in ["", "1", "1 fortnight", "1:2", "00:00:00.1234567", "P1D"] {
        iso(
            strange,
            expect!["column v of public.t: the value cannot be written as an interval"],
        );
    }
}

const DATE: u32 = 1082;
const TIME: u32 = 1083;
const TIMESTAMP: u32 = 1114;

fn time(time: TimeMode) -> TypeModes {
    TypeModes {
        time,
        ..TypeModes::default()
    }
}

#[test]
fn times_in_iso_text() {
    let check = |oid, text: &str, expected: Expect| {
        check_modes(time(TimeMode::Isostring), oid, -1, text, expected);
    };
    check(DATE, "2024-02-29", expect![[r#""2024-02-29Z""#]]);
    check(DATE, "0044-03-15 BC", expect![[r#""-0043-03-15Z""#]]);
    check(DATE, "10000-01-01", expect![[r#""+10000-01-01Z""#]]);
    check(DATE, "infinity", expect![[r#""infinity""#]]);
    check(TIME, "12:34:56", expect![[r#""12:34:56Z""#]]);
    check(TIME, "12:34:56.07", expect![[r#""12:34:56.07Z""#]]);
    check(TIME, "24:00:00", expect![[r#""24:00:00Z""#]]);
    check(
        TIMESTAMP,
        "2024-02-29 12:34:56.789012",
        expect![[r#""2024-02-29T12:34:56.789012Z""#]],
    );
    check(
        TIMESTAMP,
        "294276-12-31 23:59:59.999999",
        expect![[r#""+294276-12-31T23:59:59.999999Z""#]],
    );
    check(TIMESTAMP, "-infinity", expect![[r#""-infinity""#]]);
}

#[test]
fn times_in_other_units() {
    let timestamp = "2024-02-29 12:34:56.789012";
    for (mode, oid, modifier, text, expected) in [
        (
            TimeMode::AdaptiveTimeMicroseconds,
            TIME,
            0,
            "12:34:56",
            expect!["45296000000"],
        ),
        (
            TimeMode::AdaptiveTimeMicroseconds,
            TIMESTAMP,
            0,
            "2024-02-29 12:34:56",
            expect!["1709210096000"],
        ),
        (
            TimeMode::Microseconds,
            TIMESTAMP,
            0,
            "2024-02-29 12:34:56",
            expect!["1709210096000000"],
        ),
        (
            TimeMode::Microseconds,
            TIME,
            3,
            "12:34:56",
            expect!["45296000000"],
        ),
        (
            TimeMode::Nanoseconds,
            TIMESTAMP,
            -1,
            timestamp,
            expect!["1709210096789012000"],
        ),
        (
            TimeMode::Nanoseconds,
            TIME,
            -1,
            "24:00:00",
            expect!["86400000000000"],
        ),
        (
            TimeMode::Nanoseconds,
            TIMESTAMP,
            -1,
            "infinity",
            expect!["9223372036854775807"],
        ),
        (
            TimeMode::Nanoseconds,
            TIMESTAMP,
            -1,
            "-infinity",
            expect!["-9223372036854775808"],
        ),
        (
            TimeMode::Nanoseconds,
            TIMESTAMP,
            -1,
            "2262-04-12 00:00:00",
            expect!["column v of public.t: the value cannot be written as a number of time since 1970"],
        ),
        (TimeMode::Connect, DATE, -1, "2024-02-29", expect!["19782d"]),
        (
            TimeMode::Connect,
            TIME,
            -1,
            "12:34:56.789999",
            expect!["45296789ms"],
        ),
        (
            TimeMode::Connect,
            TIMESTAMP,
            -1,
            "1969-12-31 23:59:59.999999",
            expect!["-1ms"],
        ),
        (
            TimeMode::Connect,
            TIMESTAMP,
            -1,
            "infinity",
            expect!["9223372036825200ms"],
        ),
    ] {
        check_modes(time(mode), oid, modifier, text, expected);
    }
}

#[test]
fn bytes_as_text() {
    let binary = |binary| TypeModes {
        binary,
        ..TypeModes::default()
    };
    let bytes = "\\xfbef41";
    check_modes(binary(BinaryMode::Base64), 17, -1, bytes, expect![[r#""++9B""#]]);
    check_modes(
        binary(BinaryMode::Base64),
        17,
        -1,
        "\\xfb",
        expect![[r#""+w==""#]],
    );
    check_modes(
        binary(BinaryMode::Base64UrlSafe),
        17,
        -1,
        bytes,
        expect![[r#""--9B""#]],
    );
    check_modes(binary(BinaryMode::Hex), 17, -1, bytes, expect![[r#""fbef41""#]]);
    check_modes(binary(BinaryMode::Hex), 17, -1, "a\\001", expect![[r#""6101""#]]);
    check_modes(
        binary(BinaryMode::Hex),
        1001,
        -1,
        r#"{"\\x00ff",NULL}"#,
        expect![[r#"["00ff", null]"#]],
    );
    check_modes(
        binary(BinaryMode::Hex),
        17,
        -1,
        "\\xabc",
        expect!["column v of public.t: the value cannot be written as bytes"],
    );
}

#[test]
fn values_as_text_are_complete() {
    let as_text = |name: &str| TypeModes {
        as_text: vec![name.to_owned()],
        ..TypeModes::default()
    };
    check_modes(
        as_text("numeric"),
        NUMERIC,
        numeric(10, 2),
        "NaN",
        expect![[r#""NaN""#]],
    );
    check_modes(as_text("numeric"), 1231, -1, "{NaN}", expect![[r#"["NaN"]"#]]);
    let array = "[0:1][2:3]={{1,2},{3,NULL}}";
    check_modes(
        as_text("integer[]"),
        1007,
        -1,
        array,
        expect![[r#""[0:1][2:3]={{1,2},{3,NULL}}""#]],
    );
    let arrays = TypeModes {
        arrays: ArrayMode::Text,
        ..TypeModes::default()
    };
    check_modes(
        arrays,
        1007,
        -1,
        array,
        expect![[r#""[0:1][2:3]={{1,2},{3,NULL}}""#]],
    );
}

#[test]
fn unwritable_values_are_null_on_request() {
    let modes = || TypeModes {
        unwritable: UnwritableMode::Null,
        ..TypeModes::default()
    };
    check_modes(modes(), NUMERIC, numeric(10, 2), "NaN", expect!["null"]);
    check_modes(modes(), NUMERIC, -1, "Infinity", expect!["null"]);
    check_modes(modes(), 1231, -1, "{1,NaN}", expect!["null"]);
    check_modes(modes(), 1007, -1, "{{1,2},{3,4}}", expect!["null"]);
    check_modes(modes(), NUMERIC, -1, "1", expect!["{scale: 0, value: x01}"]);
}
