use expect_test::{Expect, expect};
use walcast_delivery::{
    ChangePosition, CheckpointState, KnownPartition, PartitionRecords, Quarantine, QuarantinePhase,
    QuarantineReason, QuarantineRecords, SchemaChanges, SystemIdentifier, TableSchema, Timeline,
};
use walcast_mapper::{Ordinal, TableMetadata, TableName};
use walcast_pgoutput::{Relation, ReplicaIdentity, Xid};

use super::*;

fn checkpoint(end_lsn: u64) -> Checkpoint {
    Checkpoint {
        version: Checkpoint::VERSION,
        state: CheckpointState::Streaming,
        system_identifier: SystemIdentifier::new(7_553_123_456_789_012_345),
        timeline: Timeline::new(3),
        database: "shop".to_owned(),
        slot: "walcast_shop".to_owned(),
        end_lsn: Lsn::new(end_lsn),
        last_commit: None,
        last_message: None,
        partial: None,
        snapshot: None,
        signals_read: None,
        complete_outboxes: BTreeMap::new(),
        held_by: None,
        written_at_unix_micros: 1_700_000_000_000_000,
    }
}

fn history() -> TableHistory {
    let schema = TableSchema {
        since: ChangePosition::of_snapshot(Lsn::new(0x10)),
        relation: Relation {
            xid: None,
            oid: Oid::new(16_400),
            namespace: "public".to_owned(),
            name: "orders".to_owned(),
            replica_identity: ReplicaIdentity::Full,
            columns: Vec::new(),
        },
        metadata: TableMetadata {
            key_columns: vec!["id".to_owned()],
            ..TableMetadata::default()
        },
    };
    TableHistory {
        schemas: vec![schema],
        missing_since: None,
    }
}

fn partition() -> KnownPartition {
    KnownPartition {
        table: Oid::new(16_410),
        name: TableName {
            namespace: "public".to_owned(),
            name: "events_2023".to_owned(),
        },
        attached_by: Some(Xid::new(740)),
        file: Oid::new(16_425),
        is_logged: true,
    }
}

fn quarantine() -> Quarantine {
    Quarantine {
        table: TableName {
            namespace: "public".to_owned(),
            name: "prices".to_owned(),
        },
        since: ChangePosition {
            commit_lsn: Lsn::new(0x16_B3700),
            ordinal: Ordinal::new(3),
        },
        lsn: Lsn::new(0x16_B36F0),
        of_rows: false,
        reason: QuarantineReason::Mapping,
        error: "column price of public.prices: the value cannot be written as a decimal".to_owned(),
        phase: QuarantinePhase::Skipping,
        entered_at_unix_micros: 1_700_000_000_000_000,
        missing_since: None,
    }
}

fn read(records: &[(&str, Option<&str>)]) -> Result<CheckpointLog, KafkaError> {
    let mut last = LastRecords::of("shop");
    records
        .iter()
        .for_each(|(key, value)| last.apply(key.as_bytes(), value.map(str::as_bytes)));
    last.into_log()
}

fn check(records: &[(&str, Option<&str>)], expected: Expect) {
    expected.assert_eq(&match read(records) {
        Ok(log) => format!(
            "{:?}, history {:?}",
            log.current.map(|c| c.end_lsn),
            log.history.keys()
        ),
        Err(error) => error.to_string(),
    });
}

