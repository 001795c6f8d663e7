//! Tests of the record, without servers.

use std::collections::BTreeMap;
use std::env::VarError;

use expect_test::expect;
use walcast_mapper::TableName;

use super::asked::{Asked, Levels, Running};
use super::document::document;
use crate::admin::TableReport;
use crate::config::{Config, parse_for_test};

fn config(more: &str) -> Config {
    let text = format!(
        r#"
name = "shop"

[postgres]
url = "postgres://walcast:hunter2@db-1:5432,db-2:5433/shop"
{more}
"#
    );
    let no_variable = |_: &str| Err(VarError::NotPresent);
    parse_for_test(&text, &no_variable).unwrap()
}

const SERVERS: &str = r#"
[kafka]
brokers = "kafka-1:9092, kafka-2:9092"

[registry]
url = "http://registry:8081"
username = "walcast"
password = "hunter3"
"#;

#[test]
fn the_defaults_without_servers() {
    let text = document(&config(SERVERS), &Asked::offline());
    assert!(!text.contains("hunter"), "{text}");
    expect![[r##"
        # Changes of database `shop` in Kafka, by connector `shop`

        - Status: proposed
        - Date: [date]
        - Decided by: [names]

        `walcast adr` has filled this in from the configuration and from the answers of the servers; texts in square brackets are left to the authors.

        ## Context

        [Who needs the changes, what was considered instead, and why this was chosen. docs/patterns.md of walcast compares capturing tables, an outbox, and events as the source of truth.]

        ## Stores

        | store | place | role |
        |---|---|---|
        | Postgres database `shop` | `db-1:5432`, `db-2:5433` | primary: the source of truth; read through slot `walcast_shop` and publication `walcast_shop` |
        | the topics below, in Kafka | `kafka-1:9092`, `kafka-2:9092` | derived: written by the connector alone |
        | position of the connector | topic `shop.walcast-checkpoints` | written in the Kafka transaction of the records; it must not be deleted |
        | schemas | `http://registry:8081` | derived from the tables; needed to read the topics |

        ## What is derived

        | source | topic | records |
        |---|---|---|
        | tables `public.*` | `shop.<schema>.<table>` | each change of a row, keyed by the row's key |
        | messages with prefix `*` | `shop.message` | messages that `pg_logical_emit_message` wrote |

        ## Delivery

        - **Exactly once.** The records of a transaction of the database and the position behind them are in one Kafka transaction. A consumer with `isolation.level=read_committed` sees each change once, whatever crashes.
        - **Order.** The records of a partition are in commit order, and all changes of a key are in one partition. The header `walcast.id` orders records of several partitions.
        - The context that an application gives its transaction (messages `walcast.context`, `sequin:transaction_annotations.set`, `_bemi`) is in the header `walcast.context`.
        - A delete is followed by a tombstone.
        - **Changes that cannot be delivered.** The connector halts before the change; nothing is skipped.

        ## Versions of schemas

        - Keys are `avro`, values `avro` in the shape `debezium`.
        - Compatibility: [level of the registry].
        - A new version is registered before its first record.
        - A schema that the registry rejects stops delivery before the change (`on_incompatible = "halt"`).

        ## Snapshots

        - Existing rows are read at the first start, before any changes (`initial`).
        - Rows are read again on request while changes are streamed: `walcast snapshot start --tables …`. Cadence: [on request, or how often].

        ## Lag

        - Alert on lag: `max(walcast_lag_seconds{connector="shop"}) > [seconds]` for [time].
        - Alert on a standstill: `max(walcast_streaming{connector="shop"}) == 0` for [time].
        - A warning is logged when a limit of the slot is nearer than 1h.

        ## Verification

        - Job: `walcast verify --every [interval] --metrics-listen [address]`, with the alerts of examples/deploy/verify-alerts.yaml.
        - Each comparison is a certificate in the topic `shop.walcast-verifications`.
        - `walcast verify --repair` delivers rows that differ once more.

        ## Retention and replay

        - WAL is not kept for a replay: the connector cannot be rewound (`[replay] retention`).
        - A bookmark may retain 10GB of WAL.
        - Topics are created with the retention of the broker.
        - A consumer that starts later reads the topics from their beginning, as far as they are retained: [how long a rebuild may take]. `walcast replay start` sends a stored window again.

        ## State

        Not answered, and therefore not in this record:

        | asked | lacking here | reason |
        |---|---|---|
        | the checkpoint | the tables whose rows were delivered | `--offline was given` |
        | the running connector | its version, and tables that need attention | `--offline was given` |
        | the schema registry | the compatibility levels | `--offline was given` |

        ## Consequences

        - Consumers read with `isolation.level=read_committed`, and process a record idempotently by its header `walcast.id`.
        - What consumers hold is derived: it can be rebuilt from the topics, and where they lack records, from the database.
        - Reads of derived data lag behind the database; what has to see its own writes reads the database.
        - [What this makes harder, and what will be decided later.]
    "##]]
    .assert_eq(&text);
}

const MORE: &str = r#"
exclude = ["public.audit"]

[kafka]
brokers = "kafka:9092"
delivery_guarantee = "at_least_once"

[kafka.topics]
cleanup_policy = "delete"

[kafka.topics.config]
retention.ms = 604800000

[registry]
url = "http://registry:8081"
auto_register = false

[[outbox]]
tables = "public.outbox"
cleanup = "delete"

[[event_store]]
preset = "marten"
topic_by = "type"
on_violation = "halt"

[[dead_letters.rules]]
tables = "public.outbox"
on_error = "dead_letter"

[events]
transactions = true
messages = ["app.*"]

[snapshot]
mode = "never"

[replay]
retention = "1h"
retention_bytes = "10GB"

[bookmarks]
every = "1d"
keep = 3

[slot_monitor]
warn_within = "0s"
wal_disk_size = "100GB"

[admin]
listen = ""
"#;

/// Lines of a record that another one does not have.
fn difference(record: &str, other: &str) -> String {
    let lines = record.lines().filter(|line| !other.contains(line));
    lines.fold(String::new(), |all, line| all + line + "\n")
}

#[test]
fn other_settings_and_answers() {
    let table = |name: &str| TableName {
        namespace: "public".to_owned(),
        name: name.to_owned(),
    };
    let tables: Vec<TableReport> = serde_json::from_str(
        r#"[{"table": "public.a|`b`", "state": "quarantined"}, {"table": "public.orders", "state": "streaming"}]"#,
    )
    .unwrap();
    let asked = Asked {
        delivered: Some(vec![table("a|`b`"), table("orders")]),
        connector: Some(Running {
            version: "0.1.0".to_owned(),
            tables,
        }),
        levels: Some(Levels {
            of_all: Some("BACKWARD".to_owned()),
            own: BTreeMap::from([("shop.public.orders-value".to_owned(), "FULL".to_owned())]),
        }),
        unanswered: Vec::new(),
    };
    let usual = document(&config(SERVERS), &Asked::offline());
    let text = document(&config(MORE), &asked);
    expect![[r##"
        | the topics below, in Kafka | `kafka:9092` | derived: written by the connector alone |
        | `` public.a\|`b` `` | `shop.public.a__b_` | each change of a row, keyed by the row's key |
        | `public.orders` | `shop.public.orders` | each change of a row, keyed by the row's key |
        | outbox `public.outbox` | `outbox.event.${routedByValue}` of `aggregatetype` | each inserted row as an event: key `aggregateid`, value `payload`, id `id`; rows in Kafka that are older than 7d are deleted |
        | event store `*.mt_events` | `events.${type}` of the type | each event, keyed by its stream; the versions of a stream are compared (`on_violation` = `halt`) |
        | messages with prefix `app.*` | `shop.message` | messages that `pg_logical_emit_message` wrote |
        | transactions | `shop.transaction` | beginning and end of each transaction, with the number of its events |
        | changes that cannot be delivered | `shop.dead-letters` | dead letters |
        - **At least once.** A crash may repeat records; consumers drop records whose header `walcast.id` they have seen.
        - Each event names its transaction, and its place in it.
          - `public.outbox`: The change is kept as a dead letter, and the connector continues.
        - Compatibility: `BACKWARD`; `FULL` for `shop.public.orders-value`.
        - New versions are registered by others before the migration (`auto_register = false`).
        - Existing rows are not read (`never`): the topics begin with the first change.
        - There are no metrics: `[admin] listen` is not set.
        - No warning is logged when a limit of the slot is near (`warn_within = "0s"`).
        - The disk of WAL has 100GB.
        - Outboxes are not compared: their rows are events in other topics.
        - Event stores are not compared: the order of each stream is compared while it is delivered.
        - The connector can be rewound by 1h, at most 10GB of WAL.
        - A bookmark is made every 24h; 3 are kept.
        - Topics are created with `cleanup.policy=delete`, `retention.ms=604800000`.
        The connector runs with walcast 0.1.0; captured tables: 2.
        - `` public.a|`b` `` is `quarantined`.
    "##]]
    .assert_eq(&difference(&text, &usual));
}

#[test]
fn a_record_does_not_depend_on_when_it_is_written() {
    let documents = [(); 2].map(|()| document(&config(SERVERS), &Asked::offline()));
    assert_eq!(documents[0], documents[1]);
}

#[test]
fn a_connector_that_polls_has_no_slot_and_no_position() {
    let polled = "[[outbox]]\ntables = \"public.outbox\"\nsource = \"poll\"\npreset = \"published_at\"\n";
    let text = document(&config(&format!("{SERVERS}\n{polled}")), &Asked::offline());
    let usual = document(&config(SERVERS), &Asked::offline());
    expect![[r##"
        | Postgres database `shop` | `db-1:5432`, `db-2:5433` | primary: the source of truth; outboxes are read by queries, without a slot |
        | keys of the rows that each worker has sent last | topic `shop.walcast-checkpoints` | written in the Kafka transaction of the records; it must not be deleted |
        | polled outbox `public.outbox` | `outbox.events` of `type` | each row as an event: key `aggregate_id`, value `payload`, id `id`; rows in Kafka are marked by `published_at` |
        - **Exactly once.** The events and the keys of their rows are in one Kafka transaction, and the rows are marked after it. A consumer with `isolation.level=read_committed` sees each event once, whatever crashes.
        - **Order.** Events of `public.outbox` with the same key are in one partition, in the ascending order of `id`.
        - There are none: every row that is not marked as published is sent.
        - Alert on lag: `max(walcast_outbox_poll_oldest_age_seconds{connector="shop"}) > [seconds]` for [time].
        - Alert on a transaction for which rows wait: `max(walcast_outbox_poll_gate_age_seconds{connector="shop"}) > [seconds]` for [time].
        - Outboxes are not compared: their rows are events in other topics.
        - There is no position to rewind to: an event is sent again once its row is marked as unpublished.
        - Consumers read with `isolation.level=read_committed`, and process a record idempotently by its header `id`.
    "##]]
    .assert_eq(&difference(&text, &usual));
    for word in ["slot `", "walcast replay", "shop.message", "walcast verify"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}
