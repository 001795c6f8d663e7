use std::collections::{BTreeMap, BTreeSet};

use walcast_mapper::TableName;
use walcast_pgoutput::{Oid, Xid};

use super::*;
use crate::partitions::{KnownPartition, KnownPartitions};
use crate::position::checkpoint::tests::streaming;
use crate::position::checkpoint::{CommitPosition, Partial};
use crate::schema_history::TableHistory;
use crate::snapshot::progress::SnapshotProgress;
use crate::source_state::{
    Partition, Partitions, Persistence, SystemIdentifier, Timeline, TimelineSwitch, WalStatus, fixture,
};

fn at(lsn: u64) -> Lsn {
    Lsn::new(lsn)
}

fn checkpoint(end_lsn: u64) -> Checkpoint {
    let last_commit = CommitPosition {
        commit_lsn: at(end_lsn - 1),
        end_lsn: at(end_lsn),
        commit_time_unix_micros: 5,
        xid: Xid::new(9).as_u32(),
    };
    Checkpoint {
        written_at_unix_micros: 6,
        ..streaming(at(end_lsn), last_commit)
    }
}

/// A stopped connector: delivered up to 100, the slot is at 40, the WAL ends at 120.
fn stopped() -> (SourceState, CheckpointLog) {
    let slot = SlotState {
        name: "walcast_shop".to_owned(),
        plugin: Some("pgoutput".to_owned()),
        database: Some("shop".to_owned()),
        active_pid: None,
        holder: None,
        confirmed_flush_lsn: Some(at(40)),
        restart_lsn: Some(at(30)),
        wal_status: Some(WalStatus::Reserved),
        invalidation_reason: None,
        retained_bytes: 0,
        temporary: false,
        two_phase: false,
    };
    let source_state = SourceState {
        system_identifier: SystemIdentifier::new(7),
        timeline: Timeline::new(1),
        history: Vec::new(),
        server_version: 170_006,
        flush_lsn: at(120),
        database: "shop".to_owned(),
        wal_level: "logical".to_owned(),
        slot: Some(slot),
        publication: None,
        captured: Vec::new(),
        tables: std::collections::BTreeSet::new(),
        partitions: Partitions::Root,
        unmatched_patterns: Vec::new(),
        denied: BTreeMap::new(),
        memberships: BTreeMap::new(),
    };
    let history: BTreeMap<Lsn, Checkpoint> = [20, 50, 80]
        .into_iter()
        .map(|lsn| (at(lsn), checkpoint(lsn)))
        .collect();
    (
        source_state,
        CheckpointLog {
            current: Some(checkpoint(100)),
            history,
            known_tables: None,
            restrictions: None,
            schemas: BTreeMap::new(),
            partitions: BTreeMap::new(),
            quarantines: BTreeMap::new(),
            polled_by: BTreeSet::new(),
        },
    )
}

fn slot(source_state: &mut SourceState) -> &mut SlotState {
    source_state.slot.as_mut().unwrap()
}

fn to(lsn: u64) -> Rewind {
    Rewind {
        to: at(lsn),
        accept_gap: false,
        accept_cluster: false,
        now_unix_micros: 1_000,
    }
}

fn accepting(lsn: u64) -> Rewind {
    Rewind {
        accept_gap: true,
        ..to(lsn)
    }
}

#[test]
fn every_position_between_slot_and_checkpoint_can_be_reached() {
    let (source_state, log) = stopped();
    for lsn in [40, 50, 65, 100] {
        let update = rewind(&source_state, &log, to(lsn)).unwrap();
        assert_eq!(update.current.end_lsn, at(lsn));
        assert_eq!(update.current.written_at_unix_micros, 1_000);
        assert!(update.enters_history);
        assert_eq!(update.expired, [at(20)], "history below the slot has expired");
    }
    assert_eq!(
        rewind_window(&source_state, &log),
        Some(RewindWindow {
            oldest: at(40),
            newest: at(100)
        })
    );
}

