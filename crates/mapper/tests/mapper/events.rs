//! Events other than those of rows, and the selection of events.

use apache_avro::Schema;
use expect_test::{Expect, expect};
use walcast_mapper::config::{DebeziumVersion, Operation};
use walcast_mapper::events::{
    EventTopic, HeartbeatEvents, MessageContext, MessageEvents, TransactionBoundary, TransactionEvents,
};
use walcast_mapper::{
    EventCounts, MapperConfig, Ordinal, RecordBuffer, RecordId, ReplicationOrigin, SchemaId, SchemaIds,
};
use walcast_pgoutput::Column::{Null, Text};
use walcast_pgoutput::{LogicalMessage, Lsn, PgTimestamp, ReplicaIdentity, Xid};

use crate::shown;
use crate::table::{Change, INT4, TEXT, Table, context, with_change};

fn bind(topic: &mut EventTopic) {
    topic.bind(SchemaIds {
        key: Some(SchemaId::new(1)),
        value: Some(SchemaId::new(2)),
    });
}

/// Each record as topic, key, value and identity.
fn records(topic: &EventTopic, buffer: &RecordBuffer) -> String {
    let key_schema = Schema::parse_str(topic.key_schema().unwrap()).unwrap();
    let value_schema = Schema::parse_str(topic.value_schema().unwrap()).unwrap();
    let lines = buffer.records().map(|record| {
        assert_eq!(record.topic, topic.name());
        let key = shown::show(&shown::decode(&key_schema, record.key.unwrap()));
        let value = shown::show(&shown::decode(&value_schema, record.value.unwrap()));
        let headers = record.headers().map(|header| {
            format!(
                "{}={}",
                header.name,
                String::from_utf8_lossy(header.value.unwrap())
            )
        });
        format!("{key}: {value} [{}]", headers.collect::<Vec<_>>().join(" "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn edge(lsn: u64) -> TransactionBoundary {
    TransactionBoundary {
        xid: Xid::new(571),
        commit_lsn: Lsn::new(0x16B_3748),
        commit_time: PgTimestamp::from_unix_micros(1_709_168_523_456_789),
        lsn: Lsn::new(lsn),
    }
}

#[test]
fn transactions_have_events_of_begin_and_end() {
    let mut events = TransactionEvents::new(&MapperConfig::new("p", "db"));
    bind(&mut events.topic);
    let mut buffer = RecordBuffer::new();
    events.begin(&edge(53_195_829), &mut buffer);
    events.end(&edge(53_195_832), &EventCounts::default(), &mut buffer);
    let mut table = Table::new(&[("a", INT4, -1)]);
    table.config.events.transactions = true;
    let mut plan = table.compile().unwrap();
    let (mut counts, mut rows) = (EventCounts::default(), RecordBuffer::new());
    for _ in 0..2 {
        with_change(&Change::Insert(&[Text(b"1")]), |change| {
            plan.encode(change, &context(), Some(&mut counts), &mut rows)
                .unwrap();
        });
    }
    events.end(&edge(53_195_840), &counts, &mut buffer);
    assert_eq!(events.topic.name(), "p.transaction");
    expect![[r#"
        {id: "571:53195829"}: {status: "BEGIN", id: "571:53195829", event_count: null, data_collections: null, ts_ms: 1709168523456} [walcast.id=0/16B3748/begin]
        {id: "571:53195832"}: {status: "END", id: "571:53195832", event_count: 0, data_collections: [], ts_ms: 1709168523456} [walcast.id=0/16B3748/end]
        {id: "571:53195840"}: {status: "END", id: "571:53195840", event_count: 2, data_collections: [{data_collection: "public.t", event_count: 2}], ts_ms: 1709168523456} [walcast.id=0/16B3748/end]"#]]
    .assert_eq(&records(&events.topic, &buffer));
    expect![[r#"{"type":"record","name":"TransactionMetadataKey","namespace":"io.debezium.connector.common","fields":[{"name":"id","type":"string"}],"connect.version":1,"connect.name":"io.debezium.connector.common.TransactionMetadataKey"}"#]]
        .assert_eq(events.topic.key_schema().unwrap());
    expect![[r#"{"type":"record","name":"TransactionMetadataValue","namespace":"io.debezium.connector.common","fields":[{"name":"status","type":"string"},{"name":"id","type":"string"},{"name":"event_count","type":["null","long"],"default":null},{"name":"data_collections","type":["null",{"type":"array","items":["null",{"type":"record","name":"collection","namespace":"event","fields":[{"name":"data_collection","type":"string"},{"name":"event_count","type":"long"}],"connect.version":1,"connect.name":"event.collection"}]}],"default":null},{"name":"ts_ms","type":"long"}],"connect.version":1,"connect.name":"io.debezium.connector.common.TransactionMetadataValue"}"#]]
        .assert_eq(events.topic.value_schema().unwrap());
}

/// The `transaction` blocks of a table's events, and the counts at the end of the transaction.
fn blocks(table: &Table, changes: &[Change<'_>]) -> (Vec<String>, u64) {
    let mut plan = table.compile().unwrap();
    let (mut counts, mut buffer) = (EventCounts::default(), RecordBuffer::new());
    for change in changes {
        with_change(change, |change| {
            // Changes that cannot be mapped must not be counted.
            drop(plan.encode(change, &context(), Some(&mut counts), &mut buffer));
        });
    }
    let schema = Schema::parse_str(plan.value_schema().unwrap()).unwrap();
    let blocks = buffer.records().filter_map(|record| {
        let value = shown::decode(&schema, record.value?);
        let (op, block) = (shown::field(&value, "op"), shown::field(&value, "transaction"));
        Some(format!("{} {}", shown::show(op), shown::show(block)))
    });
    (blocks.collect(), counts.total())
}

#[test]
fn events_have_their_order_in_the_transaction() {
    let table = Table::new(&[("a", INT4, -1), ("b", TEXT, -1)]);
    let (blocks, total) = blocks(
        &table,
        &[
            Change::Insert(&[Text(b"1"), Null]),
            Change::Insert(&[Text(b"x"), Null]),
            // Two events and a tombstone, which does not count.
            Change::UpdateKey(&[Text(b"1"), Null], &[Text(b"2"), Null]),
            // A failure in the second event.
            Change::UpdateKey(&[Text(b"2"), Null], &[Text(b"3"), Text(b"\xFF")]),
            Change::DeleteKey(&[Text(b"2"), Null]),
        ],
    );
    expect![[r#"
        "c" {id: "4000000000:23803648", total_order: 1, data_collection_order: 1}
        "d" {id: "4000000000:23803648", total_order: 2, data_collection_order: 2}
        "c" {id: "4000000000:23803648", total_order: 3, data_collection_order: 3}
        "d" {id: "4000000000:23803648", total_order: 4, data_collection_order: 4}"#]]
    .assert_eq(&blocks.join("\n"));
    assert_eq!(total, 4);
}

fn check_operations(operations: &[Operation], expected: Expect) {
    let mut table = Table::new(&[("a", INT4, -1), ("b", TEXT, -1)]);
    table.config.events.operations = operations.to_vec();
    let changes = [
        Change::Insert(&[Text(b"1"), Null]),
        Change::UpdateOnly(&[Text(b"1"), Text(b"b")]),
        Change::UpdateKey(&[Text(b"1"), Null], &[Text(b"2"), Null]),
        Change::DeleteKey(&[Text(b"2"), Null]),
    ];
    let (blocks, _) = blocks(&table, &changes);
    let letters: Vec<&str> = blocks.iter().map(|block| &block[1..2]).collect();
    let mut plan = table.compile().unwrap();
    let mut buffer = RecordBuffer::new();
    for change in &changes {
        with_change(change, |change| {
            plan.encode(change, &context(), None, &mut buffer)
        })
        .unwrap();
    }
    plan.encode_truncate(0, &context(), None, &mut buffer).unwrap();
    let tombstones = buffer.records().filter(|record| record.value.is_none()).count();
    let truncates = buffer.records().filter(|record| record.key.is_none()).count();
    expected.assert_eq(&format!(
        "{} and {tombstones} tombstones, {truncates} truncates",
        letters.join("")
    ));
}

#[test]
fn operations_can_be_skipped() {
    use Operation::{Create, Delete, Truncate, Update};
    check_operations(
        &[Create, Update, Delete],
        expect!["cudcd and 2 tombstones, 0 truncates"],
    );
    check_operations(&[Create, Update], expect!["cuc and 0 tombstones, 0 truncates"]);
    check_operations(&[Delete, Truncate], expect!["dd and 2 tombstones, 1 truncates"]);
    check_operations(&[], expect![" and 0 tombstones, 0 truncates"]);
}

#[test]
fn a_truncate_is_one_event_without_key_and_row() {
    let mut table = Table::new(&[("a", INT4, -1)]);
    table.config.events.operations = vec![Operation::Truncate];
    let mut plan = table.compile().unwrap();
    let (mut buffer, mut counts) = (RecordBuffer::new(), EventCounts::default());
    plan.encode_truncate(3, &context(), Some(&mut counts), &mut buffer)
        .unwrap();
    let record = buffer.records().next().unwrap();
    assert_eq!((record.topic, record.key), ("p.public.t", None));
    let id = record.headers().last().unwrap();
    assert_eq!(
        (id.name, id.value),
        ("walcast.id", Some(b"0/16B3748/7.3".as_slice()))
    );
    let schema = Schema::parse_str(plan.value_schema().unwrap()).unwrap();
    let value = shown::decode(&schema, record.value.unwrap());
    let shown = ["before", "after", "op", "transaction", "ts_ms"]
        .map(|name| format!("{name} {}", shown::show(shown::field(&value, name))));
    expect![[r#"
        before null
        after null
        op "t"
        transaction {id: "4000000000:23803648", total_order: 1, data_collection_order: 1}
        ts_ms 1709168523999"#]]
    .assert_eq(&shown.join("\n"));
}

#[test]
fn unchanged_updates_are_skipped_under_full_identity() {
    let mut table = Table::new(&[("a", INT4, -1), ("b", TEXT, -1)]);
    table.config.events.skip_unchanged = true;
    let count = |table: &Table, change: &Change<'_>| table.records(change).unwrap().len();
    let row: &[_] = &[Text(b"1"), Text(b"b")];
    assert_eq!(count(&table, &Change::UpdateOnly(row)), 1);
    table.relation.replica_identity = ReplicaIdentity::Full;
    assert_eq!(count(&table, &Change::UpdateFull(row, row)), 0);
    let toast: &[_] = &[Text(b"1"), walcast_pgoutput::Column::UnchangedToast];
    assert_eq!(count(&table, &Change::UpdateFull(row, toast)), 0);
    assert_eq!(count(&table, &Change::UpdateFull(row, &[Text(b"1"), Null])), 1);
    table.config.columns.exclude = vec!["*.*.b".parse().unwrap()];
    assert_eq!(count(&table, &Change::UpdateFull(row, &[Text(b"1"), Null])), 0);
    assert_eq!(
        count(&table, &Change::UpdateFull(row, &[Text(b"2"), Text(b"b")])),
        3
    );
    table.config.events.skip_unchanged = false;
    assert_eq!(count(&table, &Change::UpdateFull(row, row)), 1);
}

fn message_context(xid: Option<u32>) -> MessageContext<'static> {
    MessageContext {
        id: RecordId {
            commit_lsn: Lsn::new(0x16B_3748),
            ordinal: Ordinal::new(4),
            part: 0,
        },
        xid: xid.map(Xid::new),
        lsn: Lsn::new(0x16B_3700),
        commit_time: PgTimestamp::from_unix_micros(1_709_168_523_456_789),
        previous_commit_end: Some(Lsn::new(0x16B_3600)),
        origin: None,
        processed_at_unix_nanos: 1_709_168_523_999_888_777,
    }
}

#[test]
fn messages_have_a_topic_of_their_own() {
    let mut events = MessageEvents::new(&MapperConfig::new("p", "db"));
    bind(&mut events.topic);
    let message = LogicalMessage {
        xid: None,
        transactional: true,
        lsn: Lsn::new(0x16B_3700),
        prefix: "app",
        content: b"hello",
    };
    let (mut buffer, mut counts) = (RecordBuffer::new(), EventCounts::default());
    events.encode(
        &message,
        &message_context(Some(571)),
        Some(&mut counts),
        &mut buffer,
    );
    events.encode(
        &message,
        &message_context(Some(571)),
        Some(&mut counts),
        &mut buffer,
    );
    events.encode(&message, &message_context(None), None, &mut buffer);
    assert_eq!(events.topic.name(), "p.message");
    let version = env!("CARGO_PKG_VERSION");
    expect![[r#"
        {prefix: "app"}: {op: "m", ts_ms: 1709168523999, source: {version: "VERSION", connector: "postgresql", name: "p", ts_ms: 1709168523456, snapshot: "false", db: "db", sequence: "[\"23803392\",\"23803648\"]", ts_us: 1709168523456789, ts_ns: 1709168523456789000, schema: "", table: "", txId: 571, lsn: 23803648, xmin: null}, transaction: {id: "571:23803648", total_order: 1, data_collection_order: 1}, message: {prefix: "app", content: x68656c6c6f}} [walcast.id=0/16B3748/4]
        {prefix: "app"}: {op: "m", ts_ms: 1709168523999, source: {version: "VERSION", connector: "postgresql", name: "p", ts_ms: 1709168523456, snapshot: "false", db: "db", sequence: "[\"23803392\",\"23803648\"]", ts_us: 1709168523456789, ts_ns: 1709168523456789000, schema: "", table: "", txId: 571, lsn: 23803648, xmin: null}, transaction: {id: "571:23803648", total_order: 2, data_collection_order: 2}, message: {prefix: "app", content: x68656c6c6f}} [walcast.id=0/16B3748/4]
        {prefix: "app"}: {op: "m", ts_ms: 1709168523999, source: {version: "VERSION", connector: "postgresql", name: "p", ts_ms: 1709168523456, snapshot: "false", db: "db", sequence: "[\"23803392\",\"23803648\"]", ts_us: 1709168523456789, ts_ns: 1709168523456789000, schema: "", table: "", txId: null, lsn: 23803648, xmin: null}, transaction: null, message: {prefix: "app", content: x68656c6c6f}} [walcast.id=0/16B3748/4]"#]]
    .assert_eq(&records(&events.topic, &buffer).replace(version, "VERSION"));
    expect![[r#"{"type":"record","name":"MessageKey","namespace":"io.debezium.connector.postgresql","fields":[{"name":"prefix","type":["null","string"],"default":null}],"connect.version":1,"connect.name":"io.debezium.connector.postgresql.MessageKey"}"#]]
        .assert_eq(events.topic.key_schema().unwrap());
    let value: serde_json::Value = serde_json::from_str(events.topic.value_schema().unwrap()).unwrap();
    expect![[r#"{"name":"message","type":{"type":"record","name":"Message","fields":[{"name":"prefix","type":["null","string"],"default":null},{"name":"content","type":["null","bytes"],"default":null}],"connect.version":1,"connect.name":"io.debezium.connector.postgresql.Message"}}"#]]
        .assert_eq(&value["fields"][4].to_string());
}

#[test]
fn messages_have_the_replication_origin() {
    let mut config = MapperConfig::new("p", "db");
    config.debezium_version = DebeziumVersion::V3_6;
    let mut events = MessageEvents::new(&config);
    bind(&mut events.topic);
    let message = LogicalMessage {
        xid: None,
        transactional: true,
        lsn: Lsn::new(0x16B_3700),
        prefix: "app",
        content: b"hello",
    };
    let origin = ReplicationOrigin {
        name: "elsewhere".to_owned(),
        lsn: Lsn::new(0xABCD),
    };
    let context = MessageContext {
        origin: Some(&origin),
        ..message_context(Some(571))
    };
    let mut buffer = RecordBuffer::new();
    events.encode(&message, &context, None, &mut buffer);
    events.encode(&message, &message_context(None), None, &mut buffer);
    let shown = records(&events.topic, &buffer);
    let sources: Vec<&str> = shown.split("xmin: null").skip(1).collect();
    assert!(
        sources[0].starts_with(", origin: \"elsewhere\", origin_lsn: 43981}")
            && sources[1].starts_with(", origin: null, origin_lsn: null}"),
        "{shown}"
    );
}

#[test]
fn heartbeats_have_a_topic_of_their_own() {
    let mut events = HeartbeatEvents::new(&MapperConfig::new("p", "db"));
    bind(&mut events.topic);
    let mut buffer = RecordBuffer::new();
    events.beat(1_709_168_523_999, &mut buffer);
    assert_eq!(events.topic.name(), "__debezium-heartbeat.p");
    expect![[r#"{serverName: "p"}: {ts_ms: 1709168523999} []"#]].assert_eq(&records(&events.topic, &buffer));
    expect![[r#"{"type":"record","name":"ServerNameKey","namespace":"io.debezium.connector.common","fields":[{"name":"serverName","type":"string"}],"connect.version":1,"connect.name":"io.debezium.connector.common.ServerNameKey"}"#]]
        .assert_eq(events.topic.key_schema().unwrap());
    expect![[r#"{"type":"record","name":"Heartbeat","namespace":"io.debezium.connector.common","fields":[{"name":"ts_ms","type":"long"}],"connect.version":1,"connect.name":"io.debezium.connector.common.Heartbeat"}"#]]
        .assert_eq(events.topic.value_schema().unwrap());
}
