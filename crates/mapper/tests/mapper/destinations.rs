//! Destinations that depend on the row: topic, partition and schema ids of each record.

use expect_test::{Expect, expect};
use serde_json::json;
use walcast_mapper::config::{DestinationRule, Operation};
use walcast_mapper::{EventCounts, MapError, Plan, RecordBuffer, SchemaId, SchemaIds};
use walcast_pgoutput::Column::{self, Null, Text, UnchangedToast};

use crate::table::{Change, INT4, TEXT, Table, context, encode_change, with_change};

/// A table whose rows name their topic in `kind` and their partition in `part`. The key of a record is `aggregate`.
fn events() -> Table {
    let columns = [
        ("id", INT4, -1),
        ("aggregate", INT4, -1),
        ("kind", TEXT, -1),
        ("part", INT4, -1),
    ];
    let mut table = Table::new(&columns);
    table.relation.replica_identity = walcast_pgoutput::ReplicaIdentity::Full;
    table.config.keys =
        serde_json::from_value(json!([{"tables": "public.t", "columns": ["aggregate"]}])).unwrap();
    table.config.destinations = vec![DestinationRule {
        tables: "public.t".parse().unwrap(),
        topic_prefix: "events.".to_owned(),
        topic_column: "kind".to_owned(),
        partition_column: Some("part".to_owned()),
    }];
    table
}

fn row<'a>(kind: Column<'a>, part: Column<'a>) -> [Column<'a>; 4] {
    [Text(b"1"), Text(b"7"), kind, part]
}

/// Encodes a change, and binds each topic that is missing with ids of its own. Returns the names of the topics that were missing.
fn encode(plan: &mut Plan, change: &Change<'_>, buffer: &mut RecordBuffer) -> Result<Vec<String>, MapError> {
    let mut missing = Vec::new();
    loop {
        match encode_change(plan, change, buffer) {
            Ok(()) => return Ok(missing),
            Err(MapError::UnknownTopic { topic }) => {
                let first = 10 * u32::try_from(missing.len() + 1).unwrap();
                let ids = SchemaIds {
                    key: Some(SchemaId::new(first)),
                    value: Some(SchemaId::new(first + 1)),
                };
                plan.bind_topic(&topic, ids);
                missing.push(topic);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Id of a schema in front of a key or a value.
fn schema_id(bytes: &[u8]) -> u8 {
    assert_eq!(bytes[..4], [0; 4]);
    bytes[4]
}

/// Records of a change as topic, partition, ids of the schemas and last byte of the key, a number as zigzag; or the error.
fn check(table: &Table, change: &Change<'_>, expected: &Expect) {
    let mut plan = table.compile().unwrap();
    let mut buffer = RecordBuffer::new();
    let text = match encode(&mut plan, change, &mut buffer) {
        Err(error) => error.to_string(),
        Ok(missing) => {
            let records = buffer.records().map(|record| {
                let key = record.key.map(|key| (schema_id(key), key[key.len() - 1] / 2));
                let value = record.value.map(schema_id);
                format!("{} {:?} {key:?} {value:?}", record.topic, record.partition)
            });
            let records: Vec<_> = records.collect();
            format!("{missing:?}\n{}", records.join("\n"))
        }
    };
    expected.assert_eq(&text);
}

#[test]
fn row_names_topic_and_partition() {
    check(
        &events(),
        &Change::Insert(&row(Text(b"order"), Text(b"3"))),
        &expect![[r#"
            ["events.order"]
            events.order Some(3) Some((10, 7)) Some(11)"#]],
    );
    check(
        &events(),
        &Change::Insert(&row(Text("größe 2".as_bytes()), Null)),
        &expect![[r#"
            ["events.gr__e_2"]
            events.gr__e_2 None Some((10, 7)) Some(11)"#]],
    );
}

/// The records of one change may have several destinations: the old row names its own.
#[test]
fn each_record_of_a_moved_row_has_the_destination_of_its_row() {
    let old = [Text(b"1"), Text(b"7"), Text(b"order"), Text(b"0")];
    let new = [Text(b"1"), Text(b"8"), Text(b"invoice"), Text(b"1")];
    check(
        &events(),
        &Change::UpdateFull(&old, &new),
        &expect![[r#"
            ["events.order", "events.invoice"]
            events.order Some(0) Some((10, 7)) Some(11)
            events.order Some(0) Some((10, 7)) None
            events.invoice Some(1) Some((20, 8)) Some(21)"#]],
    );
}

#[test]
fn row_without_a_usable_destination_is_an_error() {
    let topic = expect!["column kind of public.t: the value cannot be written as the name of a topic"];
    for kind in [Null, UnchangedToast, Text(b""), Text(b"\xFF")] {
        check(&events(), &Change::Insert(&row(kind, Null)), &topic);
    }
    let partition =
        &expect!["column part of public.t: the value cannot be written as the number of a partition"];
    for part in [Text(b"-1"), Text(b"first"), Text(b"2147483648")] {
        check(&events(), &Change::Insert(&row(Text(b"a"), part)), partition);
    }
}

#[test]
fn deleted_row_of_which_only_the_key_is_sent_has_no_destination() {
    let key = [Text(b"1"), Text(b"7"), Null, Null];
    check(
        &events(),
        &Change::DeleteKey(&key),
        &expect!["column kind of public.t: the value cannot be written as the name of a topic"],
    );
}

#[test]
fn column_that_names_destinations_must_exist() {
    let mut table = events();
    table.config.destinations[0].topic_column = "sort".to_owned();
    expect!["public.t has no column sort, which names the destination of its rows"]
        .assert_eq(&table.compile().unwrap_err().to_string());
}

/// The row is encoded again once the topic exists, so nothing of it may remain.
#[test]
fn row_with_an_unknown_topic_leaves_buffer_and_counts_unchanged() {
    let mut table = events();
    table.config.events.transactions = true;
    let mut plan = table.compile().unwrap();
    let (mut counts, mut buffer) = (EventCounts::default(), RecordBuffer::new());
    let row = row(Text(b"order"), Null);
    let encoded = with_change(&Change::Insert(&row), |change| {
        plan.encode(change, &context(), Some(&mut counts), &mut buffer)
    });
    let topic = "events.order".to_owned();
    assert_eq!(encoded, Err(MapError::UnknownTopic { topic }));
    assert_eq!((buffer.len_bytes(), buffer.record_count()), (0, 0));
    assert_eq!(counts.total(), 0);
}

/// A truncate has no row, and other tables have no rule.
#[test]
fn other_records_have_the_topic_of_their_table() {
    let mut table = events();
    table.config.events.operations.push(Operation::Truncate);
    let mut plan = table.compile().unwrap();
    let mut buffer = RecordBuffer::new();
    table.config.destinations[0].tables = "public.other".parse().unwrap();
    plan.encode_truncate(0, &context(), None, &mut buffer).unwrap();
    let mut other = table.compile().unwrap();
    encode_change(&mut other, &Change::Insert(&row(Null, Null)), &mut buffer).unwrap();
    let records: Vec<_> = buffer
        .records()
        .map(|record| (record.topic, record.partition))
        .collect();
    assert_eq!(records, [("p.public.t", None), ("p.public.t", None)]);
}
