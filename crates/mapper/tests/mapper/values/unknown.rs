//! Data types that Debezium does not know, or does not read.

use expect_test::expect;
use walcast_mapper::MapError;
use walcast_mapper::config::{BinaryMode, TypeModes, UnknownMode};
use walcast_pgoutput::Column;

use super::{OWN_RANGE, POINT3, POINTS3, POSITIVES, check, check_modes, table};
use crate::shown;
use crate::table::{Change, Table};

const NAME: u32 = 19;
const BOX: u32 = 603;
const BOXES: u32 = 1020;
const INTERVALS: u32 = 1187;
const UNHEARD_OF: u32 = 99_999;

fn unknown(unknown: UnknownMode) -> TypeModes {
    TypeModes {
        unknown,
        ..TypeModes::default()
    }
}

#[test]
fn unknown_types_are_kept_as_text() {
    check(POINT3, "(1,2,3)", expect![[r#""(1,2,3)""#]]);
    check(OWN_RANGE, "[1,5)", expect![[r#""[1,5)""#]]);
    check(UNHEARD_OF, "unheard of", expect![[r#""unheard of""#]]);
    check(NAME, "a name", expect![[r#""a name""#]]);
    check(BOX, "(1,1),(0,0)", expect![[r#""(1,1),(0,0)""#]]);
    check(
        BOXES,
        "{(1,1),(0,0);NULL;(2,2),(0,0)}",
        expect![[r#"["(1,1),(0,0)", null, "(2,2),(0,0)"]"#]],
    );
    check(INTERVALS, "{\"1 day\"}", expect!["[86400000000]"]);
    check(POINTS3, r#"{"(1,2,3)",NULL}"#, expect![[r#"["(1,2,3)", null]"#]]);
}

/// The fields of `after`.
fn fields(table: &Table, text: &str) -> Result<Vec<String>, MapError> {
    let row = [Column::Text(b"1"), Column::Text(text.as_bytes())];
    let records = table.records(&Change::Insert(&row))?;
    let after = shown::field(records[0].value.as_ref().unwrap(), "after");
    let shown = shown::show(after);
    Ok(shown
        .trim_matches(['{', '}'])
        .split(", ")
        .map(str::to_owned)
        .collect())
}

#[test]
fn unknown_types_are_dropped_on_request() {
    for (oid, text) in [
        (POINT3, "(1,2,3)"),
        (OWN_RANGE, "[1,5)"),
        (BOX, "(1,1),(0,0)"),
        (INTERVALS, "{1}"),
        (POSITIVES, "{1}"),
        (POINTS3, "{}"),
        (UNHEARD_OF, "x"),
    ] {
        let table = table(unknown(UnknownMode::Drop), oid, -1);
        assert_eq!(fields(&table, text).unwrap(), ["id: 1"], "{oid}");
    }
    // Debezium has a field for the column, which is always null.
    let table = table(unknown(UnknownMode::Drop), NAME, -1);
    assert_eq!(fields(&table, "a name").unwrap(), ["id: 1", "v: null"]);
}

#[test]
fn a_discarded_column_is_an_empty_text_where_required() {
    let mut table = table(unknown(UnknownMode::Drop), NAME, -1);
    table.metadata.columns[1].not_null = true;
    assert_eq!(fields(&table, "a name").unwrap(), ["id: 1", "v: \"\""]);
}

#[test]
fn unknown_types_are_bytes_on_request() {
    let bytes = || unknown(UnknownMode::Bytes);
    check_modes(bytes(), POINT3, -1, "(1)", expect!["x283129"]);
    check_modes(bytes(), POINTS3, -1, "{(1)}", expect!["[x283129]"]);
    check_modes(bytes(), POSITIVES, -1, "{1}", expect!["[x31]"]);
    check_modes(
        bytes(),
        POINTS3,
        -1,
        "{NULL}",
        expect!["column v of public.t: the value cannot be written as an array whose elements are not null"],
    );
    check_modes(bytes(), NAME, -1, "a name", expect![[r#""a name""#]]);
    let hexadecimal = TypeModes {
        binary: BinaryMode::Hex,
        ..bytes()
    };
    check_modes(hexadecimal, POINT3, -1, "(1)", expect![[r#""283129""#]]);
    // Debezium omits arrays of these types even though it sends the types themselves.
    let table = table(bytes(), INTERVALS, -1);
    assert_eq!(fields(&table, "{}").unwrap(), ["id: 1"]);
}
