//! Existing rows on real servers: all of them once, then the changes; and continued after whatever comes in between.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod captured_later;
mod many_tables;
mod on_demand;
mod renamed;
mod standby;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tokio::sync::oneshot;
use walcast_testbed::{
    Decoder, Payload, RawRecord, Record, StopMode, TestbedOptions, read_topic, wait_until,
};
use walcast_tests::{Case, Instance, LIMIT, World, await_that, run, seed, shared};

/// A case that reads existing rows.
async fn case(name: &str) -> Case<'static> {
    let mut case = Case::new(name).await;
    case.config = case.config.set("snapshot.mode", "initial");
    case
}

async fn raw(case: &Case<'_>, table: &str) -> Vec<RawRecord> {
    let topic = format!("{}.public.{table}", case.name());
    read_topic(&shared().await.kafka().brokers(), &topic)
        .await
        .unwrap()
}

/// The records of a table's topic.
async fn records(case: &Case<'_>, table: &str) -> Vec<Record> {
    let mut decoder = Decoder::new(&shared().await.registry().url()).unwrap();
    decoder.decode_all(&raw(case, table).await).await.unwrap()
}

/// Operation, mark and row.
fn summary(record: &Record) -> String {
    let Payload::Change(change) = &record.payload else {
        return "tombstone".to_owned();
    };
    let json = record.to_json();
    let row = if change.op == "d" { "before" } else { "after" };
    let mark = change.source["snapshot"].to_text().unwrap();
    format!("{} {mark} {}", change.op, json["value"][row])
}

fn is_read(record: &Record) -> bool {
    matches!(&record.payload, Payload::Change(change) if change.op == "r")
}

/// Waits for the end of the snapshot; what the connector said is shown when that does not come.
async fn await_rows_read(case: &Case<'_>, instance: &mut Instance) {
    let read = wait_until("the end of the snapshot", LIMIT, async || {
        instance.assert_running();
        Ok(case.checkpoint().await.get("snapshot").is_none())
    });
    if let Err(error) = read.await {
        panic!("{error}\n{}", instance.log_end());
    }
}

/// Identities of the rows that were read: the table's number and the place. None may be there twice.
fn read_places(records: &[RawRecord]) -> Vec<String> {
    let ids = records.iter().filter_map(|record| {
        let (_, id) = record.headers.iter().find(|(name, _)| name == "walcast.id")?;
        let id = String::from_utf8(id.clone()?).unwrap();
        id.ends_with(')')
            .then(|| id.splitn(3, '/').nth(2).unwrap().to_owned())
    });
    ids.collect()
}

/// What the topic leaves of a table with key `id`: the last value of each key.
fn rebuilt(records: &[Record]) -> BTreeMap<i64, Value> {
    let mut rows = BTreeMap::new();
    for record in records {
        let id: i64 = record.key.as_ref().unwrap()["id"]
            .to_text()
            .unwrap()
            .parse()
            .unwrap();
        match &record.payload {
            Payload::Tombstone => {}
            Payload::Change(change) if change.op == "d" => drop(rows.remove(&id)),
            Payload::Change(_) => drop(rows.insert(id, record.to_json()["value"]["after"].clone())),
        }
    }
    rows
}

/// The same of the table itself, with a column `note`.
async fn rows(case: &Case<'_>, table: &str) -> BTreeMap<i64, Value> {
    let sql = format!("SELECT id::int8, note FROM {table}");
    let rows = case.client().await.query(&sql, &[]).await.unwrap();
    let row = |row: &tokio_postgres::Row| {
        let (id, note): (i64, Option<String>) = (row.get(0), row.get(1));
        (id, serde_json::json!({ "id": id, "note": note }))
    };
    rows.iter().map(row).collect()
}

