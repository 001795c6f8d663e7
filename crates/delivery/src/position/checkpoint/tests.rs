//! Stored form of checkpoints: every checkpoint can be read back, and unknown content is rejected.

use expect_test::{Expect, expect};
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::snapshot::attached_partitions::AttachedPartitions;
use crate::snapshot::channel::RequestChannel;
use crate::snapshot::former_key::FormerKey;
use crate::snapshot::progress::{NextRow, PublishedSince, SnapshotType, TableProgress};

/// Checkpoint of a connector on cluster 7, timeline 1, that has streamed up to `end_lsn`.
pub(crate) fn streaming(end_lsn: Lsn, last_commit: CommitPosition) -> Checkpoint {
    Checkpoint {
        version: Checkpoint::VERSION,
        state: CheckpointState::Streaming,
        system_identifier: SystemIdentifier::new(7),
        timeline: Timeline::new(1),
        database: "shop".to_owned(),
        slot: "walcast_shop".to_owned(),
        end_lsn,
        last_commit: Some(last_commit),
        last_message: None,
        partial: None,
        snapshot: None,
        signals_read: None,
        complete_outboxes: BTreeMap::new(),
        held_by: None,
        written_at_unix_micros: 0,
    }
}

fn lsn() -> impl Strategy<Value = Lsn> {
    any::<u64>().prop_map(Lsn::new)
}

fn any_checkpoint() -> impl Strategy<Value = Checkpoint> {
    let state = prop_oneof![
        Just(CheckpointState::CreatingSlot),
        Just(CheckpointState::Streaming)
    ];
    let mark = (lsn(), lsn(), any::<i64>(), any::<u32>()).prop_map(|(commit_lsn, end_lsn, time, xid)| {
        CommitPosition {
            commit_lsn,
            end_lsn,
            commit_time_unix_micros: time,
            xid,
        }
    });
    let partial = (lsn(), any::<u64>()).prop_map(|(commit_lsn, next_ordinal)| Partial {
        commit_lsn,
        next_ordinal,
    });
    let place = (any::<u64>(), any::<u32>(), ".*", ".*");
    let last = (option::of(mark), option::of(lsn()));
    let next = (any::<u32>(), any::<u32>(), any::<u32>(), any::<u16>());
    let publishing = prop_oneof![
        Just(PublishedSince::Done),
        Just(PublishedSince::Pending),
        lsn().prop_map(PublishedSince::Since)
    ];
    let letters = proptest::collection::vec(".*", 0..3);
    let asked = (
        option::of(".*"),
        any::<bool>(),
        any::<bool>(),
        publishing,
        letters,
    );
    let table =
        (".*", ".*", option::of(next), asked).prop_map(|(namespace, name, next, asked)| TableProgress {
            namespace,
            name,
            oid: next.map(|(table, ..)| table),
            next: next.map(|(table, file, block, offset)| NextRow {
                table,
                file,
                block,
                offset,
            }),
            after: None,
            membership: None,
            rows: 0,
            filter_is_sql: asked.0.is_some() && asked.2,
            sql_channel: asked.2.then_some(RequestChannel::SignalTable),
            failures: u32::from(asked.2),
            interruptions: u32::from(asked.1),
            filter: asked.0,
            former_keys: asked
                .4
                .iter()
                .map(|key| FormerKey([(key.clone(), key.clone())].into()))
                .collect(),
            letters: asked.4,
            marks: if asked.1 {
                SnapshotType::Initial
            } else {
                SnapshotType::Incremental
            },
            asked: asked.2,
            publishing: asked.3,
            unread: asked.2,
            partitions: next.map(|(table, ..)| table).into_iter().collect(),
            partitions_since: next.map(|(table, ..)| Lsn::new(table.into())),
            attached: next.map(|(table, file, ..)| AttachedPartitions {
                partitions: vec![table, file],
                since: Lsn::new(file.into()),
            }),
        });
    let rows = (
        proptest::collection::vec(table, 0..3),
        any::<usize>(),
        any::<u64>(),
        any::<(bool, bool)>(),
    );
    let rows = rows.prop_map(|(tables, table_count, rows, flags)| SnapshotProgress {
        tables,
        id: String::new(),
        table_count,
        rows,
        has_first: flags.0,
        paused: flags.1,
        notified_initial: flags.1,
        notified_incremental: flags.0,
    });
    let signals = option::of(any::<i64>());
    let progress = (
        lsn(),
        last,
        option::of(partial),
        option::of(rows),
        any::<i64>(),
        signals,
    );
    (state, place, progress).prop_map(|(state, place, progress)| Checkpoint {
        version: Checkpoint::VERSION,
        state,
        system_identifier: SystemIdentifier::new(place.0),
        timeline: Timeline::new(place.1),
        database: place.2,
        slot: place.3,
        end_lsn: progress.0,
        last_commit: progress.1.0,
        last_message: progress.1.1,
        partial: progress.2,
        snapshot: progress.3,
        signals_read: progress.5,
        complete_outboxes: BTreeMap::new(),
        held_by: None,
        written_at_unix_micros: progress.4,
    })
}

