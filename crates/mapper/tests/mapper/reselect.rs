//! Requests for unchanged TOAST values.

use expect_test::{Expect, expect};
use walcast_mapper::RowChange;
use walcast_mapper::config::UnavailableValues;
use walcast_pgoutput::Column::{self, Null, Text, UnchangedToast};
use walcast_pgoutput::Tuple;
use walcast_pgoutput::reader::Reader;

use crate::table::{Change, INT4, TEXT, Table, with_change};

fn asking() -> Table {
    let mut table = Table::new(&[
        ("id", INT4, -1),
        ("a", TEXT, -1),
        ("b", TEXT, -1),
        ("c", TEXT, -1),
    ]);
    table.config.unavailable_values = UnavailableValues::Reselect;
    table
}

/// The request, and the row completed with the values `x`, null, `x`, …
fn check(table: &Table, change: &Change<'_>, expected: Expect) {
    let plan = table.compile().unwrap();
    let text = with_change(change, |change| {
        let Some(request) = plan.reselect_request(change) else {
            return "nothing".to_owned();
        };
        let RowChange::Update { new, .. } = change else {
            return "not an update".to_owned();
        };
        let answers = (0..request.columns.len()).map(|index| (index % 2 == 0).then(|| "x".to_owned()));
        let row = request.complete(new, &answers.collect::<Vec<_>>());
        let row = Tuple::read(&mut Reader::new(&row)).unwrap();
        format!(
            "{} {:?} where {:?}: {row:?}",
            request.table, request.columns, request.key
        )
    });
    expected.assert_eq(&text);
}

const CHANGED: [Column<'static>; 4] = [Text(b"1"), UnchangedToast, Null, UnchangedToast];

#[test]
fn unchanged_toast_values_are_requested_by_key() {
    check(
        &asking(),
        &Change::UpdateOnly(&CHANGED),
        expect![[r#"public.t ["a", "c"] where [("id", "1")]: [Text("1"), Text("x"), Null, Null]"#]],
    );
    // The row is identified by its new key.
    check(
        &asking(),
        &Change::UpdateKey(&[Text(b"0"), Null, Null, Null], &CHANGED),
        expect![[r#"public.t ["a", "c"] where [("id", "1")]: [Text("1"), Text("x"), Null, Null]"#]],
    );
}

#[test]
fn no_request_without_need() {
    let nothing = || expect!["nothing"];
    let mut table = asking();
    table.config.unavailable_values = UnavailableValues::Placeholder;
    check(&table, &Change::UpdateOnly(&CHANGED), nothing());
    // All values were sent, or the old row contains them.
    check(
        &asking(),
        &Change::UpdateOnly(&[Text(b"1"), Null, Null, Null]),
        nothing(),
    );
    let old = [Text(b"1"), Text(b"a"), Null, Text(b"c")];
    check(&asking(), &Change::UpdateFull(&old, &CHANGED), nothing());
    // The columns are not sent.
    let mut table = asking();
    table.config.columns.exclude = vec!["*.*.a".parse().unwrap(), "*.*.c".parse().unwrap()];
    check(&table, &Change::UpdateOnly(&CHANGED), nothing());
    // The row cannot be identified.
    let mut table = asking();
    table.relation.columns[0].is_key = false;
    table.metadata.key_columns.clear();
    check(&table, &Change::UpdateOnly(&CHANGED), nothing());
}
