//! What has to be asked for where the log leaves values out.

use expect_test::{Expect, expect};
use walcast_mapper::{RowChange, UnavailableValues};
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

/// What is asked for, and the row with the answers `x`, null, `x`, …
fn check(table: &Table, change: &Change<'_>, expected: Expect) {
    let plan = table.compile().unwrap();
    let text = with_change(change, |change| {
        let Some(unsent) = plan.unsent(change) else {
            return "nothing".to_owned();
        };
        let RowChange::Update { new, .. } = change else {
            return "not an update".to_owned();
        };
        let answers = (0..unsent.columns.len()).map(|index| (index % 2 == 0).then(|| "x".to_owned()));
        let row = unsent.complete(new, &answers.collect::<Vec<_>>());
        let row = Tuple::read(&mut Reader::new(&row)).unwrap();
        format!(
            "{} {:?} where {:?}: {row:?}",
            unsent.table, unsent.columns, unsent.key
        )
    });
    expected.assert_eq(&text);
}

const CHANGED: [Column<'static>; 4] = [Text(b"1"), UnchangedToast, Null, UnchangedToast];

#[test]
fn what_was_not_sent_is_asked_for_by_the_key() {
    check(
        &asking(),
        &Change::UpdateOnly(&CHANGED),
        expect![[r#"public.t ["a", "c"] where [("id", "1")]: [Text("1"), Text("x"), Null, Null]"#]],
    );
    // The row is found where it is now.
    check(
        &asking(),
        &Change::UpdateKey(&[Text(b"0"), Null, Null, Null], &CHANGED),
        expect![[r#"public.t ["a", "c"] where [("id", "1")]: [Text("1"), Text("x"), Null, Null]"#]],
    );
}

#[test]
fn nothing_is_asked_for_in_vain() {
    let nothing = || expect!["nothing"];
    let mut table = asking();
    table.config.unavailable_values = UnavailableValues::Placeholder;
    check(&table, &Change::UpdateOnly(&CHANGED), nothing());
    // All was sent, or the former row tells it.
    check(
        &asking(),
        &Change::UpdateOnly(&[Text(b"1"), Null, Null, Null]),
        nothing(),
    );
    let old = [Text(b"1"), Text(b"a"), Null, Text(b"c")];
    check(&asking(), &Change::UpdateFull(&old, &CHANGED), nothing());
    // Values do not have the columns.
    let mut table = asking();
    table.config.columns.exclude = vec!["*.*.a".parse().unwrap(), "*.*.c".parse().unwrap()];
    check(&table, &Change::UpdateOnly(&CHANGED), nothing());
    // The row cannot be found.
    let mut table = asking();
    table.relation.columns[0].is_key = false;
    table.facts.key_columns.clear();
    check(&table, &Change::UpdateOnly(&CHANGED), nothing());
}
