use walcast_mapper::{Ordinal, TableName};
use walcast_pgoutput::{Lsn, Oid, Xid};

use super::*;
use crate::position::checkpoint::tests::streaming;
use crate::position::checkpoint::{Checkpoint, CommitPosition};
use crate::quarantine::{Quarantine, QuarantineReason};
use crate::schema_history::ChangePosition;
use crate::snapshot::progress::SnapshotProgress;
use crate::source_state::{PublicationState, fixture};

const PRICES: Oid = Oid::new(16_400);

fn table(name: &str) -> TableName {
    TableName {
        namespace: "public".to_owned(),
        name: name.to_owned(),
    }
}

fn checkpoint() -> Checkpoint {
    let last_commit = CommitPosition::new(
        Lsn::new(90),
        Lsn::new(100),
        walcast_pgoutput::PgTimestamp::from_unix_micros(5),
        Xid::new(9),
    );
    streaming(Lsn::new(100), last_commit)
}

/// A stopped connector whose table `prices` is quarantined.
fn log() -> CheckpointLog {
    let quarantine = Quarantine {
        table: table("prices"),
        since: ChangePosition {
            commit_lsn: Lsn::new(80),
            ordinal: Ordinal::new(3),
        },
        lsn: Lsn::new(79),
        of_rows: false,
        reason: QuarantineReason::Mapping,
        error: "no decimal".to_owned(),
        phase: QuarantinePhase::Skipping,
        entered_at_unix_micros: 1,
        missing_since: None,
    };
    CheckpointLog {
        current: Some(checkpoint()),
        quarantines: [(PRICES, quarantine)].into(),
        ..CheckpointLog::default()
    }
}

/// Source on which that table has this name.
fn source_state(name: &str, is_published: bool) -> SourceState {
    let published = is_published.then(|| table(name));
    SourceState {
        publication: Some(PublicationState {
            all_tables: false,
            tables: published.into_iter().collect(),
            unpublished: Vec::new(),
            restricted: std::collections::BTreeMap::new(),
        }),
        ..fixture::source_state([fixture::captured(table(name), PRICES.as_u32())])
    }
}

fn update(
    log: &CheckpointLog,
    source_state: &SourceState,
    pattern: &str,
) -> Result<(CheckpointUpdate, Vec<TableName>), SnapshotRejected> {
    let resumption = Resumption {
        tables: &[pattern.parse().unwrap()],
        slot: "walcast_shop",
        publication: "walcast_shop",
        now_unix_micros: 77,
    };
    resumption.update(log, source_state).unwrap()
}

#[test]
fn a_table_is_resumed_under_the_name_that_it_has_now() {
    let (update, tables) = update(&log(), &source_state("prices_2", true), "public.prices*").unwrap();
    assert_eq!(tables, [table("prices_2")]);
    let quarantine = update.quarantines[&PRICES].clone().unwrap();
    assert!(!quarantine.is_skipping() && quarantine.table == table("prices_2"));
    assert_eq!(
        quarantine.since.commit_lsn,
        Lsn::new(80),
        "the gap is known until the rows are read"
    );
    let progress = update.current.snapshot.clone().unwrap();
    let [read] = progress.tables.as_slice() else {
        panic!("{progress:?}");
    };
    assert!(read.asked && read.is_untouched() && read.oid == Some(PRICES.as_u32()));
    let rest = Checkpoint {
        snapshot: None,
        written_at_unix_micros: checkpoint().written_at_unix_micros,
        ..update.current
    };
    assert_eq!(rest, checkpoint(), "the position is not moved");
}

/// Rows of other tables that remain to be read are read as before.
#[test]
fn other_rows_stay() {
    let mut log = log();
    let left = SnapshotProgress::of([table("orders")]);
    log.current.as_mut().unwrap().snapshot = Some(left.clone());
    let (update, _) = update(&log, &source_state("prices", true), "public.prices").unwrap();
    let progress = update.current.snapshot.unwrap();
    assert_eq!(progress.tables[0], left.tables[0]);
    assert_eq!(progress.tables[1].table(), table("prices"));
}

#[test]
fn rejects_tables_that_cannot_be_resumed() {
    let rejected = update(&log(), &source_state("prices", false), "public.prices").unwrap_err();
    assert!(
        matches!(rejected, SnapshotRejected::NotPublished { .. }),
        "{rejected}"
    );
    let rejected = update(&log(), &source_state("prices", true), "public.orders").unwrap_err();
    assert!(
        matches!(rejected, SnapshotRejected::NotQuarantined { .. }),
        "{rejected}"
    );
    let mut never_started = log();
    never_started.current = None;
    never_started.quarantines.clear();
    let rejected = update(&never_started, &source_state("prices", true), "public.prices").unwrap_err();
    assert!(
        matches!(rejected, SnapshotRejected::NotQuarantined { .. }),
        "{rejected}"
    );

    let mut elsewhere = source_state("prices", true);
    elsewhere.database = "other".to_owned();
    let resumption = Resumption {
        tables: &["public.prices".parse().unwrap()],
        slot: "walcast_shop",
        publication: "walcast_shop",
        now_unix_micros: 77,
    };
    let halt = resumption.update(&log(), &elsewhere).unwrap_err();
    assert!(matches!(halt, Halt::OtherSource { .. }), "{halt}");
}
