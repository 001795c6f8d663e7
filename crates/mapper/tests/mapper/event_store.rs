//! Rows of event stores: records, and the stream and version by which their order is proved.

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use walcast_mapper::config::Encoding;
use walcast_mapper::{
    MapError, Plan, RecordBuffer, RowChange, SchemaIds, StoreChange, StreamEvent, Violation,
};
use walcast_pgoutput::Column::{self, Null, Text};
use walcast_pgoutput::{Oid, ReplicaIdentity};

use crate::table::{Change, TEXT, Table, encode_change, with_change};

const BOOL: u32 = 16;
const INT8: u32 = 20;
const OID: u32 = 26;
const JSONB: u32 = 3802;

/// A store with Marten's columns, as far as the tests need them, in JSON.
fn store(settings: Value) -> Table {
    let mut table = Table::new(&[
        ("seq_id", INT8, -1),
        ("id", TEXT, -1),
        ("stream_id", TEXT, -1),
        ("version", INT8, -1),
        ("data", JSONB, -1),
        ("type", TEXT, -1),
        ("tenant_id", TEXT, -1),
        ("is_archived", BOOL, -1),
    ]);
    let mut rule = json!({"preset": "marten", "tables": "public.t"});
    for (key, value) in settings.as_object().unwrap() {
        rule[key] = value.clone();
    }
    table.config.event_stores = vec![serde_json::from_value(rule).unwrap()];
    (table.config.key, table.config.value) = (Encoding::Json, Encoding::Json);
    table.config.context_headers = false;
    table
}

const ROW: [Column<'static>; 8] = [
    Text(b"100"),
    Text(b"e1"),
    Text(b"order-8471"),
    Text(b"7"),
    Text(b"{\"n\": 1}"),
    Text(b"order_placed"),
    Text(b"shop"),
    Text(b"f"),
];

fn row_with(place: usize, value: Column<'static>) -> [Column<'static>; 8] {
    let mut row = ROW;
    row[place] = value;
    row
}

fn compile(table: &Table) -> Plan {
    table.compile().unwrap()
}

