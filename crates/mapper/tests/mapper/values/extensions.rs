//! Data types other than numbers, text and times: documents, bit strings, geometries, types of extensions.

use expect_test::expect;
use walcast_mapper::config::{HstoreMode, TypeModes};

use super::{
    GEOGRAPHY, GEOMETRIES, GEOMETRY, HALFVEC, HSTORE, LTREE, SPARSEVEC, VECTOR, check, check_modes,
    check_modifier,
};

const BIT: u32 = 1560;
const VARBIT: u32 = 1562;

#[test]
fn semantic_texts() {
    check(142, "<a b=\"c\"/>", expect![[r#""<a b=\"c\"/>""#]]);
    check(3614, "'cat':3A 'fat':2", expect![[r#""'cat':3A 'fat':2""#]]);
    check(869, "10.0.0.1/8", expect![[r#""10.0.0.1/8""#]]);
    check(1041, "{10.0.0.1,NULL}", expect![[r#"["10.0.0.1", null]"#]]);
    check(3904, "[1,5)", expect![[r#""[1,5)""#]]);
    check(3905, r#"{"[1,5)",empty}"#, expect![[r#"["[1,5)", "empty"]"#]]);
    check(LTREE, "Top.Science", expect![[r#""Top.Science""#]]);
}

#[test]
fn bit_strings() {
    check_modifier(BIT, 1, "1", expect!["true"]);
    check_modifier(BIT, 1, "0", expect!["false"]);
    check_modifier(VARBIT, 1, "1", expect!["true"]);
    check_modifier(
        VARBIT,
        1,
        "",
        expect!["column v of public.t: the value cannot be written as a bit string"],
    );
    check_modifier(BIT, 8, "10000000", expect!["x80"]);
    check_modifier(BIT, 9, "100000001", expect!["x0101"]);
    check_modifier(BIT, 9, "011111111", expect!["xff"]);
    check_modifier(BIT, 16, "0000000000000000", expect!["x"]);
    check(VARBIT, "101", expect!["x05"]);
    check(VARBIT, "", expect!["x"]);
    check(
        VARBIT,
        "102",
        expect!["column v of public.t: the value cannot be written as a bit string"],
    );
    check(1563, "{101,NULL}", expect!["[x05, null]"]);
}

#[test]
fn points_have_their_binary_form() {
    check(
        600,
        "(1,-2.5)",
        expect!["{x: 1.0, y: -2.5, wkb: x0101000000000000000000f03f00000000000004c0, srid: null}"],
    );
    check(
        600,
        "(NaN,Infinity)",
        expect!["{x: NaN, y: inf, wkb: x0101000000000000000000f87f000000000000f07f, srid: null}"],
    );
    for text in ["", "1,2", "(1)", "(1,2", "(1,x)"] {
        check(
            600,
            text,
            expect!["column v of public.t: the value cannot be written as a point"],
        );
    }
}

#[test]
fn geometries_have_their_spatial_reference_system() {
    let with_srid = "0101000020E610000000000000000000400000000000000840";
    check(
        GEOMETRY,
        with_srid,
        expect!["{wkb: x0101000020e610000000000000000000400000000000000840, srid: 4326}"],
    );
    check(
        GEOGRAPHY,
        "010700000000000000",
        expect!["{wkb: x010700000000000000, srid: null}"],
    );
    // Big endian.
    check(
        GEOMETRY,
        "00200000010000138840000000000000004008000000000000",
        expect!["{wkb: x00200000010000138840000000000000004008000000000000, srid: 5000}"],
    );
    check(
        GEOMETRIES,
        "{010700000000000000:NULL}",
        expect!["[{wkb: x010700000000000000, srid: null}, null]"],
    );
    for text in ["", "01", "0107000000000000", "0x0700000000000000", "POINT(1 2)"] {
        check(
            GEOMETRY,
            text,
            expect!["column v of public.t: the value cannot be written as a geometry"],
        );
    }
}

#[test]
fn vectors() {
    check(VECTOR, "[1,2.5,-0.1]", expect!["[1.0, 2.5, -0.1]"]);
    check(HALFVEC, "[1,65504]", expect!["[1.0, 65504.0]"]);
    check(
        SPARSEVEC,
        "{1:0.5,3:2}/5",
        expect!["{dimensions: 5, vector: [{key: 1, value: 0.5}, {key: 3, value: 2.0}]}"],
    );
    check(SPARSEVEC, "{}/5", expect!["{dimensions: 5, vector: []}"]);
    check(
        SPARSEVEC,
        "{1:1}/40000",
        expect![
            "column v of public.t: the value cannot be written as a sparse vector whose dimensions fit 16 bits"
        ],
    );
    check(
        VECTOR,
        "1,2",
        expect!["column v of public.t: the value cannot be written as a vector"],
    );
}

#[test]
fn hstores_are_json() {
    for (text, expected) in [
        ("", expect![[r#""{}""#]]),
        (
            r#""a"=>"1", "b"=>NULL"#,
            expect![[r#""{\"a\":\"1\",\"b\":null}""#]],
        ),
        (r#""q\"k"=>"b\\s""#, expect![[r#""{\"q\\\"k\":\"b\\\\s\"}""#]]),
        ("\"a\"=>\"\n\u{1f}\"", expect![[r#""{\"a\":\"\\n\\u001F\"}""#]]),
        (r#""NULL"=>"NULL""#, expect![[r#""{\"NULL\":\"NULL\"}""#]]),
        (
            r#""a"=>"1","#,
            expect!["column v of public.t: the value cannot be written as an hstore"],
        ),
        (
            r#""a"=>"1", "#,
            expect!["column v of public.t: the value cannot be written as an hstore"],
        ),
        (
            r#""a"=>"1"#,
            expect!["column v of public.t: the value cannot be written as an hstore"],
        ),
    ] {
        check(HSTORE, text, expected);
    }
    // In sixteen buckets 113, which is `q`, comes before 98, which is `b`.
    check(
        HSTORE,
        r#""b"=>"", "q"=>"""#,
        expect![[r#""{\"q\":\"\",\"b\":\"\"}""#]],
    );
}

#[test]
fn hstores_are_maps_on_request() {
    let modes = || TypeModes {
        hstore: HstoreMode::Map,
        ..TypeModes::default()
    };
    check_modes(
        modes(),
        HSTORE,
        -1,
        r#""a"=>"1", "b\""=>NULL"#,
        expect![[r#"{"a": "1", "b\"": null}"#]],
    );
    check_modes(modes(), HSTORE, -1, "", expect!["{}"]);
}
