//! Outboxes that are polled, on a server without logical WAL.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tokio::sync::OnceCell;
use walcast_testbed::{Postgres, PostgresOptions, RawRecord, read_topic, topic_names};
use walcast_tests::{Case, Instance, await_that, shared};

/// A server whose `wal_level` is `replica`: no slot and no publication can be used.
async fn server() -> &'static Postgres {
    static SERVER: OnceCell<Postgres> = OnceCell::const_new();
    let options = PostgresOptions::default()
        .with_setting("wal_level", "replica")
        .with_setting("max_prepared_transactions", "5");
    let start = async || Box::pin(Postgres::start(options)).await.unwrap();
    SERVER.get_or_init(start).await
}

/// A case with the table `outbox_events`, whose events are polled in JSON.
async fn polled(name: &str, settings: &str) -> Case<'static> {
    let mut case = Case::on(server().await, name).await;
    case.sql(
        "CREATE TABLE outbox_events (id bigserial PRIMARY KEY, type text NOT NULL, aggregate_id text, payload jsonb, \
         created_at timestamptz NOT NULL DEFAULT clock_timestamp(), published_at timestamptz); \
         CREATE INDEX ON outbox_events (id) WHERE published_at IS NULL",
    )
    .await;
    let entry = format!(
        "tables = \"public.outbox_events\"\nsource = \"poll\"\npreset = \"published_at\"\nroute_topic = \"{name}.events\"\n{settings}"
    );
    case.config = in_json(&case, vec![toml::Value::Table(toml::from_str(&entry).unwrap())]);
    case
}

fn in_json(case: &Case<'_>, outboxes: Vec<toml::Value>) -> walcast_testbed::ConnectorConfig {
    case.config
        .clone()
        .set("format.key", "json")
        .set("format.value", "json")
        .set("kafka.topics.partitions", 1)
        .set("outbox", outboxes)
}

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

fn header(record: &RawRecord, wanted: &str) -> String {
    let mut headers = record.headers.iter();
    let found = headers.find(|(name, _)| name == wanted);
    text(found.and_then(|(_, value)| value.as_deref()))
}

/// Ids of the events of each key, in their order.
async fn ids_by_key(topic: &str) -> BTreeMap<String, Vec<i64>> {
    let mut ids: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for record in records(topic).await {
        let id = header(&record, "id").parse().unwrap();
        ids.entry(text(record.key.as_deref())).or_default().push(id);
    }
    ids
}

async fn await_published(case: &Case<'_>, instance: &mut Instance) {
    await_that("every row is marked", async || {
        instance.assert_running();
        case.holds("SELECT count(*) = 0 FROM outbox_events WHERE published_at IS NULL")
            .await
    })
    .await;
}

/// Inserts rows of few keys in transactions that overlap: some roll back, some have savepoints.
async fn write(case: &Case<'_>, writer: u32, ends: &AtomicBool) {
    let client = case.client().await;
    for number in 0.. {
        if ends.load(Ordering::Relaxed) {
            return;
        }
        let key = (writer + number % 11 * number) % 7;
        let insert = format!(
            "INSERT INTO outbox_events (type, aggregate_id, payload) VALUES ('Placed', 'key {key}', '{{\"n\": {number}}}')"
        );
        let end = if number % 9 == 8 { "ROLLBACK" } else { "COMMIT" };
        let sql = format!(
            "BEGIN; {insert}; SAVEPOINT s; {insert}; SELECT pg_sleep(random() / 20); {insert}; {end}"
        );
        client.batch_execute(&sql).await.unwrap();
    }
}