/// Encodes an inserted row; its topic exists.
fn encode(plan: &mut Plan, row: &[Column<'static>], buffer: &mut RecordBuffer) -> Result<(), MapError> {
    loop {
        match encode_change(plan, &Change::Insert(row), buffer) {
            Err(MapError::UnknownTopic { topic }) => plan.bind_topic(
                &topic,
                SchemaIds {
                    key: None,
                    value: None,
                },
            ),
            encoded => return encoded,
        }
    }
}

fn check(table: &Table, row: &[Column<'static>], expected: &Expect) {
    let shown = table.compile().and_then(|mut plan| {
        let mut buffer = RecordBuffer::new();
        encode(&mut plan, row, &mut buffer)?;
        let text = |bytes: Option<&[u8]>| {
            bytes.map_or("none".to_owned(), |bytes| {
                String::from_utf8(bytes.to_vec()).unwrap()
            })
        };
        let records = buffer.records().map(|record| {
            let headers = record.headers().filter(|header| header.name != "walcast.id");
            let headers: Vec<String> = headers
                .map(|header| format!("{}={}", header.name, text(header.value)))
                .collect();
            let (key, value) = (text(record.key), text(record.value));
            format!("{} {key} {value} [{}]", record.topic, headers.join(", "))
        });
        Ok(records.collect::<Vec<_>>().join("\n"))
    });
    expected.assert_eq(&shown.unwrap_or_else(|error| error.to_string()));
}

/// What a change does to the store.
fn change_of(table: &Table, change: &Change<'_>) -> StoreChange {
    let plan = compile(table);
    with_change(change, |change| plan.store_change(change).unwrap().unwrap())
}

#[test]
fn inserted_row_is_an_event_of_its_stream() {
    check(
        &store(json!({})),
        &ROW,
        &expect![[
            r#"p.public.t "order-8471" "{\"n\": 1}" [id=e1, type=order_placed, version=7, archived=false, tenant_id=shop]"#
        ]],
    );
    check(
        &store(json!({"topic_by": "type", "metadata": []})),
        &ROW,
        &expect![[
            r#"events.order_placed "order-8471" "{\"n\": 1}" [id=e1, type=order_placed, version=7, archived=false]"#
        ]],
    );
}

#[test]
fn columns_that_cannot_be_used_are_errors() {
    check(
        &store(json!({"version": "position"})),
        &ROW,
        &expect!["column position of event store public.t does not exist"],
    );
    check(
        &store(json!({"scope": ["region"]})),
        &ROW,
        &expect!["column region of event store public.t does not exist"],
    );
    check(
        &store(json!({"sequence": "id"})),
        &ROW,
        &expect![
            "column id of event store public.t is not an integer, by which the rows that exist could be read in order"
        ],
    );
    let mut table = store(json!({}));
    table.relation.columns[4].type_oid = Oid::new(OID);
    table.metadata.columns[4].type_oid = Oid::new(OID);
    check(
        &table,
        &ROW,
        &expect![
            "column data of event store public.t holds numbers of large objects, whose content is not in the WAL: store the payload as bytea, text or jsonb (Axon with Hibernate: PostgreSQLDialect with bytea for @Lob)"
        ],
    );
}

#[test]
fn stream_and_version_are_read_from_the_row() {
    let event = |version| StreamEvent {
        stream: b"shop\0order-8471".to_vec(),
        version,
    };
    let table = store(json!({}));
    assert_eq!(
        change_of(&table, &Change::Insert(&ROW)),
        StoreChange::Appended(event(7))
    );
    assert_eq!(
        change_of(&table, &Change::Insert(&row_with(5, Text(b"tombstone")))),
        StoreChange::AppendedUnversioned
    );
    let plan = compile(&table);
    for (place, wanted) in [
        (
            2,
            "column stream_id of event store public.t: the value cannot be used as the id of a stream",
        ),
        (
            3,
            "column version of event store public.t: the value cannot be used as the version of an event, which is an integer",
        ),
    ] {
        let row = row_with(place, Null);
        let error = with_change(&Change::Insert(&row), |change| {
            plan.store_change(change).unwrap_err().to_string()
        });
        assert_eq!(error, wanted);
    }
}

/// A row that is read continues its stream as one that is inserted does, unless another stream may have begun under the id.
#[test]
fn rows_that_are_read_have_a_place_in_their_stream() {
    let mut table = store(json!({}));
    let event_of = |table: &Table, row: &[Column<'static>]| {
        let plan = compile(table);
        with_change(&Change::Insert(row), |change| match *change {
            RowChange::Insert { new } => plan
                .stream_event(new)
                .map(|event| event.map(|event| event.version)),
            RowChange::Update { .. } | RowChange::Delete { .. } => Ok(None),
        })
    };
    let archived = row_with(7, Text(b"t"));
    assert_eq!(event_of(&table, &ROW), Ok(Some(7)));
    assert_eq!(event_of(&table, &archived), Ok(Some(7)));
    assert_eq!(event_of(&table, &row_with(5, Text(b"tombstone"))), Ok(None));
    assert!(event_of(&table, &row_with(2, Null)).is_err());
    table.metadata.key_columns.push("is_archived".to_owned());
    assert_eq!(event_of(&table, &archived), Ok(None));
}

#[test]
fn archiving_is_permitted_and_other_updates_are_not() {
    let archived = row_with(7, Text(b"t"));
    let changed = row_with(4, Text(b"{}"));
    let mut table = store(json!({}));
    let update = |table: &Table, before: Option<&[Column<'_>]>, after: &[Column<'_>]| {
        let change = match before {
            Some(before) => Change::UpdateFull(before, after),
            None => Change::UpdateOnly(after),
        };
        change_of(table, &change)
    };
    assert_eq!(update(&table, None, &archived), StoreChange::Permitted);
    assert_eq!(update(&table, None, &changed), StoreChange::Updated);
    // With the whole row before the update, what has changed is known.
    table.relation.replica_identity = ReplicaIdentity::Full;
    assert_eq!(update(&table, Some(&ROW), &archived), StoreChange::Permitted);
    assert_eq!(update(&table, Some(&archived), &ROW), StoreChange::Permitted);
    assert_eq!(update(&table, Some(&ROW), &changed), StoreChange::Updated);
}

#[test]
fn rows_that_archiving_moves_are_no_violation() {
    let mut table = store(json!({}));
    assert_eq!(change_of(&table, &Change::DeleteFull(&ROW)), StoreChange::Deleted);
    table.metadata.key_columns.push("is_archived".to_owned());
    assert_eq!(
        change_of(&table, &Change::DeleteFull(&ROW)),
        StoreChange::Permitted
    );
    let event = StreamEvent {
        stream: b"shop\0order-8471".to_vec(),
        version: 7,
    };
    assert_eq!(
        change_of(&table, &Change::Insert(&row_with(7, Text(b"t")))),
        StoreChange::InsertedArchived(event)
    );
}

#[test]
fn violations_name_the_stream_and_the_version() {
    let mut plan = compile(&store(json!({})));
    let violation = Violation::Gap { expected: 5 };
    let error = with_change(&Change::Insert(&ROW), |change| {
        plan.violation(change, violation).to_string()
    });
    assert_eq!(
        error,
        "event store public.t: a version is missing: 5 was expected (stream \"order-8471\", version 7)"
    );
}

/// A store in whose payloads the member `v` is the schema version.
fn upcasting(settings: Value) -> Table {
    let mut all = json!({
        "metadata": [],
        "archived": "",
        "schema_version_member": "v",
        "first_schema_version": 1,
        "upcasters": [
            {"type": "order_placed", "from": 1, "to": 2, "steps": [{"rename": "n", "to": "count"}]},
            {"type": "order_placed", "from": 2, "to": 3, "steps": [{"retype": "count", "as": "string"}]},
        ],
    });
    for (key, value) in settings.as_object().unwrap() {
        all[key] = value.clone();
    }
    store(all)
}

#[test]
fn events_of_older_schema_versions_are_upcast_along_the_chain() {
    let table = upcasting(json!({}));
    for (payload, expected) in [
        (
            &br#"{"n": 1.50, "x": [1.0]}"#[..],
            expect![[
                r#"p.public.t "order-8471" "{\"count\":\"1.50\",\"x\":[1.0],\"v\":3}" [id=e1, type=order_placed, version=7]"#
            ]],
        ),
        (
            br#"{"v": "2", "count": 1}"#,
            expect![[
                r#"p.public.t "order-8471" "{\"v\":\"3\",\"count\":\"1\"}" [id=e1, type=order_placed, version=7]"#
            ]],
        ),
        // The current version, as it is stored.
        (
            br#"{"v": 3,  "count": "1"}"#,
            expect![[
                r#"p.public.t "order-8471" "{\"v\": 3,  \"count\": \"1\"}" [id=e1, type=order_placed, version=7]"#
            ]],
        ),
    ] {
        check(&table, &row_with(4, Text(payload)), &expected);
    }
    check(
        &upcasting(json!({"upcast": "readers"})),
        &ROW,
        &expect![[r#"p.public.t "order-8471" "{\"n\": 1}" [id=e1, type=order_placed, version=7]"#]],
    );
    check(
        &table,
        &row_with(5, Text(b"order_paid")),
        &expect![[r#"p.public.t "order-8471" "{\"n\": 1}" [id=e1, type=order_paid, version=7]"#]],
    );
}

#[test]
fn the_column_with_the_schema_version_becomes_the_current_one() {
    let table = upcasting(json!({"schema_version": "tenant_id"}));
    let mut rule: Value = serde_json::to_value(&table.config.event_stores[0]).unwrap();
    rule.as_object_mut().unwrap().remove("schema_version_member");
    let mut by_column = store(json!({}));
    by_column.config.event_stores = vec![serde_json::from_value(rule).unwrap()];
    check(
        &by_column,
        &row_with(6, Text(b"2")),
        &expect![[
            r#"p.public.t "order-8471" "{\"n\":1}" [id=e1, type=order_placed, version=7, schemaVersion=3]"#
        ]],
    );
}

#[test]
fn events_that_cannot_be_upcast_are_errors_or_sent_as_they_are_stored() {
    let unknown = row_with(4, Text(br#"{"v": 4}"#));
    let halting = upcasting(json!({"on_violation": "halt"}));
    check(
        &halting,
        &unknown,
        &expect![[
            r#"event store public.t: an event of type "order_placed" with schema version "4" is not upcast: no upcaster leads from this version to the current one"#
        ]],
    );
    check(
        &halting,
        &row_with(4, Text(br#"{"n": 1, "count": 2}"#)),
        &expect![[
            r#"event store public.t: an event of type "order_placed" with schema version "1" is not upcast: 1 to 2, step 1, n: a member exists already"#
        ]],
    );
    check(
        &halting,
        &row_with(4, Text(b"[]")),
        &expect![[
            r#"event store public.t: an event of type "order_placed" is not upcast: payload: it is not an object in JSON"#
        ]],
    );
    let mut plan = compile(&upcasting(json!({})));
    let mut buffer = RecordBuffer::new();
    encode(&mut plan, &ROW, &mut buffer).unwrap();
    assert_eq!(plan.take_failed_upcast(), None);
    encode(&mut plan, &unknown, &mut buffer).unwrap();
    assert_eq!(buffer.records().count(), 2);
    let failed = plan.take_failed_upcast().unwrap().to_string();
    assert!(
        failed.contains("with schema version \"4\" is not upcast"),
        "{failed}"
    );
    assert_eq!(plan.take_failed_upcast(), None);
}

#[test]
fn upcasters_need_a_version_and_text() {
    let mut rule = upcasting(json!({}));
    let mut text: Value = serde_json::to_value(&rule.config.event_stores[0]).unwrap();
    text.as_object_mut().unwrap().remove("schema_version_member");
    rule.config.event_stores = vec![serde_json::from_value(text).unwrap()];
    check(
        &rule,
        &ROW,
        &expect![
            "column schema_version of event store public.t does not exist, but upcasters need the schema version of each event: name its column in schema_version, or its member of the payload in schema_version_member"
        ],
    );
    check(
        &upcasting(json!({"data": "version"})),
        &ROW,
        &expect![[
            r#"column version of event store public.t is upcast, and is neither text nor JSON: set upcast = "readers", which sends it as it is stored"#
        ]],
    );
}