#[test]
fn the_last_transaction_is_known_only_where_the_history_knows_it() {
    let (source_state, log) = stopped();
    let last_commit = |lsn| {
        rewind(&source_state, &log, to(lsn))
            .unwrap()
            .current
            .last_commit
            .map(|mark| mark.end_lsn)
    };
    assert_eq!(last_commit(50), Some(at(50)));
    assert_eq!(last_commit(65), None);
    assert_eq!(last_commit(100), Some(at(100)));
}

#[test]
fn outside_the_window_the_nearer_end_is_named() {
    let (source_state, log) = stopped();
    let rejection = |lsn| rewind(&source_state, &log, to(lsn)).unwrap_err().to_string();
    assert_eq!(
        rejection(0x10),
        "0/10 cannot be reached: positions [0/28, 0/64] can, the nearest is 0/28"
    );
    assert_eq!(
        rejection(0x70),
        "0/70 cannot be reached: positions [0/28, 0/64] can, the nearest is 0/64"
    );
    let accepted = rewind(&source_state, &log, accepting(0x70)).unwrap_err();
    assert!(
        matches!(accepted, RewindRejected::OutsideWindow { .. }),
        "accepting a gap is no leave to skip what the slot still has: {accepted}"
    );
}

#[test]
fn a_rewind_can_be_undone_as_far_as_the_history_reaches() {
    let (source_state, mut log) = stopped();
    log.current = Some(checkpoint(50));
    assert_eq!(
        rewind(&source_state, &log, to(80)).unwrap().current.end_lsn,
        at(80)
    );
    assert!(rewind(&source_state, &log, to(81)).is_err());
}

#[test]
fn part_of_a_split_transaction_counts_only_when_nothing_is_played_again() {
    let (source_state, mut log) = stopped();
    let partial = Partial {
        commit_lsn: at(110),
        next_ordinal: 3,
    };
    log.current.as_mut().unwrap().partial = Some(partial);
    assert_eq!(
        rewind(&source_state, &log, to(100)).unwrap().current.partial,
        Some(partial)
    );
    assert_eq!(rewind(&source_state, &log, to(80)).unwrap().current.partial, None);
}

#[test]
fn a_message_after_the_position_counts_only_when_nothing_is_played_again() {
    let (source_state, mut log) = stopped();
    log.current.as_mut().unwrap().last_message = Some(at(110));
    let kept = |to_lsn| {
        rewind(&source_state, &log, to(to_lsn))
            .unwrap()
            .current
            .last_message
    };
    assert_eq!((kept(100), kept(80)), (Some(at(110)), None));
}

#[test]
fn a_running_connector_is_not_moved() {
    let (mut source_state, log) = stopped();
    slot(&mut source_state).active_pid = Some(77);
    let refused = rewind(&source_state, &log, to(50)).unwrap_err();
    assert_eq!(
        refused,
        RewindRejected::Running {
            slot: "walcast_shop".to_owned(),
            pid: 77
        }
    );
}

#[test]
fn without_a_checkpoint_only_the_slot_position_is_taken() {
    let (source_state, log) = stopped();
    let mut creating = log.clone();
    creating.current.as_mut().unwrap().state = CheckpointState::CreatingSlot;
    for log in [CheckpointLog::default(), creating] {
        let update = rewind(&source_state, &log, to(40)).unwrap();
        assert_eq!(
            (update.current.end_lsn, update.current.state),
            (at(40), CheckpointState::Streaming)
        );
        let refused = rewind(&source_state, &log, accepting(41)).unwrap_err();
        assert_eq!(
            refused,
            RewindRejected::NothingDelivered {
                to: at(41),
                nearest: at(40)
            }
        );
    }
}

#[test]
fn a_slot_advanced_by_another_client_needs_an_accepted_gap() {
    let (mut source_state, log) = stopped();
    slot(&mut source_state).confirmed_flush_lsn = Some(at(110));
    assert!(matches!(
        rewind(&source_state, &log, to(110)),
        Err(RewindRejected::Gap { .. })
    ));
    assert!(matches!(
        rewind(&source_state, &log, accepting(111)),
        Err(RewindRejected::Gap { .. })
    ));
    let update = rewind(&source_state, &log, accepting(110)).unwrap();
    assert_eq!(update.current.end_lsn, at(110));
    assert_eq!(update.expired, [at(20), at(50), at(80)]);
    assert_eq!(rewind_window(&source_state, &log), None);
}