#[tokio::test]
async fn rows_come_with_their_marks_and_then_the_changes() {
    let case = case("rows_first").await;
    case.sql(
        "CREATE TABLE lone (id int PRIMARY KEY, note text);
         CREATE TABLE empty (id int PRIMARY KEY);
         INSERT INTO lone VALUES (1, E'tab\\tline\\nback\\\\slash \\\\N');",
    )
    .await;
    case.insert([1, 2, 3]).await;
    let mut instance = Instance::start(&case.config).await;
    case.await_ids([1, 2, 3]).await;
    case.insert([4]).await;
    case.await_ids([4]).await;
    await_rows_read(&case, &mut instance).await;
    instance.stop().await;
    let items: Vec<String> = records(&case, "items").await.iter().map(summary).collect();
    assert_eq!(
        items,
        [
            r#"r first_in_data_collection {"id":1,"note":"note 1"}"#,
            r#"r true {"id":2,"note":"note 2"}"#,
            r#"r last_in_data_collection {"id":3,"note":"note 3"}"#,
            r#"c false {"id":4,"note":"note 4"}"#,
        ]
    );
    let lone: Vec<String> = records(&case, "lone").await.iter().map(summary).collect();
    assert_eq!(lone, [r#"r last {"id":1,"note":"tab\tline\nback\\slash \\N"}"#]);
    let log = instance.log();
    assert!(log.contains("snapshot complete"), "{log}");
    // It is read once, and not at the next start.
    case.deliver([5]).await;
    assert_eq!(records(&case, "items").await.len(), 5);
}

/// One row of each of many types.
const EVERY_TYPE: &str = r#"
    CREATE TYPE mood AS ENUM ('glad', 'sad "and" \');
    CREATE DOMAIN price AS numeric(8, 2);
    CREATE TABLE kinds (
        id int PRIMARY KEY, a smallint, b bigint, c numeric(20, 5), d numeric, e real, f double precision, g boolean,
        h text, i varchar(9), j char(5), k bytea, l uuid, m json, n jsonb, o date, p time, q timetz, r timestamp,
        s timestamptz, t interval, u money, v mood, w price, x int[], y text[], z inet,
        aa cidr, ab macaddr, ac int4range, ad tstzrange, ae xml, af tsvector, ag bit(3), ah varbit, ai point, aj oid,
        ak name, al timestamptz[], am mood[], an numeric(5, 1)[], "Odd ""name""" text,
        ao int GENERATED ALWAYS AS (id * 2) STORED
    )"#;

const ONE_OF_EACH: &str = r#"
    SET timezone = 'America/New_York'; SET datestyle = 'German'; SET extra_float_digits = 0;
    INSERT INTO kinds SELECT n, 1, 2, 1.5, 12345678901234567890.123, 0.1, 1e-300, true,
        E'line\n\ttab \\ \\N', 'v', 'c', '\x00ff5c', '6f1c7a86-5f5c-4a39-9d1c-0d4a6a7a2d11', '{"a": [1, null]}', '{"b": "\\"}',
        '2024-02-29', '24:00', '12:34:56.789+02', '2024-02-29 12:34:56.123456', '2024-07-01 12:00:00', '1 year 2 days 03:04:05.6',
        12.34, 'sad "and" \', 9.99, '{1,NULL,3}', ARRAY['a', NULL, 'q"\,{}'], '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03',
        '[1,5)', '[2024-01-01,)', '<a>b</a>', 'fat & cat'::text::tsvector, B'101', B'10101', '(1.5,-2)', 42, 'a name',
        ARRAY['2024-07-01 12:00:00'::timestamptz], '{glad}', '{1.5,2.5}', 'odd' FROM generate_series(1, 3) n;
    INSERT INTO kinds (id) VALUES (4)"#;

#[tokio::test]
async fn a_row_that_is_read_is_the_row_that_was_streamed() {
    let streaming = Case::new("kinds_streamed").await;
    streaming.sql(EVERY_TYPE).await;
    let mut instance = Instance::start(&streaming.config).await;
    streaming.sql(ONE_OF_EACH).await;
    await_that("the rows streamed", async || {
        instance.assert_running();
        raw(&streaming, "kinds").await.len() == 4
    })
    .await;
    instance.stop().await;

    let reading = case("kinds_read").await;
    reading.sql(EVERY_TYPE).await;
    reading.sql(ONE_OF_EACH).await;
    let mut instance = Instance::start(&reading.config).await;
    await_that("the rows read", async || {
        instance.assert_running();
        raw(&reading, "kinds").await.len() == 4
    })
    .await;
    instance.stop().await;

    let after = |records: Vec<Record>| -> Vec<Value> {
        records
            .iter()
            .map(|record| record.to_json()["value"]["after"].clone())
            .collect()
    };
    let (streamed, read) = (
        records(&streaming, "kinds").await,
        records(&reading, "kinds").await,
    );
    assert!(read.iter().all(is_read) && !streamed.iter().any(is_read));
    assert_eq!(after(read), after(streamed));
}

#[tokio::test]
async fn partitions_are_read_as_their_root() {
    let case = case("rows_of_partitions").await;
    case.sql(
        "CREATE TABLE days (id int, note text, day int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
         CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM (0) TO (10);
         CREATE TABLE days_2 (day int NOT NULL, note text, id int NOT NULL);
         ALTER TABLE days ATTACH PARTITION days_2 FOR VALUES FROM (10) TO (20);
         INSERT INTO days SELECT n, 'n', n FROM generate_series(0, 19) n",
    )
    .await;
    let mut instance = Instance::start(&case.config).await;
    await_rows_read(&case, &mut instance).await;
    instance.stop().await;
    let found = records(&case, "days").await;
    let ids: BTreeSet<String> = found
        .iter()
        .map(|record| record.key.as_ref().unwrap()["id"].to_text().unwrap())
        .collect();
    assert_eq!((found.len(), ids.len()), (20, 20));
    assert!(raw(&case, "days_1").await.is_empty());
}

#[tokio::test]
async fn a_connector_that_only_reads_ends_and_rows_can_be_chosen() {
    let mut case = case("rows_only").await;
    case.insert(1..=9).await;
    case.sql("CREATE TABLE other (id int PRIMARY KEY, note text); INSERT INTO other VALUES (1, 'x')")
        .await;
    let filter: toml::Table = toml::from_str("tables = 'public.items'\nwhere = 'id % 3 = 0'").unwrap();
    case.config = case
        .config
        .set("snapshot.mode", "initial_only")
        .set("snapshot.tables", vec!["public.items".to_owned()])
        .set(
            "snapshot.filters",
            toml::Value::Array(vec![toml::Value::Table(filter)]),
        );
    let ended = case.run_to_end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    case.await_ids([3, 6, 9]).await; // Acknowledged before the end of the transaction is in the topic.
    assert_eq!(case.ids().await, [3, 6, 9]);
    assert!(raw(&case, "other").await.is_empty());
}

#[tokio::test]
async fn reports_the_privileges_that_a_role_lacks_for_reading() {
    let mut case = case("rows_refused").await;
    case.insert([1]).await;
    case.sql(
        "CREATE ROLE follower LOGIN REPLICATION PASSWORD 'follower';
         CREATE PUBLICATION walcast_rows_refused FOR TABLE items",
    )
    .await;
    let url = case.postgres.url_for("follower", "follower", "rows_refused");
    case.config = case.config.set("postgres.url", url);
    let checked = case.command(&["check"]).await;
    assert_eq!(checked.code, Some(1), "{checked:#?}");
    let wanted = "GRANT SELECT ON public.items TO follower";
    assert!(checked.stdout.contains(wanted), "{}", checked.stdout);
    let ended = case.run_to_end().await;
    assert_ne!(ended.code, Some(0));
    assert!(ended.stderr.contains(wanted), "{}", ended.stderr);
    let slots =
        case.text("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'walcast_rows_refused'");
    assert_eq!(slots.await, "0", "nothing is left of a start that failed");
    case.sql("GRANT SELECT ON items TO follower").await;
    let mut instance = Instance::start(&case.config).await;
    case.await_ids([1]).await;
    instance.stop().await;
}

/// Tables with a key, without one, and in partitions, that are written to.
async fn busy(name: &str, rows: u32) -> Case<'static> {
    let case = case(name).await;
    case.sql(&format!(
        "CREATE TABLE keyed (id int PRIMARY KEY, note text);
         CREATE TABLE keyless (id int, note text);
         ALTER TABLE keyless REPLICA IDENTITY FULL;
         CREATE TABLE parts (id int PRIMARY KEY, note text) PARTITION BY HASH (id);
         CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE parts_2 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         INSERT INTO keyed SELECT n, 'first ' || repeat('x', n % 300) FROM generate_series(1, {rows}) n;
         INSERT INTO keyless SELECT n, 'first' FROM generate_series(1, {rows}) n;
         INSERT INTO parts SELECT n, 'first' FROM generate_series(1, {rows}) n",
    ))
    .await;
    case
}

/// Writes to all three until it is stopped.
fn write(case: &Case<'static>, rows: u32, seed: u64) -> (oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let (stop, mut stopped) = oneshot::channel::<()>();
    let (postgres, name) = (case.postgres, case.name().to_owned());
    let writing = tokio::spawn(async move {
        let client = postgres.client_of(&name).await.unwrap();
        let mut random = StdRng::seed_from_u64(seed);
        let mut next = rows;
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => return,
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
            let id = random.random_range(1..=rows);
            next += 1;
            let sql = match random.random_range(0..4) {
                0 => format!("DELETE FROM keyed WHERE id = {id}; DELETE FROM parts WHERE id = {id}"),
                1 => format!(
                    "INSERT INTO keyed VALUES ({next}, 'new'); INSERT INTO parts VALUES ({next}, 'new'); \
                              INSERT INTO keyless VALUES ({next}, 'new')"
                ),
                2 => format!(
                    "UPDATE keyed SET id = -{next} WHERE id = {id}; UPDATE keyless SET note = 'moved' WHERE id = {id}"
                ),
                _ => format!(
                    "UPDATE keyed SET note = 'changed {next}' WHERE id = {id}; UPDATE parts SET note = 'changed' WHERE id = {id}"
                ),
            };
            client.batch_execute(&sql).await.unwrap();
        }
    });
    (stop, writing)
}

/// Everything is there: rows once, changes after them, and the last record of each key is its newest state.
async fn verify(case: &Case<'_>) {
    for table in ["keyed", "parts"] {
        let there = rows(case, table).await;
        await_that("all rows in Kafka", async || {
            rebuilt(&records(case, table).await) == there
        })
        .await;
    }
    for table in ["keyed", "keyless", "parts"] {
        let places = read_places(&raw(case, table).await);
        let distinct: BTreeSet<&String> = places.iter().collect();
        assert_eq!(distinct.len(), places.len(), "rows of {table} were read twice");
    }
    let keyless = records(case, "keyless").await;
    let in_topic: BTreeSet<String> = keyless
        .iter()
        .filter_map(|record| match &record.payload {
            Payload::Change(change) => change.after.as_ref().map(|row| row["id"].to_text().unwrap()),
            Payload::Tombstone => None,
        })
        .collect();
    let there = rows(case, "keyless").await;
    assert!(
        there.keys().all(|id| in_topic.contains(&id.to_string())),
        "rows of keyless are missing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sigkill_at_random_points_of_a_snapshot_costs_no_row_and_doubles_none() {
    const ROWS: u32 = 12_000;
    const KILLS: u32 = 8;
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let mut case = busy("rows_killed", ROWS).await;
    case.config = case
        .config
        .set("snapshot.rows_per_second", 1500) // Longer than all kills take, also where this test stands still.
        .set("snapshot.hold_max", "1s");
    let (stop, writing) = write(&case, ROWS, seed);
    let mut instance = Instance::spawn(&case.config);
    // Every other kill comes while rows are read, however long a start takes here.
    let tables_begun = |instance: &Instance| instance.log().matches("reading rows").count();
    let mut begun = 0;
    for kill in 0..KILLS {
        if kill % 2 == 0 {
            await_that("rows being read", async || tables_begun(&instance) > begun).await;
        }
        let delay = random.random_range(if kill % 2 == 0 { 0..1000 } else { 200..2500 });
        tokio::time::sleep(Duration::from_millis(delay)).await;
        instance.kill9();
        begun = tables_begun(&instance);
        instance.start_again();
    }
    await_rows_read(&case, &mut instance).await;
    stop.send(()).unwrap();
    writing.await.unwrap();
    verify(&case).await;
    instance.stop().await;
    // A later snapshot is taken only where reading was cut off between the first row and the last.
    let log = instance.log();
    assert!(log.contains("snapshot taken"), "no kill came in between");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_altered_emptied_or_dropped_meanwhile_are_read_as_they_are_then() {
    const ROWS: u32 = 4000;
    let mut case = busy("rows_altered", ROWS).await;
    case.sql(
        "CREATE TABLE zz_altered (id int PRIMARY KEY, note text);
         INSERT INTO zz_altered SELECT n, n::text FROM generate_series(1, 500) n;
         CREATE TABLE zz_dropped (id int PRIMARY KEY); INSERT INTO zz_dropped VALUES (1);
         CREATE TABLE zz_emptied (id int PRIMARY KEY, note text); INSERT INTO zz_emptied VALUES (1, 'x')",
    )
    .await;
    case.config = case
        .config
        .set("snapshot.rows_per_second", 1000) // Ten seconds until the tables that are altered.
        .set("snapshot.hold_max", "1s");
    let mut instance = Instance::start(&case.config).await;
    await_that("the first rows", async || !raw(&case, "keyed").await.is_empty()).await;
    case.sql(
        "ALTER TABLE zz_altered ALTER COLUMN id TYPE bigint, ADD COLUMN more text DEFAULT 'm';
         DROP TABLE zz_dropped;
         TRUNCATE zz_emptied;
         INSERT INTO zz_emptied VALUES (2, 'y')",
    )
    .await;
    await_rows_read(&case, &mut instance).await;
    verify(&case).await;
    instance.stop().await;
    let altered = records(&case, "zz_altered").await;
    assert_eq!(altered.len(), 500);
    assert!(
        altered
            .iter()
            .all(|record| record.to_json()["value"]["after"]["more"] == "m")
    );
    assert!(raw(&case, "zz_dropped").await.is_empty());
    let emptied = rebuilt(&records(&case, "zz_emptied").await);
    assert_eq!(emptied.keys().copied().collect::<Vec<_>>(), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_restart_while_rows_are_read_cost_no_row() {
    const ROWS: i64 = 15_000;
    let mut world = World::alone("rows_restart", TestbedOptions::default()).await;
    let fill = format!(
        "CREATE TABLE items (id int PRIMARY KEY, note text);
         INSERT INTO items SELECT n, 'first' FROM generate_series(1, {ROWS}) n"
    );
    world.postgres.execute(&fill).await.unwrap();
    let config = world
        .config()
        .set("snapshot.mode", "initial")
        .set("snapshot.rows_per_second", 1000) // A quarter of a minute, for two slow restarts.
        .set("snapshot.hold_max", "2s")
        .set("retry.backoff_max", "1000ms");
    let mut instance = Instance::start(&config).await;
    let (brokers, topic) = (world.kafka().brokers(), world.topic("public.items"));
    let read = async || {
        read_topic(&brokers, &topic)
            .await
            .map_or(0, |records| records.len())
    };
    await_that("the first rows", async || read().await > 100).await;
    world.postgres.restart(StopMode::Immediate).await.unwrap();
    let change =
        "UPDATE items SET note = 'changed' WHERE id % 1000 = 0; DELETE FROM items WHERE id % 1000 = 1";
    world.postgres.execute(change).await.unwrap();
    let before = read().await;
    await_that("further rows", async || read().await > before + 100).await;
    world.kafka_mut().restart().await.unwrap();
    await_that("the end of the snapshot", async || {
        instance.assert_running();
        let shown = run(&config, &["checkpoint", "show", "--json"]).await;
        let checkpoint: Value = serde_json::from_str(&shown.stdout).unwrap_or_default();
        checkpoint["state"] == "streaming" && checkpoint.get("snapshot").is_none()
    })
    .await;
    world
        .postgres
        .execute("INSERT INTO items VALUES (0, 'last')")
        .await
        .unwrap();
    let mut decoder = Decoder::new(&world.registry().url()).unwrap();
    let mut raw = Vec::new();
    await_that("the last row", async || {
        raw = read_topic(&brokers, &topic).await.unwrap();
        let Some(last) = raw.last() else { return false };
        let key = decoder.decode(last).await.unwrap().key.unwrap();
        key["id"].to_text().as_deref() == Some("0")
    })
    .await;
    let places = read_places(&raw);
    let distinct: BTreeSet<&String> = places.iter().collect();
    assert_eq!(distinct.len(), places.len(), "rows were read twice");
    let there = rebuilt(&decoder.decode_all(&raw).await.unwrap());
    let expected = (0..=ROWS).filter(|id| id % 1000 != 1).map(|id| {
        let note = match id {
            0 => "last",
            id if id % 1000 == 0 => "changed",
            _ => "first",
        };
        (id, serde_json::json!({ "id": id, "note": note }))
    });
    assert_eq!(there, expected.collect());
    instance.stop().await;
}
