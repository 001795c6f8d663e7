//! Errors of the connector's own work, and of its requests.

use expect_test::expect_file;
use walcast_delivery::condition::ConditionError;
use walcast_delivery::{
    DeliveryError, Halt, ImportRejected, NoRegistry, RequestChannel, RewindRejected, RewindWindow,
    SignalError, SnapshotRejected, SnapshotUnanswered, StoredConditionError, TableQuarantined,
};
use walcast_kafka::KafkaError;
use walcast_mapper::MapError;
use walcast_mapper::pattern::TablePattern;
use walcast_pgoutput::error::Fault;
use walcast_pgoutput::{CopyError, DecodeError, Lsn, Tid, Xid};
use walcast_postgres::PostgresError;

use super::{check, items};

const AT: Lsn = Lsn::new(0x200);

fn value() -> Box<MapError> {
    Box::new(MapError::Value {
        table: items(),
        column: "price".to_owned(),
        wanted: "a decimal",
    })
}

#[test]
fn every_error_of_a_session_of_the_connector_has_a_code_and_a_way_on() {
    let errors = vec![
        DeliveryError::Source(PostgresError::NotLeading.into()),
        DeliveryError::Sink(KafkaError::Stopped.into()),
        DeliveryError::Registry {
            subject: "shop.public.items-value".to_owned(),
            fault: walcast_kafka::RegistryError::Unreachable {
                url: "http://registry:8081".to_owned(),
                reason: "reason of the system".to_owned(),
            }
            .into(),
        },
        DeliveryError::Decode {
            after: AT,
            source: DecodeError {
                tag: Some(b'I'),
                offset: 5,
                wanted: "a tuple",
                fault: Fault::Truncated,
            },
        },
        DeliveryError::OutOfOrder {
            after: AT,
            what: "a transaction begins inside another",
        },
        DeliveryError::Map {
            after: AT,
            lsn: AT,
            xid: Xid::new(701),
            commit_lsn: AT,
            source: value(),
        },
        DeliveryError::MapMessage {
            after: AT,
            lsn: AT,
            source: value(),
        },
        DeliveryError::MapRow {
            table: items(),
            row: Some(Tid { block: 0, offset: 7 }),
            lsn: AT,
            source: value(),
        },
        DeliveryError::CopiedRow {
            table: items(),
            source: CopyError::Place,
        },
        DeliveryError::Halt(Halt::NoTable {
            pattern: "public.itmes".to_owned(),
        }),
    ];
    check(errors, &[], &expect_file!["texts/delivery.txt"]);
}

#[test]
fn missing_registry_is_an_error_of_the_configuration() {
    let error = DeliveryError::Registry {
        subject: "shop.public.items-value".to_owned(),
        fault: NoRegistry.into(),
    };
    check(vec![error], &[], &expect_file!["texts/no_registry.txt"]);
}

#[test]
fn every_rejected_move_of_the_checkpoint_has_a_way_on() {
    let window = RewindWindow {
        oldest: Lsn::new(0x100),
        newest: Lsn::new(0x180),
    };
    let errors = vec![
        RewindRejected::Running {
            slot: "walcast_shop".to_owned(),
            pid: 7,
        },
        RewindRejected::NotSlotOfCluster {
            to: AT,
            slot_at: window.newest,
        },
        RewindRejected::NothingDelivered {
            to: AT,
            nearest: window.newest,
        },
        RewindRejected::OutsideWindow {
            to: AT,
            window,
            nearest: window.newest,
        },
    ];
    check(errors, &["Running"], &expect_file!["texts/rewind.txt"]);
}

#[test]
fn every_rejected_import_has_a_way_on() {
    let slot = || "debezium".to_owned();
    let xid = Xid::new(701);
    let errors = vec![
        ImportRejected::Running { slot: slot(), pid: 7 },
        ImportRejected::AheadOfServer {
            noted: AT,
            flushed: Lsn::new(0x100),
        },
        ImportRejected::OtherTransaction {
            slot: slot(),
            after: AT,
            expected: xid,
            found: Xid::new(702),
        },
        ImportRejected::TransactionMissing {
            slot: slot(),
            after: AT,
            xid,
        },
        ImportRejected::ChangeMissing { xid, lsn: AT },
    ];
    check(errors, &["Running"], &expect_file!["texts/import.txt"]);
}

