//! Data types composed of other types.

use expect_test::expect;

use super::{CIRCLE, MOOD, MOODS, POSITIVE, POSITIVES, PRICE, SMALL_PRICE, check, check_modifier, numeric};

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
