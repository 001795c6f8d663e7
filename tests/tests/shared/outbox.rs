//! Rows of outbox tables as events in the topics that they name, against real servers.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod messages;
mod payloads;
mod topics;

use serde_json::Value;
use walcast_testbed::{RawRecord, TreeDecoder, read_topic, topic_names};
use walcast_tests::{Case, Finished, Instance, assert_reports, await_that, shared};

/// Exit code of a connector that halted.
const HALTED: i32 = 3;

/// A case with the tables `outbox` and `items`, in JSON, whose events have topics that begin with its name.
async fn outbox(name: &str, settings: &str) -> Case<'static> {
    let mut case = Case::new(name).await;
    case.sql(
        "CREATE TABLE outbox (id int PRIMARY KEY, aggregatetype text, aggregateid text, type text, payload jsonb, part int, \
         at timestamp)",
    )
    .await;
    case.config = case
        .config
        .clone()
        .set("format.key", "json")
        .set("format.value", "json")
        .set("kafka.topics.partitions", 1)
        .set("outbox", vec![entry(name, settings)]);
    case
}

/// The entry of the table `outbox` with further settings.
fn entry(name: &str, settings: &str) -> toml::Value {
    let text = format!(
        "tables = \"public.outbox\"\nroute_topic = \"{name}.events.$${{routedByValue}}\"\n{settings}"
    );
    toml::Value::Table(toml::from_str(&text).unwrap())
}

/// The records of a topic; none if the topic does not exist.
async fn records(topic: &str) -> Vec<RawRecord> {
    let brokers = shared().await.kafka().brokers();
    let names = topic_names(&brokers).await.unwrap();
    match names.iter().any(|name| name == topic) {
        true => read_topic(&brokers, topic).await.unwrap(),
        false => Vec::new(),
    }
}

fn text(bytes: Option<&[u8]>) -> String {
    bytes.map_or("none".to_owned(), |bytes| {
        String::from_utf8(bytes.to_vec()).unwrap()
    })
}

/// Key, value, and the headers of the event, for each record of a topic.
async fn events(topic: &str) -> Vec<String> {
    let shown = |record: &RawRecord| {
        let own = |name: &str| !name.starts_with("__debezium.") && !name.starts_with("walcast.");
        let headers = record.headers.iter().filter(|(name, _)| own(name));
        let headers: Vec<String> = headers
            .map(|(name, value)| format!("{name}={}", text(value.as_deref())))
            .collect();
        let (key, value) = (text(record.key.as_deref()), text(record.value.as_deref()));
        format!("{key} {value} {}", headers.join(","))
    };
    records(topic).await.iter().map(shown).collect()
}

/// Waits until a topic holds this many records.
async fn await_events(instance: &mut Instance, topic: &str, count: usize) {
    await_that(&format!("{count} events in {topic}"), async || {
        instance.assert_running();
        records(topic).await.len() >= count
    })
    .await;
}