#[test]
fn every_rejected_request_has_a_way_on() {
    let pattern = || "public.items".to_owned();
    let errors = vec![
        SnapshotRejected::NothingNamed,
        SnapshotRejected::NotCaptured { pattern: pattern() },
        SnapshotRejected::NotPublished {
            table: items(),
            sql: "ALTER PUBLICATION walcast_shop ADD TABLE items".to_owned(),
        },
        SnapshotRejected::LettersOfSeveral { pattern: pattern() },
        SnapshotRejected::BeingRead { table: items() },
        SnapshotRejected::Quarantined { table: items() },
        SnapshotRejected::NotQuarantined { pattern: pattern() },
        SnapshotRejected::Unreadable {
            table: items(),
            why: "permission denied for table items".to_owned(),
        },
        SnapshotRejected::Condition {
            pattern: pattern(),
            channel: RequestChannel::Http,
            source: ConditionError::Empty,
        },
        SnapshotRejected::TooLarge {
            what: "its id has",
            bytes: 2_000,
            max: 1_024,
        },
        SnapshotRejected::NothingIsRead,
        SnapshotRejected::NotBeingRead { pattern: pattern() },
    ];
    let in_text = ["NothingNamed", "BeingRead", "TooLarge"];
    check(errors, &in_text, &expect_file!["texts/requests.txt"]);
    check(
        vec![SnapshotUnanswered::Lost],
        &["Lost"],
        &expect_file!["texts/unanswered.txt"],
    );
}

#[test]
fn every_fault_of_a_condition_is_rejected_with_a_way_on() {
    let faults = [
        ConditionError::TooLong { bytes: 20_000 },
        ConditionError::Empty,
        ConditionError::Character { found: ';', at: 7 },
        ConditionError::Comment { at: 7 },
        ConditionError::OpenQuote { at: 7 },
        ConditionError::AdjacentTexts { at: 7 },
        ConditionError::Number { at: 7 },
        ConditionError::Parentheses { at: 7 },
        ConditionError::TooDeep,
        ConditionError::Syntax {
            at: 7,
            found: "'('".to_owned(),
            expected: "a constant",
        },
    ];
    let errors = faults.map(|source| SnapshotRejected::Condition {
        pattern: "public.items".to_owned(),
        channel: RequestChannel::Http,
        source,
    });
    check(Vec::from(errors), &[], &expect_file!["texts/conditions.txt"]);
}

#[test]
fn every_finding_of_the_process_log_has_a_way_on() {
    let kind = || "execute-snapshot".to_owned();
    let json = || serde_json::from_str::<u32>("x").unwrap_err();
    let errors = vec![
        SignalError::Shape(json()),
        SignalError::Data {
            kind: kind(),
            cause: json(),
        },
        SignalError::NoData { kind: kind() },
        SignalError::Kind {
            kind: "excute-snapshot".to_owned(),
        },
        SignalError::Pattern("public".parse::<TablePattern>().unwrap_err()),
        SignalError::Statement {
            collection: "public.items".to_owned(),
        },
    ];
    check(errors, &["Kind", "Statement"], &expect_file!["texts/signals.txt"]);
    let errors = vec![TableQuarantined {
        table: items(),
        error: "column price of public.items: the value cannot be written as a decimal".to_owned(),
    }];
    check(errors, &[], &expect_file!["texts/quarantined.txt"]);
    let errors = vec![
        StoredConditionError::SqlNotAllowed,
        StoredConditionError::Invalid(ConditionError::Empty),
    ];
    check(errors, &[], &expect_file!["texts/stored_conditions.txt"]);
}
