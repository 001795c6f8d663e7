use std::collections::BTreeSet;

use walcast_mapper::{Ordinal, TableName};
use walcast_pgoutput::{Lsn, Oid};

use super::{AtStart, READING_STOPPED};
use crate::quarantine::current::CurrentQuarantines;
use crate::quarantine::{Quarantine, QuarantinePhase, QuarantineReason, QuarantineRecords, Quarantines};
use crate::schema_history::ChangePosition;
use crate::snapshot::progress::SnapshotProgress;

const PRICES: Oid = Oid::new(16_400);

fn name() -> TableName {
    TableName {
        namespace: "public".to_owned(),
        name: "prices".to_owned(),
    }
}

fn quarantine(commit_lsn: u64) -> Quarantine {
    Quarantine {
        table: name(),
        since: ChangePosition {
            commit_lsn: Lsn::new(commit_lsn),
            ordinal: Ordinal::new(3),
        },
        lsn: Lsn::new(commit_lsn - 1),
        of_rows: false,
        reason: QuarantineReason::Mapping,
        error: "no decimal".to_owned(),
        phase: QuarantinePhase::Skipping,
        entered_at_unix_micros: 1,
        missing_since: None,
    }
}

/// Quarantines of a session that continues at 100, with WAL up to 200 and the slot at 90.
fn start(stored: Quarantine, is_captured: bool) -> CurrentQuarantines {
    let captured: BTreeSet<Oid> = is_captured.then_some(PRICES).into_iter().collect();
    let start = AtStart {
        captured: &captured,
        confirmed: Lsn::new(90),
        end_of_wal: Lsn::new(200),
    };
    let stored = Quarantines::from([(PRICES, stored)]);
    CurrentQuarantines::at_start(stored, |change| change.commit_lsn < Lsn::new(100), &start)
}

#[test]
fn quarantine_holds_where_its_first_change_was_passed() {
    let mut held = start(quarantine(80), true);
    assert!(held.is_skipping(PRICES) && held.take_changes().is_empty());
    let mut ahead = start(quarantine(100), true);
    assert!(!ahead.is_skipping(PRICES));
    assert_eq!(ahead.take_changes(), QuarantineRecords::from([(PRICES, None)]));
    // Rows that are not read any more are missing at every position.
    let of_rows = Quarantine {
        of_rows: true,
        ..quarantine(100)
    };
    assert!(start(of_rows, true).is_skipping(PRICES));
}

#[test]
fn quarantine_of_a_table_that_is_gone_ends_with_its_changes() {
    let mut gone = start(quarantine(80), false);
    assert!(gone.is_skipping(PRICES));
    let stored = gone.take_changes().remove(&PRICES).flatten().unwrap();
    assert_eq!(stored.missing_since, Some(Lsn::new(200)));
    assert!(start(stored.clone(), false).is_skipping(PRICES));

    let passed = Quarantine {
        missing_since: Some(Lsn::new(90)),
        ..stored.clone()
    };
    assert!(!start(passed.clone(), false).is_skipping(PRICES));
    // The table is captured again.
    let mut back = start(passed, true);
    let stored = back.take_changes().remove(&PRICES).flatten().unwrap();
    assert_eq!(stored.missing_since, None);
}

#[test]
fn rows_and_quarantines_are_reconciled() {
    let mut progress = SnapshotProgress::of([name()]);
    let mut skipping = start(quarantine(80), true);
    assert!(skipping.reconcile(&mut progress));
    assert!(
        progress.tables.is_empty(),
        "no row of a quarantined table is read"
    );

    let reading = Quarantine {
        phase: QuarantinePhase::Reading,
        ..quarantine(80)
    };
    let mut progress = SnapshotProgress::of([name()]);
    let mut read = start(reading.clone(), true);
    assert!(!read.reconcile(&mut progress) && !read.is_skipping(PRICES));
    assert_eq!(read.reading_named(&name()), Some(PRICES));

    let mut dropped = start(reading, true);
    dropped.reconcile(&mut SnapshotProgress::default());
    assert!(dropped.is_skipping(PRICES));
    assert_eq!(dropped.tables()[&PRICES].error, READING_STOPPED);
    assert!(dropped.has_changes());
}

/// A table that was renamed since is the same table, and another one that has its former name is not.
#[test]
fn rows_of_a_renamed_table_are_reconciled_by_its_oid() {
    let renamed = TableName {
        name: "prices_2".to_owned(),
        ..name()
    };
    let rows_of = |oid: Oid, table: &TableName| {
        let mut progress = SnapshotProgress::of([table.clone()]);
        progress.follow_names(&[(oid, table.clone())].into());
        progress
    };
    let reading = Quarantine {
        phase: QuarantinePhase::Reading,
        ..quarantine(80)
    };
    let mut read = start(reading.clone(), true);
    assert!(!read.reconcile(&mut rows_of(PRICES, &renamed)));
    assert_eq!(read.reading_named(&renamed), Some(PRICES));
    assert!(read.has_changes(), "the new name is stored");

    let mut dropped = start(reading, true);
    dropped.reconcile(&mut rows_of(Oid::new(16_500), &name()));
    assert!(dropped.is_skipping(PRICES));

    let mut skipping = start(quarantine(80), true);
    assert!(!skipping.reconcile(&mut rows_of(Oid::new(16_500), &name())));
    assert!(skipping.reconcile(&mut rows_of(PRICES, &renamed)));
}