/// Events are sent by four workers while writers continue and the process is killed. Each is sent once, and those of a key in the order of
/// the rows.
#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_sent_once_and_in_the_order_of_its_key() {
    let case = polled(
        "poll_order",
        "poll = { workers = 4, batch_rows = 25, interval = \"20ms\", notify = \"outbox events\" }",
    )
    .await;
    case.sql(
        "CREATE FUNCTION wake() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_notify('outbox events', ''); RETURN NULL; END$$; \
         CREATE TRIGGER wake AFTER INSERT ON outbox_events FOR EACH STATEMENT EXECUTE FUNCTION wake()",
    )
    .await;
    let mut instance = Instance::start(&case.config).await;
    let ends = AtomicBool::new(false);
    let killing = async {
        let mut sent = 0;
        for _ in 0..5 {
            await_that("further rows are marked", async || {
                let count = case.text("SELECT count(*) FROM outbox_events WHERE published_at IS NOT NULL");
                let count: u64 = count.await.parse().unwrap();
                count >= sent + 20
            })
            .await;
            instance.kill9();
            let count = case.text("SELECT count(*) FROM outbox_events WHERE published_at IS NOT NULL");
            sent = count.await.parse().unwrap();
            instance.start_again();
        }
        ends.store(true, Ordering::Relaxed);
    };
    let writing = async {
        tokio::join!(
            write(&case, 0, &ends),
            write(&case, 1, &ends),
            write(&case, 2, &ends),
            write(&case, 3, &ends)
        )
    };
    tokio::join!(killing, writing);
    instance.ready().await;
    await_published(&case, &mut instance).await;
    instance.stop().await;

    let found = ids_by_key("poll_order.events").await;
    for (key, ids) in &found {
        assert!(ids.is_sorted_by(|one, next| one < next), "{key}: {ids:?}");
    }
    let found: BTreeSet<i64> = found.into_values().flatten().collect();
    let all = case
        .text("SELECT string_agg(id::text, ',') FROM outbox_events")
        .await;
    let all: BTreeSet<i64> = all.split(',').map(|id| id.parse().unwrap()).collect();
    assert_eq!(found, all);
    assert_eq!(case.text("SELECT count(*) FROM pg_replication_slots").await, "0");
    assert_eq!(case.text("SELECT count(*) FROM pg_publication").await, "0");
}