#[test]
fn records_of_an_update_are_read_back() {
    let update = CheckpointUpdate {
        current: checkpoint(0x16_B3748),
        enters_history: true,
        expired: vec![Lsn::new(0x10), Lsn::new(0x20)],
        known_tables: Some(BTreeSet::from([Oid::new(16_400), Oid::new(16_410)])),
        restrictions: serde_json::from_str(r#"{"16400":{"accepted":{"filter":"(id > 0)"}}}"#).unwrap(),
        schemas: SchemaChanges::from([(Oid::new(16_400), Some(history()))]),
        partitions: PartitionRecords::from([(Oid::new(16_420), Some(partition())), (Oid::new(16_430), None)]),
        quarantines: QuarantineRecords::from([
            (Oid::new(16_440), Some(quarantine())),
            (Oid::new(16_450), None),
        ]),
    };
    let written = records("shop", &update).unwrap();
    expect![[r#"
        [
            CheckpointRecord {
                key: "shop@0/10",
                value: None,
            },
            CheckpointRecord {
                key: "shop@0/20",
                value: None,
            },
            CheckpointRecord {
                key: "shop@0/16B3748",
                value: Some(
                    "{\"version\":1,\"state\":\"streaming\",\"system_identifier\":\"7553123456789012345\",\"timeline\":3,\"database\":\"shop\",\"slot\":\"walcast_shop\",\"end_lsn\":\"0/16B3748\",\"last_commit\":null,\"partial\":null,\"written_at_unix_micros\":1700000000000000}",
                ),
            },
            CheckpointRecord {
                key: "shop#tables",
                value: Some(
                    "{\"version\":1,\"tables\":[16400,16410]}",
                ),
            },
            CheckpointRecord {
                key: "shop#restrictions",
                value: Some(
                    "{\"version\":1,\"tables\":{\"16400\":{\"accepted\":{\"filter\":\"(id > 0)\"}}}}",
                ),
            },
            CheckpointRecord {
                key: "shop#schema/16400",
                value: Some(
                    "{\"version\":1,\"schemas\":[{\"commit_lsn\":\"0/10\",\"ordinal\":0,\"namespace\":\"public\",\"name\":\"orders\",\"replica_identity\":\"full\",\"columns\":[],\"key\":[\"id\"],\"types\":[]}]}",
                ),
            },
            CheckpointRecord {
                key: "shop#partition/16420",
                value: Some(
                    "{\"version\":1,\"table\":16410,\"namespace\":\"public\",\"name\":\"events_2023\",\"attached_by\":740,\"file\":16425}",
                ),
            },
            CheckpointRecord {
                key: "shop#partition/16430",
                value: None,
            },
            CheckpointRecord {
                key: "shop#quarantine/16440",
                value: Some(
                    "{\"version\":1,\"namespace\":\"public\",\"name\":\"prices\",\"commit_lsn\":\"0/16B3700\",\"ordinal\":3,\"lsn\":\"0/16B36F0\",\"reason\":\"mapping\",\"error\":\"column price of public.prices: the value cannot be written as a decimal\",\"phase\":\"skipping\",\"entered_at_unix_micros\":1700000000000000}",
                ),
            },
            CheckpointRecord {
                key: "shop#quarantine/16450",
                value: None,
            },
            CheckpointRecord {
                key: "shop",
                value: Some(
                    "{\"version\":1,\"state\":\"streaming\",\"system_identifier\":\"7553123456789012345\",\"timeline\":3,\"database\":\"shop\",\"slot\":\"walcast_shop\",\"end_lsn\":\"0/16B3748\",\"last_commit\":null,\"partial\":null,\"written_at_unix_micros\":1700000000000000}",
                ),
            },
        ]"#]].assert_eq(&format!("{written:#?}"));
    let pairs: Vec<_> = written
        .iter()
        .map(|record| (record.key.as_str(), record.value.as_deref()))
        .collect();
    let log = read(&pairs).unwrap();
    assert_eq!(log.current, Some(checkpoint(0x16_B3748)));
    assert_eq!(
        log.history,
        BTreeMap::from([(Lsn::new(0x16_B3748), checkpoint(0x16_B3748))])
    );

    assert_eq!(log.known_tables, update.known_tables);
    assert_eq!(log.restrictions, update.restrictions);
    assert_eq!(log.partitions, BTreeMap::from([(Oid::new(16_420), partition())]));
    assert_eq!(
        log.quarantines,
        BTreeMap::from([(Oid::new(16_440), quarantine())])
    );
    assert_eq!(log.schemas, BTreeMap::from([(Oid::new(16_400), history())]));

    let deleted = tombstones("shop", &log);
    let pairs: Vec<_> = pairs
        .into_iter()
        .chain(deleted.iter().map(|record| (record.key.as_str(), None)))
        .collect();
    assert_eq!(read(&pairs).unwrap(), CheckpointLog::default());
}

#[test]
fn claims_of_workers_are_no_part_of_a_checkpoint_and_are_deleted_with_it() {
    let mut pairs = vec![
        ("shop#poll/0", Some("{}")),
        ("shop#poll/7", Some("{}")),
        ("shop2#poll/1", Some("{}")),
    ];
    let log = read(&pairs).unwrap();
    assert_eq!(log.current, None);
    assert_eq!(log.polled_by, BTreeSet::from([0, 7]));
    let deleted = tombstones("shop", &log);
    pairs.extend(deleted.iter().map(|record| (record.key.as_str(), None)));
    assert_eq!(read(&pairs).unwrap(), CheckpointLog::default());
}

#[test]
fn ignores_replaced_records_and_records_of_other_connectors() {
    let ours = serde_json::to_string(&checkpoint(0x100)).unwrap();
    check(
        &[
            ("shop2", Some("?")),
            ("sho", Some("?")),
            ("shop@", Some("?")),
            ("shop@x", Some("?")),
        ],
        expect!["None, history []"],
    );
    check(
        &[
            ("shop", Some("?")),
            ("shop", Some(&ours)),
            ("shop@0/5", Some("?")),
            ("shop@0/5", None),
        ],
        expect!["Some(0/100), history []"],
    );
}

/// docs/decisions/0020-checkpoint-compatibility.md
#[test]
fn error_names_the_newer_format_before_any_unknown_field() {
    for newer in [
        r#"{"version":2}"#,
        r#"{"version":2,"state":"paused","windows":{"a":[1]},"end_lsn":7}"#,
    ] {
        check(
            &[("shop", Some(newer))],
            expect![
                "the checkpoint has format version 2, and the latest that can be read is 1; use the version that wrote it"
            ],
        );
    }
}

#[test]
fn error_names_the_unreadable_record() {
    check(
        &[("shop", Some("{"))],
        expect!["the checkpoint record shop cannot be read: EOF while parsing an object at line 1 column 1"],
    );
    check(
        &[("shop@0/5", Some(r#"{"version":1}"#))],
        expect!["the checkpoint record shop@0/5 cannot be read: missing field `state` at line 1 column 13"],
    );
}