#[test]
fn a_promotion_that_lost_nothing_is_no_obstacle() {
    let (mut source_state, log) = stopped();
    source_state.timeline = Timeline::new(2);
    source_state.history = vec![TimelineSwitch {
        timeline: Timeline::new(1),
        switched_at: at(100),
    }];
    assert_eq!(
        rewind(&source_state, &log, to(50)).unwrap().current.timeline,
        Timeline::new(2)
    );
}

#[test]
fn phantom_records_of_a_promotion_have_to_be_accepted() {
    let (mut source_state, mut log) = stopped();
    source_state.timeline = Timeline::new(2);
    source_state.history = vec![TimelineSwitch {
        timeline: Timeline::new(1),
        switched_at: at(70),
    }];
    log.current.as_mut().unwrap().partial = Some(Partial {
        commit_lsn: at(110),
        next_ordinal: 3,
    });
    assert!(matches!(
        rewind(&source_state, &log, to(70)),
        Err(RewindRejected::Phantom { .. })
    ));
    assert!(matches!(
        rewind(&source_state, &log, accepting(71)),
        Err(RewindRejected::OutsideWindow { .. })
    ));
    let update = rewind(&source_state, &log, accepting(70)).unwrap();
    assert_eq!((update.current.end_lsn, update.current.partial), (at(70), None));
    assert_eq!(
        update.expired,
        [at(20), at(80)],
        "80 is a position of changes that never were"
    );
}

#[test]
fn a_phantom_message_has_to_be_accepted() {
    let (mut source_state, mut log) = stopped();
    source_state.timeline = Timeline::new(2);
    let mut moves_to_end = |switched_at| {
        source_state.history = vec![TimelineSwitch {
            timeline: Timeline::new(1),
            switched_at: at(switched_at),
        }];
        log.current.as_mut().unwrap().last_message = Some(at(110));
        rewind(&source_state, &log, to(100)).map(|update| update.current.last_message)
    };
    // A record that ends at the switch is before it.
    assert_eq!(moves_to_end(110), Ok(Some(at(110))));
    assert!(matches!(moves_to_end(109), Err(RewindRejected::Phantom { .. })));
}

#[test]
fn log_that_was_only_passed_is_no_phantom() {
    let (mut source_state, mut log) = stopped();
    source_state.timeline = Timeline::new(2);
    source_state.history = vec![TimelineSwitch {
        timeline: Timeline::new(1),
        switched_at: at(90),
    }];
    let passed = log.current.as_mut().unwrap();
    passed.last_commit.as_mut().unwrap().end_lsn = at(85);
    assert_eq!(
        rewind(&source_state, &log, to(90)).unwrap().current.end_lsn,
        at(90)
    );
    assert!(matches!(
        rewind(&source_state, &log, to(91)),
        Err(RewindRejected::OutsideWindow { .. })
    ));
}

#[test]
fn servers_where_the_positions_mean_nothing_are_refused() {
    let (source_state, log) = stopped();
    let refused = |change: fn(&mut SourceState)| {
        let mut source_state = source_state.clone();
        change(&mut source_state);
        rewind(&source_state, &log, accepting(50)).unwrap_err()
    };
    type Change = fn(&mut SourceState);
    let cases: [(Change, &str); 7] = [
        (
            |source_state| source_state.slot = None,
            "slot walcast_shop does not exist",
        ),
        (
            |source_state| slot(source_state).wal_status = Some(WalStatus::Lost),
            "slot walcast_shop was invalidated",
        ),
        (
            |source_state| slot(source_state).plugin = None,
            "cannot be used: it is a physical slot",
        ),
        (
            |source_state| source_state.system_identifier = SystemIdentifier::new(8),
            "belongs to cluster 7",
        ),
        (
            |source_state| source_state.timeline = Timeline::new(3),
            "does not descend from timeline 1",
        ),
        (
            |source_state| source_state.flush_lsn = at(99),
            "the server's WAL ends at 0/63",
        ),
        (
            |source_state| slot(source_state).name = "other".to_owned(),
            "belongs to slot \"walcast_shop\"",
        ),
    ];
    for (change, wanted) in cases {
        let text = refused(change).to_string();
        assert!(text.contains(wanted), "{text:?} should say {wanted:?}");
    }
}