proptest! {
    #[test]
    fn a_written_checkpoint_can_be_read(checkpoint in any_checkpoint()) {
        let json = serde_json::to_string(&checkpoint).unwrap();
        prop_assert_eq!(serde_json::from_str::<Checkpoint>(&json).unwrap(), checkpoint);
    }
}

fn example() -> Checkpoint {
    Checkpoint {
        version: Checkpoint::VERSION,
        state: CheckpointState::Streaming,
        system_identifier: SystemIdentifier::new(u64::MAX),
        timeline: Timeline::new(3),
        database: "shop".to_owned(),
        slot: "walcast_shop".to_owned(),
        end_lsn: Lsn::new(0x16B_3748),
        last_commit: Some(CommitPosition {
            commit_lsn: Lsn::new(0x16B_3718),
            end_lsn: Lsn::new(0x16B_3748),
            commit_time_unix_micros: 1_767_225_600_000_000,
            xid: 4_000_000_000,
        }),
        last_message: None,
        partial: Some(Partial {
            commit_lsn: Lsn::new(0x2_0000_0000),
            next_ordinal: 17,
        }),
        snapshot: None,
        signals_read: None,
        complete_outboxes: BTreeMap::new(),
        held_by: None,
        written_at_unix_micros: 1_767_225_600_123_456,
    }
}

/// The stored form is a public format. Numbers beyond 2^53 are text, because JSON readers round them.
#[test]
fn the_stored_form() {
    expect![[r#"
        {
          "version": 1,
          "state": "streaming",
          "system_identifier": "18446744073709551615",
          "timeline": 3,
          "database": "shop",
          "slot": "walcast_shop",
          "end_lsn": "0/16B3748",
          "last_commit": {
            "commit_lsn": "0/16B3718",
            "end_lsn": "0/16B3748",
            "commit_time_unix_micros": 1767225600000000,
            "xid": 4000000000
          },
          "partial": {
            "commit_lsn": "2/0",
            "next_ordinal": 17
          },
          "written_at_unix_micros": 1767225600123456
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&example()).unwrap());
}

/// A complete record of each format version, as that version wrote it: docs/decisions/0020-checkpoint-compatibility.md.
#[test]
fn reads_every_released_version() {
    const VERSIONS: [&str; 1] = [
        r#"{"version":1,"state":"streaming","system_identifier":"18446744073709551615","timeline":3,"database":"shop",
            "slot":"walcast_shop","end_lsn":"0/16B3748","last_commit":{"commit_lsn":"0/16B3718","end_lsn":"0/16B3748",
            "commit_time_unix_micros":1767225600000000,"xid":4000000000},"last_message":"0/16B3790","partial":{
            "commit_lsn":"2/0","next_ordinal":17},"signals_read":41,"written_at_unix_micros":1767225600123456}"#,
    ];
    assert_eq!(
        VERSIONS.len(),
        Checkpoint::VERSION as usize,
        "one record for each version"
    );
    for (version, text) in (1..).zip(VERSIONS) {
        let read: Checkpoint = serde_json::from_str(text).unwrap();
        let expected = Checkpoint {
            version,
            last_message: Some(Lsn::new(0x16B_3790)),
            signals_read: Some(41),
            ..example()
        };
        assert_eq!(read, expected);
    }
}