#[tokio::test]
async fn rows_are_events_beside_the_changes_of_their_transaction() {
    let case = outbox("outbox_slice", "additional = [\"type:header:eventType\"]").await;
    let mut instance = Instance::start(&case.config).await;
    case.sql(
        "BEGIN; INSERT INTO items VALUES (1, 'placed'); \
         INSERT INTO outbox VALUES (1, 'order', '8471', 'Placed', '{\"n\": 1}'); \
         INSERT INTO outbox VALUES (2, 'cart', '7', 'Closed', '{}'); \
         DELETE FROM outbox WHERE id = 1; COMMIT",
    )
    .await;
    case.sql(
        "UPDATE outbox SET type = 'Renamed'; INSERT INTO outbox VALUES (3, 'order', '8471', 'Paid', NULL)",
    )
    .await;
    await_events(&mut instance, "outbox_slice.events.order", 2).await;
    instance.stop().await;
    // A restart sends nothing again.
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO outbox VALUES (4, 'order', NULL, NULL, '\"last\"')")
        .await;
    await_events(&mut instance, "outbox_slice.events.order", 3).await;
    instance.stop().await;

    assert_eq!(
        events("outbox_slice.events.order").await,
        [
            r#""8471" "{\"n\": 1}" id=1,eventType=Placed"#,
            r#""8471" null id=3,eventType=Paid"#,
            r#"null "\"last\"" id=4,eventType=none"#,
        ]
    );
    assert_eq!(
        events("outbox_slice.events.cart").await,
        [r#""7" "{}" id=2,eventType=Closed"#]
    );
    assert_eq!(records("outbox_slice.public.items").await.len(), 1);
    let names = topic_names(&shared().await.kafka().brokers()).await.unwrap();
    assert!(
        !names.contains(&"outbox_slice.public.outbox".to_owned()),
        "{names:?}"
    );
}

#[tokio::test]
async fn rows_that_exist_are_events_where_a_snapshot_reads_them() {
    let mut case = outbox("outbox_read", "").await;
    case.config = case.config.clone().set("snapshot.mode", "initial");
    case.sql("INSERT INTO outbox VALUES (1, 'order', 'a', 'Placed', '1'), (2, 'order', 'b', 'Placed', '2')")
        .await;
    let mut instance = Instance::start(&case.config).await;
    await_events(&mut instance, "outbox_read.events.order", 2).await;
    instance.stop().await;
    let mut found = events("outbox_read.events.order").await;
    found.sort();
    assert_eq!(found, [r#""a" "1" id=1"#, r#""b" "2" id=2"#]);
}

#[tokio::test]
async fn a_column_can_be_the_timestamp_of_the_record() {
    let case = outbox("outbox_time", "timestamp = \"at\"").await;
    let mut instance = Instance::start(&case.config).await;
    // Kafka removes records of long ago.
    case.sql(
        "INSERT INTO outbox VALUES (1, 'order', 'a', 'Placed', '1', NULL, now() AT TIME ZONE 'UTC' - interval '1 hour')",
    )
    .await;
    await_events(&mut instance, "outbox_time.events.order", 1).await;
    instance.stop().await;
    let millis = case
        .text("SELECT floor(extract(epoch FROM at) * 1000)::bigint FROM outbox")
        .await;
    let record = records("outbox_time.events.order").await.remove(0);
    assert_eq!(record.timestamp_ms, Some(millis.parse().unwrap()));
}

#[tokio::test]
async fn schemas_are_registered_under_the_subjects_of_each_topic() {
    let mut case = outbox("outbox_avro", "").await;
    case.config = case
        .config
        .clone()
        .set("format.key", "avro")
        .set("format.value", "avro");
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO outbox VALUES (1, 'order', 'a', 'Placed', '1'), (2, 'cart', NULL, 'Placed', NULL)")
        .await;
    await_events(&mut instance, "outbox_avro.events.order", 1).await;
    await_events(&mut instance, "outbox_avro.events.cart", 1).await;
    instance.stop().await;
    let decoder = TreeDecoder::new(&shared().await.registry().url()).unwrap();
    for topic in ["order", "cart"] {
        for (part, schema) in [
            ("key", r#"["null","string"]"#),
            (
                "value",
                r#"["null",{"type":"string","connect.version":1,"connect.name":"io.debezium.data.Json"}]"#,
            ),
        ] {
            let subject = format!("outbox_avro.events.{topic}-{part}");
            let versions = decoder.versions(&subject).await.unwrap();
            let found: Vec<&Value> = versions.iter().map(|version| &version.schema).collect();
            let expected: Value = serde_json::from_str(schema).unwrap();
            assert_eq!(found, [&expected], "{subject}");
        }
    }
    let order = records("outbox_avro.events.order").await.remove(0);
    let (key, value) = (order.key.unwrap(), order.value.unwrap());
    // The branch of the union, the length, the text.
    assert_eq!((&key[5..], &value[5..]), (&b"\x02\x02a"[..], &b"\x02\x021"[..]));
    let cart = records("outbox_avro.events.cart").await.remove(0);
    assert_eq!((cart.key, cart.value), (None, None));
}

#[tokio::test]
async fn a_bad_row_is_a_dead_letter_and_the_rest_continues() {
    let mut case = outbox("outbox_bad", "additional = [\"part:partition\"]").await;
    case.config = case.config.clone().set("dead_letters.on_error", "dead_letter");
    let mut instance = Instance::start(&case.config).await;
    case.sql(
        "INSERT INTO outbox VALUES (1, 'order', 'a', 'Placed', '1', 0), (2, NULL, 'b', 'Placed', '2', 0), \
         (3, 'not a topic', 'c', 'Placed', '3', 0), (4, 'order', 'd', 'Placed', '4', -1), \
         (5, 'order', 'e', 'Placed', '5', NULL), (6, 'order', 'f', 'Placed', '6', 7); INSERT INTO items VALUES (1, 'one')",
    )
    .await;
    await_events(&mut instance, "outbox_bad.events.order", 2).await;
    await_events(&mut instance, "outbox_bad.dead-letters", 4).await;
    await_events(&mut instance, "outbox_bad.public.items", 1).await;
    instance.stop().await;
    assert_eq!(
        events("outbox_bad.events.order").await,
        [r#""a" "1" id=1"#, r#""e" "5" id=5"#]
    );
    let mut errors = Vec::new();
    for record in records("outbox_bad.dead-letters").await {
        let letter: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        errors.push((text(&letter["after"]["id"]), text(&letter["error"])));
    }
    errors.sort();
    for (place, (id, part)) in [
        ("2", "cannot be used as the name of a topic"),
        ("3", "cannot be used as the name of a topic"),
        ("4", "cannot be used as the number of a partition"),
        (
            "6",
            "cannot be used as the number of a partition: the topic has fewer",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(errors[place].0, id);
        assert_reports(&errors[place].1, &[part]);
    }
}

#[tokio::test]
async fn an_update_halts_where_it_is_fatal() {
    let case = outbox("outbox_fatal", "on_update = \"fatal\"").await;
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO outbox VALUES (1, 'order', 'a', 'Placed', '1'); UPDATE outbox SET type = 'x'")
        .await;
    assert_eq!(instance.exit_code().await, HALTED);
    assert_reports(
        &instance.log(),
        &[
            "a row of outbox table public.outbox was updated",
            "set on_update = \"warn\"",
        ],
    );
}

/// A role that may write rows of the outbox may not write records of a table.
#[tokio::test]
async fn the_topic_of_a_table_takes_no_event() {
    let mut case = outbox("outbox_forged", "").await;
    let mut forged = entry("outbox_forged", "");
    forged.as_table_mut().unwrap().insert(
        "route_topic".to_owned(),
        "outbox_forged.public.$${routedByValue}".into(),
    );
    case.config = case.config.clone().set("outbox", vec![forged]);
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO items VALUES (1, 'one')").await;
    await_events(&mut instance, "outbox_forged.public.items", 1).await;
    case.sql("INSERT INTO outbox VALUES (1, 'items', '{\"id\": 1}', 'Forged', NULL)")
        .await;
    assert_eq!(instance.exit_code().await, HALTED);
    assert_reports(
        &instance.log(),
        &["the name of a topic: this one holds the rows of a table"],
    );
    assert_eq!(records("outbox_forged.public.items").await.len(), 1);
}

#[tokio::test]
async fn check_names_a_column_that_the_table_does_not_have() {
    let mut case = outbox("outbox_check", "").await;
    let mut instance = Instance::start(&case.config).await;
    instance.stop().await;
    let checked: Finished = case.command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:#?}");
    let wrong = entry("outbox_check", "payload = \"body\"");
    case.config = case.config.clone().set("outbox", vec![wrong]);
    let checked = case.command(&["check"]).await;
    assert_eq!(checked.code, Some(1), "{checked:#?}");
    let wanted = "column body of outbox table public.outbox does not exist";
    assert!(checked.stdout.contains(wanted), "{checked:#?}");
}