/// Partition 2 of table 1, as it is known.
fn partition(attached_by: u32) -> KnownPartition {
    KnownPartition {
        table: Oid::new(1),
        name: events("events_2023"),
        attached_by: Some(Xid::new(attached_by)),
        file: Oid::new(2),
        is_logged: true,
    }
}

/// Table 1 with partition 2.
fn partitioned(attached_by: u32) -> CapturedTable {
    CapturedTable {
        partitions: Some(vec![Partition {
            oid: Oid::new(2),
            name: events("events_2023"),
            parent: Oid::new(1),
            is_leaf: true,
            file: Oid::new(2),
            attached_by: Xid::new(attached_by),
            was_created_as_partition: false,
            altered_by: Xid::new(attached_by),
            persistence: Persistence::Permanent,
            identifies_rows: true,
            identity_is_generated: false,
            is_excluded: false,
        }]),
        ..fixture::captured(events("events"), 1)
    }
}

fn events(name: &str) -> TableName {
    TableName {
        namespace: "public".to_owned(),
        name: name.to_owned(),
    }
}

/// An upgraded cluster: only its slot's position is accepted, and nothing of the old cluster is kept that its positions or files give
/// a meaning.
#[test]
fn another_cluster_is_continued_at_its_slot() {
    let (mut source_state, mut log) = stopped();
    source_state.system_identifier = SystemIdentifier::new(8);
    slot(&mut source_state).confirmed_flush_lsn = Some(at(110));
    let table = TableName {
        namespace: "public".to_owned(),
        name: "items".to_owned(),
    };
    let mut progress = SnapshotProgress::of([table]);
    progress.tables[0].rows = 5;
    progress.tables[0].oid = Some(50);
    log.current.as_mut().unwrap().snapshot = Some(progress);
    log.schemas.insert(Oid::new(16_400), TableHistory::default());
    log.partitions = KnownPartitions::from([(Oid::new(2), partition(740))]);
    source_state.captured = vec![partitioned(50)];
    let accepted = |lsn| Rewind {
        accept_cluster: true,
        ..to(lsn)
    };

    let refused = rewind(&source_state, &log, to(110)).unwrap_err();
    assert!(
        matches!(refused, RewindRejected::OtherCluster { slot_at, .. } if slot_at == at(110)),
        "{refused}"
    );
    let refused = rewind(&source_state, &log, accepted(100)).unwrap_err();
    assert!(
        matches!(refused, RewindRejected::NotSlotOfCluster { .. }),
        "{refused}"
    );
    let update = rewind(&source_state, &log, accepted(110)).unwrap();
    assert_eq!(update.current.system_identifier, SystemIdentifier::new(8));
    assert_eq!(update.current.end_lsn, at(110));
    assert_eq!(update.current.last_commit, None);
    let left = &update.current.snapshot.as_ref().unwrap().tables[0];
    assert_eq!((left.rows, left.oid), (0, None));
    assert_eq!(update.expired, [at(20), at(50), at(80)]);
    assert_eq!(update.known_tables, Some(BTreeSet::new()));
    assert_eq!(update.schemas, BTreeMap::from([(Oid::new(16_400), None)]));
    // Another transaction made the table a partition here: its rows were delivered nevertheless.
    assert_eq!(update.partitions.get(&Oid::new(2)), Some(&Some(partition(50))));

    source_state.database = "store".to_owned();
    slot(&mut source_state).database = Some("store".to_owned());
    let refused = rewind(&source_state, &log, accepted(110)).unwrap_err();
    assert!(matches!(refused, RewindRejected::OtherSource { .. }), "{refused}");
}

/// In the checkpoint's own cluster the flag changes nothing.
#[test]
fn the_same_cluster_is_rewound_as_usual() {
    let (source_state, log) = stopped();
    let accepted = Rewind {
        accept_cluster: true,
        ..to(50)
    };
    assert_eq!(
        rewind(&source_state, &log, accepted),
        rewind(&source_state, &log, to(50))
    );
}