/// Rows wait for a transaction that wrote before them and still runs, also after it was prepared. The transaction is named.
#[tokio::test(flavor = "multi_thread")]
async fn later_rows_wait_for_a_transaction_that_writes() {
    let case = polled("poll_gate", "poll = { workers = 2, interval = \"20ms\" }").await;
    let mut instance = Instance::start(&case.config).await;
    let holder = case.client().await;
    let insert =
        |key: &str| format!("INSERT INTO outbox_events (type, aggregate_id) VALUES ('Placed', '{key}')");
    holder
        .batch_execute(&format!(
            "SET application_name = 'slow batch'; BEGIN; {}",
            insert("a")
        ))
        .await
        .unwrap();
    let pid: i32 = holder
        .query_one("SELECT pg_backend_pid()", &[])
        .await
        .unwrap()
        .get(0);
    case.sql(&insert("a")).await;
    case.sql(&insert("b")).await;
    await_that("the transaction is named", async || {
        instance.assert_running();
        let status = instance.status().await;
        let outbox = &status["polled_outboxes"][0];
        outbox["pending"] == 2 && outbox["gate"]["pid"] == pid
    })
    .await;
    let status = instance.status().await;
    let gate = &status["polled_outboxes"][0]["gate"];
    assert_eq!(gate["application_name"], "slow batch", "{gate:#}");
    assert!(
        gate["xid"].is_string() && gate["age_seconds"].is_number(),
        "{gate:#}"
    );
    let metrics = instance.page("metrics").await;
    let series = metrics
        .lines()
        .find(|line| line.starts_with("walcast_outbox_poll_gate_age_seconds{"));
    assert!(
        series.is_some_and(|line| line.contains("public.outbox_events")),
        "{metrics}"
    );
    let checked = case.command(&["check", "--json"]).await;
    let findings: Value = serde_json::from_str(&checked.stdout).unwrap();
    let mut findings = findings.as_array().unwrap().iter();
    let warned = findings.any(|finding| {
        let detail = finding["detail"].as_str().unwrap();
        finding["warning"] == true
            && detail.contains(&format!("process {pid} "))
            && detail.contains("slow batch")
    });
    assert!(warned, "{}", checked.stdout);
    assert_eq!(ids_by_key("poll_gate.events").await, BTreeMap::new());

    holder
        .batch_execute("PREPARE TRANSACTION 'poll_gate'")
        .await
        .unwrap();
    case.sql(&insert("a")).await;
    await_that("the prepared transaction holds the rows", async || {
        instance.assert_running();
        let status = instance.status().await;
        let outbox = &status["polled_outboxes"][0];
        outbox["pending"] == 3 && outbox["gate"].is_object() && outbox["gate"]["pid"].is_null()
    })
    .await;
    assert_eq!(ids_by_key("poll_gate.events").await, BTreeMap::new());
    case.sql("COMMIT PREPARED 'poll_gate'").await;
    await_published(&case, &mut instance).await;
    instance.stop().await;
    let expected = [
        (r#""a""#.to_owned(), vec![1, 2, 4]),
        (r#""b""#.to_owned(), vec![3]),
    ];
    assert_eq!(ids_by_key("poll_gate.events").await, BTreeMap::from(expected));
}

/// A process ends after Kafka's commit and before that of Postgres: the next one marks the rows, and sends nothing again. Another row under
/// the primary key of one that was sent is sent.
#[tokio::test(flavor = "multi_thread")]
async fn rows_whose_events_are_in_kafka_are_marked_and_not_sent_again() {
    let case = polled("poll_marks", "poll = { workers = 3, interval = \"20ms\" }").await;
    case.sql(
        "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NEW; END$$; \
         CREATE TRIGGER hold BEFORE UPDATE ON outbox_events FOR EACH ROW EXECUTE FUNCTION hold(); \
         INSERT INTO outbox_events (type, aggregate_id) SELECT 'Placed', 'key ' || n % 5 FROM generate_series(1, 40) n",
    )
    .await;
    let holder = case.client().await;
    holder.batch_execute("SELECT pg_advisory_lock(42)").await.unwrap();
    let mut instance = Instance::spawn(&case.config);
    await_that("40 events in Kafka", async || {
        records("poll_marks.events").await.len() >= 40
    })
    .await;
    assert!(
        case.holds("SELECT count(*) = 40 FROM outbox_events WHERE published_at IS NULL")
            .await
    );
    instance.kill9();
    holder
        .batch_execute("SELECT pg_advisory_unlock(42)")
        .await
        .unwrap();
    case.sql(
        "DELETE FROM outbox_events WHERE id = 40; \
         INSERT INTO outbox_events (id, type, aggregate_id, payload) VALUES (40, 'Placed', 'key 0', '\"another\"')",
    )
    .await;
    instance.start_again();
    instance.ready().await;
    await_published(&case, &mut instance).await;
    case.sql("INSERT INTO outbox_events (type, aggregate_id) VALUES ('Placed', 'key 1')")
        .await;
    await_published(&case, &mut instance).await;
    instance.stop().await;
    let mut ids: Vec<i64> = ids_by_key("poll_marks.events")
        .await
        .into_values()
        .flatten()
        .collect();
    ids.sort_unstable();
    let expected: Vec<i64> = (1..=40).chain([40, 41]).collect();
    assert_eq!(ids, expected);
}

/// Tables of other relays are polled by their presets, in one connector.
#[tokio::test(flavor = "multi_thread")]
async fn layouts_of_other_relays_are_presets() {
    let mut case = Case::on(server().await, "poll_presets").await;
    case.sql(
        "CREATE TABLE debezium (id bigint PRIMARY KEY, aggregatetype text, aggregateid text, type text, payload jsonb); \
         CREATE TABLE quarkus (id uuid PRIMARY KEY, aggregatetype varchar(255) NOT NULL, aggregateid varchar(255) NOT NULL, \
             type varchar(255) NOT NULL, timestamp timestamp NOT NULL, payload varchar(8000), tracingspancontext varchar(256)); \
         CREATE TABLE flagged (id bigint PRIMARY KEY, type text, aggregate_id text, payload text, \
             created_at timestamptz NOT NULL DEFAULT now(), published boolean NOT NULL DEFAULT false); \
         CREATE TABLE event_publication (id uuid PRIMARY KEY, listener_id text NOT NULL, event_type text NOT NULL, \
             serialized_event text NOT NULL, publication_date timestamptz NOT NULL, completion_date timestamptz); \
         CREATE TABLE open_outbox (event_id uuid PRIMARY KEY, event_type text NOT NULL, partition_key text, payload bytea NOT NULL, \
             headers jsonb, status text NOT NULL DEFAULT 'PENDING', attempts int NOT NULL DEFAULT 0, delivered_at timestamptz, \
             created_at timestamptz NOT NULL DEFAULT now())",
    )
    .await;
    let presets = [
        ("debezium", "debezium"),
        ("quarkus", "quarkus"),
        ("flagged", "published_flag"),
        ("event_publication", "spring_modulith"),
        ("open_outbox", "open_outbox"),
    ];
    let entry = |(table, preset): (&str, &str)| {
        let topic = format!("poll_presets.{table}");
        let text = format!(
            "tables = \"public.{table}\"\nsource = \"poll\"\npreset = \"{preset}\"\nroute_topic = \"{topic}\"\npoll.workers = 1"
        );
        toml::Value::Table(toml::from_str(&text).unwrap())
    };
    case.config = in_json(&case, presets.map(entry).to_vec());
    case.sql(
        "INSERT INTO debezium VALUES (1, 'order', 'a', 'Placed', '{\"n\": 1}'); \
         INSERT INTO quarkus VALUES ('6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11', 'order', 'a', 'Placed', now(), '{}'); \
         INSERT INTO flagged VALUES (1, 'Placed', 'a', 'text'); \
         INSERT INTO event_publication VALUES ('6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c12', 'mailer', 'com.acme.Orders$OrderPlaced', '{}', now()); \
         INSERT INTO open_outbox (event_id, event_type, partition_key, payload, headers) \
             VALUES ('6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c13', 'Placed', 'a', 'x', '{\"h\": 1}')",
    )
    .await;
    let mut instance = Instance::start(&case.config).await;
    await_that("rows are deleted or marked", async || {
        instance.assert_running();
        case.holds(
            "SELECT NOT EXISTS (SELECT FROM debezium) AND NOT EXISTS (SELECT FROM quarkus) \
             AND (SELECT published FROM flagged) AND (SELECT completion_date IS NOT NULL FROM event_publication) \
             AND (SELECT status = 'DELIVERED' AND delivered_at IS NOT NULL FROM open_outbox)",
        )
        .await
    })
    .await;
    instance.stop().await;
    for (topic, key, value, headers) in [
        (
            "debezium",
            r#""a""#,
            r#""{\"n\": 1}""#,
            vec![("id", "1"), ("eventType", "Placed")],
        ),
        (
            "quarkus",
            r#""a""#,
            r#""{}""#,
            vec![
                ("id", "6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11"),
                ("eventType", "Placed"),
            ],
        ),
        (
            "flagged",
            r#""a""#,
            r#""text""#,
            vec![("id", "1"), ("eventType", "Placed")],
        ),
        (
            "event_publication",
            r#""6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c12""#,
            r#""{}""#,
            vec![
                ("eventType", "com.acme.Orders$OrderPlaced"),
                ("listenerId", "mailer"),
            ],
        ),
        (
            "open_outbox",
            r#""a""#,
            r#""eA==""#,
            vec![("eventType", "Placed"), ("headers", r#"{"h": 1}"#)],
        ),
    ] {
        let found = records(&format!("poll_presets.{topic}")).await;
        let [record] = found.as_slice() else {
            panic!("{topic}: {} records", found.len());
        };
        assert_eq!(text(record.key.as_deref()), key, "{topic}");
        assert_eq!(text(record.value.as_deref()), value, "{topic}");
        for (name, value) in headers {
            assert_eq!(header(record, name), value, "{topic}: {name}");
        }
    }
}

/// A row from which no event can be made is a dead letter and is marked; the rest continues. A role with the printed privileges suffices.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_row_is_a_dead_letter_of_a_role_without_replication() {
    let mut case = polled("poll_bad", "poll = { workers = 1, interval = \"20ms\" }").await;
    case.sql(
        "CREATE ROLE poll_bad LOGIN; GRANT USAGE ON SCHEMA public TO poll_bad; \
         ALTER TABLE outbox_events ALTER COLUMN id TYPE text, ALTER COLUMN id DROP DEFAULT, ADD COLUMN part int",
    )
    .await;
    let entry = "tables = \"public.outbox_events\"\nsource = \"poll\"\npreset = \"published_at\"\nroute_topic = \"poll_bad.events\"\n\
                 additional = [\"part:partition\"]\npoll = { workers = 1, interval = \"20ms\", order_by = [\"created_at\", \"id\"] }";
    case.config = in_json(&case, vec![toml::Value::Table(toml::from_str(entry).unwrap())])
        .set("dead_letters.on_error", "dead_letter")
        .set(
            "postgres.url",
            case.postgres.url_for("poll_bad", "poll_bad", "poll_bad"),
        );
    let script = case.command(&["check", "--sql"]).await;
    assert_eq!(script.code, Some(0), "{}", script.stderr);
    assert!(
        script
            .stdout
            .contains("GRANT SELECT, UPDATE ON \"public\".\"outbox_events\" TO poll_bad;"),
        "{}",
        script.stdout
    );
    case.sql(&script.stdout).await;
    let refused = case.command(&["checkpoint", "show"]).await;
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    case.sql(
        "INSERT INTO outbox_events (id, type, aggregate_id, part) VALUES ('1', 'Placed', 'a', 0), ('2', 'Placed', 'a', -1), ('3', 'Placed', 'a', 0)",
    )
    .await;
    let mut instance = Instance::start(&case.config).await;
    await_published(&case, &mut instance).await;
    instance.stop().await;
    let ids = ids_by_key("poll_bad.events").await;
    assert_eq!(ids, BTreeMap::from([(r#""a""#.to_owned(), vec![1, 3])]));
    let letters = records("poll_bad.dead-letters").await;
    assert_eq!(letters.len(), 1);
    let letter: Value = serde_json::from_slice(letters[0].value.as_deref().unwrap()).unwrap();
    assert_eq!(letter["after"]["id"], "2", "{letter:#}");
}

/// The rows of tables that inherit from an outbox are not covered by its primary key, nor their writers by its lock.
#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_from_which_tables_inherit_is_rejected() {
    let case = polled("poll_children", "").await;
    case.sql("CREATE TABLE outbox_archive () INHERITS (outbox_events)")
        .await;
    let refused = case.command(&["run"]).await;
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("from which other tables inherit"),
        "{}",
        refused.stderr
    );
}

/// A table that takes the place of an outbox is distinguished from it by its OID, by which the gate and the marks of a start find their table.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_takes_the_place_of_an_outbox_is_polled() {
    let case = polled("poll_replaced", "poll = { workers = 2, interval = \"20ms\" }").await;
    let insert = "INSERT INTO outbox_events (type, aggregate_id) VALUES ('Placed', 'a')";
    case.sql(insert).await;
    let mut instance = Instance::start(&case.config).await;
    await_published(&case, &mut instance).await;
    case.sql(
        "BEGIN; ALTER TABLE outbox_events RENAME TO outbox_before; CREATE TABLE outbox_events (LIKE outbox_before INCLUDING ALL); COMMIT",
    )
    .await;
    case.sql(insert).await;
    await_published(&case, &mut instance).await;
    let metrics = instance.page("metrics").await;
    let mut lines = metrics.lines();
    let reconnects = lines.find(|line| line.starts_with("walcast_reconnects_total{"));
    assert!(reconnects.is_some_and(|line| !line.ends_with(" 0")), "{metrics}");
    instance.stop().await;
    let expected = BTreeMap::from([(r#""a""#.to_owned(), vec![1, 2])]);
    assert_eq!(ids_by_key("poll_replaced.events").await, expected);
}