/// The field is written only if there is such a message, so that earlier versions can read all other checkpoints.
#[test]
fn a_message_after_the_last_commit_is_part_of_the_stored_form() {
    let last_message = Some(Lsn::new(0x16B_3790));
    let json = serde_json::to_value(Checkpoint {
        last_message,
        ..example()
    })
    .unwrap();
    assert_eq!(json["last_message"], "0/16B3790");
    let read: Checkpoint = serde_json::from_value(json).unwrap();
    assert_eq!(read.last_message, last_message);
}

/// The field is written only while a halt lasts, so that earlier versions can read all other checkpoints.
#[test]
fn a_halt_before_an_event_is_part_of_the_stored_form() {
    let held_by = Some(HeldBy {
        namespace: "public".to_owned(),
        table: "events".to_owned(),
        commit_lsn: Lsn::new(0x3000),
        xid: 742,
        error: "a version is missing: 2 was expected".to_owned(),
        is_accepted: true,
    });
    let json = serde_json::to_value(Checkpoint {
        held_by: held_by.clone(),
        ..example()
    })
    .unwrap();
    assert_eq!(json["held_by"]["commit_lsn"], "0/3000");
    let read: Checkpoint = serde_json::from_value(json).unwrap();
    assert_eq!(read.held_by, held_by);
    let without = serde_json::to_value(example()).unwrap();
    assert!(without.get("held_by").is_none(), "{without:#}");
}

/// Reads the example with one fragment of its text replaced.
fn check(from: &str, to: &str, expected: &Expect) {
    let json = serde_json::to_string(&example()).unwrap();
    assert!(json.contains(from), "{from} is not in {json}");
    let read = serde_json::from_str::<Checkpoint>(&json.replacen(from, to, 1));
    expected.assert_eq(&read.map_or_else(|error| error.to_string(), |read| format!("{read:?}")));
}

/// An unknown key may change the meaning of the position.
#[test]
fn unknown_content_is_rejected() {
    check(
        r#""version":1,"#,
        r#""version":1,"windows":{},"#,
        &expect![
            "unknown field `windows`, expected one of `version`, `state`, `system_identifier`, `timeline`, `database`, `slot`, `end_lsn`, `last_commit`, `last_message`, `partial`, `snapshot`, `signals_read`, `complete_outboxes`, `held_by`, `written_at_unix_micros` at line 1 column 22"
        ],
    );
    check(
        r#""xid":"#,
        r#""gid":"x","xid":"#,
        &expect![
            "unknown field `gid`, expected one of `commit_lsn`, `end_lsn`, `commit_time_unix_micros`, `xid` at line 1 column 261"
        ],
    );
    check(
        r#""next_ordinal":17"#,
        r#""next_ordinal":17,"of":20"#,
        &expect!["unknown field `of`, expected `commit_lsn` or `next_ordinal` at line 1 column 326"],
    );
    check(
        r#""streaming""#,
        r#""snapshotting""#,
        &expect![
            "unknown variant `snapshotting`, expected one of `creating_slot`, `streaming`, `replacing_slot` at line 1 column 35"
        ],
    );
    check(
        r#""end_lsn":"0/16B3748""#,
        r#""end_lsn":"16B3748""#,
        &expect![[
            r#""16B3748" is not an LSN: wanted two hexadecimal numbers such as 0/16B3748 at line 1 column 148"#
        ]],
    );
    check(
        r#""database":"shop","#,
        "",
        &expect!["missing field `database` at line 1 column 347"],
    );
    check(
        r#""next_ordinal":17"#,
        r#""next_ordinal":-1"#,
        &expect!["invalid value: integer `-1`, expected u64 at line 1 column 321"],
    );
}

#[test]
fn a_delivered_part_covers_the_changes_before_its_end() {
    let partial = example().partial.unwrap();
    assert!(partial.covers(Lsn::new(0x2_0000_0000), Ordinal::new(16)));
    assert!(!partial.covers(Lsn::new(0x2_0000_0000), Ordinal::new(17)));
    assert!(!partial.covers(Lsn::new(0x2_0000_0001), Ordinal::new(0)));
}
