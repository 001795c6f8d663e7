//! Rows that are older than the catalog: columns, types, labels, keys and tables that were dropped or renamed before the rows
//! were read are sent as they were when the rows were written.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use walcast_testbed::{Decoder, Postgres, PostgresOptions, RawRecord, read_topic};
use walcast_tests::{Case, Instance, assert_reports, await_that, shared};

use crate::schema_changes::{await_rows, rows};

/// Records of a topic, once it has so many.
async fn records(topic: &str, count: usize) -> Vec<RawRecord> {
    let brokers = shared().await.kafka().brokers();
    await_that(&format!("{count} records in {topic}"), async || {
        read_topic(&brokers, topic).await.unwrap().len() >= count
    })
    .await;
    read_topic(&brokers, topic).await.unwrap()
}

/// ID of the schema in the prefix of a serialized key or value.
fn schema_id(bytes: Option<&[u8]>) -> u32 {
    let prefix = bytes.unwrap().get(1..5).unwrap();
    u32::from_be_bytes(prefix.try_into().unwrap())
}

async fn run_until(case: &Case<'_>, topic: &str, expected: &[&str]) {
    let mut instance = Instance::start(&case.config).await;
    await_rows(topic, expected).await;
    instance.stop().await;
}

const ITEMS: &str = "CREATE EXTENSION hstore; CREATE DOMAIN price AS numeric(12,2);
     CREATE TABLE goods (id int PRIMARY KEY, attrs hstore, cost price NOT NULL, note text)";

/// A column of an extension type or a domain was dropped: its rows have the schema of the rows before.
#[tokio::test]
async fn a_dropped_column_keeps_its_type() {
    let case = Case::new("dropped_column").await;
    case.sql(ITEMS).await;
    let topic = "dropped_column.public.goods";
    let first = r#"{"attrs":"{\"a\":\"1\"}","cost":"1.50","id":1,"note":"before"}"#;
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO goods VALUES (1, 'a=>1', 1.50, 'before')")
        .await;
    await_rows(topic, &[first]).await;
    instance.stop().await;
    case.sql("INSERT INTO goods VALUES (2, 'b=>2', 2.50, 'while stopped')")
        .await;
    case.sql("ALTER TABLE goods DROP COLUMN attrs, DROP COLUMN cost")
        .await;
    case.sql("INSERT INTO goods VALUES (3, 'after')").await;
    let expected = [
        first,
        r#"{"attrs":"{\"b\":\"2\"}","cost":"2.50","id":2,"note":"while stopped"}"#,
        r#"{"id":3,"note":"after"}"#,
    ];
    run_until(&case, topic, &expected).await;
    let values: Vec<u32> = records(topic, 3)
        .await
        .iter()
        .map(|record| schema_id(record.value.as_deref()))
        .collect();
    assert_eq!(values[0], values[1], "the schema of the row before");
    assert_ne!(values[1], values[2]);
}

/// The same in one transaction of a connector that streams, where the table was never delivered before.
#[tokio::test]
async fn a_column_dropped_in_the_transaction_of_its_rows_keeps_its_type() {
    let case = Case::new("dropped_at_once").await;
    case.sql(ITEMS).await;
    let mut instance = Instance::start(&case.config).await;
    case.sql(
        "BEGIN; INSERT INTO goods VALUES (2, 'b=>2', 2.50, 'x'); ALTER TABLE goods DROP COLUMN attrs, DROP COLUMN cost; COMMIT",
    )
    .await;
    let expected = r#"{"attrs":"{\"b\":\"2\"}","cost":"2.50","id":2,"note":"x"}"#;
    await_rows("dropped_at_once.public.goods", &[expected]).await;
    instance.stop().await;
}

/// Changes that are delivered again have the bytes of the first time, whatever the table is now.
#[tokio::test]
async fn replayed_rows_have_the_schemas_of_the_first_time() {
    let mut case = Case::new("same_bytes").await;
    case.config = case.config.clone().set("replay.retention", "1h");
    case.sql(ITEMS).await;
    let topic = "same_bytes.public.goods";
    let mut instance = Instance::start(&case.config).await;
    instance.stop().await;
    let start = case.position().await;
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO goods VALUES (1, 'a=>1', 1.50, 'one')")
        .await;
    records(topic, 1).await;
    case.sql("ALTER TABLE goods DROP COLUMN attrs, ALTER COLUMN cost DROP NOT NULL")
        .await;
    case.sql("INSERT INTO goods VALUES (2, 2.50, 'two')").await;
    let first = records(topic, 2).await;
    case.sql("ALTER TABLE goods DROP COLUMN cost").await;
    case.sql("INSERT INTO goods VALUES (3, 'three')").await;
    records(topic, 3).await;
    instance.stop().await;
    let set = case.command(&["checkpoint", "set", &start]).await;
    assert_eq!(set.code, Some(0), "{}", set.stderr);
    let mut instance = Instance::start(&case.config).await;
    let all = records(topic, 6).await;
    instance.stop().await;
    for (before, again) in first.iter().zip(&all[3..]) {
        assert_eq!(
            schema_id(before.value.as_deref()),
            schema_id(again.value.as_deref()),
            "the same schema"
        );
    }
}

/// Labels are sent as they were when the row was written, also when the enum has them no more.
#[tokio::test]
async fn a_renamed_label_is_sent_as_it_was_written() {
    let case = Case::new("renamed_label").await;
    case.sql(
        "CREATE TYPE status AS ENUM ('new', 'payed', 'sent');
         CREATE TABLE orders (id int PRIMARY KEY, st status, hist status[])",
    )
    .await;
    let topic = "renamed_label.public.orders";
    let first = r#"{"hist":"Array([String(\"new\")])","id":1,"st":"new"}"#;
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO orders VALUES (1, 'new', '{new}')").await;
    await_rows(topic, &[first]).await;
    instance.stop().await;
    case.sql("INSERT INTO orders VALUES (2, 'payed', '{new,payed}')")
        .await;
    case.sql("ALTER TYPE status RENAME VALUE 'payed' TO 'paid'").await;
    case.sql("INSERT INTO orders VALUES (3, 'paid', '{paid}')").await;
    let expected = [
        first,
        r#"{"hist":"Array([String(\"new\"), String(\"payed\")])","id":2,"st":"payed"}"#,
        r#"{"hist":"Array([String(\"paid\")])","id":3,"st":"paid"}"#,
    ];
    run_until(&case, topic, &expected).await;
}

/// Keys of dropped tables are those that were delivered before.
#[tokio::test]
async fn a_dropped_table_keeps_its_keys() {
    let case = Case::new("dropped_table").await;
    case.sql(
        "CREATE DOMAIN order_no AS bigint;
         CREATE TABLE a (id int PRIMARY KEY, v text); ALTER TABLE a REPLICA IDENTITY FULL;
         CREATE TABLE b (id order_no PRIMARY KEY, v text)",
    )
    .await;
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO a VALUES (1, 'x'); INSERT INTO b VALUES (1, 'x')")
        .await;
    let (a, b) = ("dropped_table.public.a", "dropped_table.public.b");
    records(a, 1).await;
    records(b, 1).await;
    instance.stop().await;
    case.sql(
        "INSERT INTO a VALUES (2, 'y'); UPDATE a SET v = 'z' WHERE id = 2; DELETE FROM a WHERE id = 1;
         INSERT INTO b VALUES (2, 'y'); DROP TABLE a, b",
    )
    .await;
    let mut instance = Instance::start(&case.config).await;
    for (topic, count) in [(a, 5), (b, 2)] {
        let keys: Vec<u32> = records(topic, count)
            .await
            .iter()
            .map(|record| schema_id(record.key.as_deref()))
            .collect();
        assert!(keys.iter().all(|key| *key == keys[0]), "{topic}: {keys:?}");
    }
    instance.stop().await;
}

/// A key that is not known any more is not guessed; a configured key resolves the halt.
#[tokio::test]
async fn an_unknown_key_halts_until_it_is_configured() {
    let mut case = Case::new("lost_key").await;
    case.sql("CREATE PUBLICATION walcast_lost_key FOR ALL TABLES")
        .await;
    case.deliver([1]).await;
    case.sql("CREATE TABLE a (id int PRIMARY KEY, v text); ALTER TABLE a REPLICA IDENTITY FULL")
        .await;
    case.sql("INSERT INTO a VALUES (1, 'x')").await;
    case.sql("DROP TABLE a").await;
    let why = case.halts_once_it_streams().await;
    assert_reports(&why, &["the key of public.a is not known"]);
    let key = toml::toml! { tables = "public.a" columns = ["id"] };
    case.config = case.config.clone().set("keys", vec![toml::Value::Table(key)]);
    run_until(&case, "lost_key.public.a", &[r#"{"id":1,"v":"x"}"#]).await;
    assert_eq!(rows("lost_key.public.a").await.len(), 1);
}

/// Before version 18 the stream has no generated column, so that the other columns of such a key would be the key of several rows.
#[tokio::test]
async fn a_key_that_is_not_sent_is_never_sent_in_part() {
    let mut case = Case::new("unsent_key").await;
    case.sql(
        "CREATE TABLE place (region text, name text, code text GENERATED ALWAYS AS (upper(name)) STORED, PRIMARY KEY (region, code));
         INSERT INTO place VALUES ('eu', 'rome'), ('eu', 'oslo')",
    )
    .await;
    case.config = case.config.set("snapshot.mode", "initial");
    let checked = case.command(&["check"]).await;
    let key = "has generated columns (code) in its key, which the server does not send";
    assert_reports(&checked.stdout, &["table public.place", "is left out", key]);
    case.deliver([1]).await;
    let topic = "unsent_key.public.place";
    assert!(rows(topic).await.is_empty(), "the table is left out");

    // A table that is named is promised: nothing begins without it.
    let named = case
        .config
        .clone()
        .set("postgres.tables", vec!["public.items", "public.place"]);
    let mut promised = Case::new("unsent_promised").await;
    promised
        .sql("CREATE TABLE place (name text, code text GENERATED ALWAYS AS (upper(name)) STORED PRIMARY KEY)")
        .await;
    promised.config = promised
        .config
        .set("postgres.tables", vec!["public.items", "public.place"]);
    let why = promised.halts().await;
    assert_reports(
        &why,
        &[
            "the key of table public.place contains generated columns (code)",
            "[[keys]]",
        ],
    );
    assert!(!promised.is_set_up().await);

    let keys = toml::toml! { tables = "public.place" columns = ["region", "name"] };
    case.config = named.set("keys", vec![toml::Value::Table(keys)]);
    case.sql("ALTER TABLE place REPLICA IDENTITY FULL").await;
    let mut instance = Instance::start(&case.config).await;
    await_that("the existing rows", async || rows(topic).await.len() == 2).await;
    case.sql("INSERT INTO place VALUES ('eu', 'bern')").await;
    case.sql("DELETE FROM place WHERE name = 'rome'").await;
    let records = records(topic, 5).await;
    let mut decoder = Decoder::new(&shared().await.registry().url()).unwrap();
    let mut keys = Vec::new();
    for record in &records {
        keys.push(decoder.decode(record).await.unwrap().to_json()["key"].to_string());
    }
    let key = |name: &str| format!(r#"{{"name":"{name}","region":"eu"}}"#);
    assert_eq!(
        keys,
        [key("rome"), key("oslo"), key("bern"), key("rome"), key("rome")]
    );
    instance.stop().await;
}

/// Version 18 takes a column for NOT NULL although rows have nulls, until the constraint is valid.
#[tokio::test]
async fn a_not_null_constraint_that_is_not_valid_hides_no_null() {
    let postgres = Postgres::start(PostgresOptions::major(18)).await.unwrap();
    let mut case = Case::on(&postgres, "not_valid").await;
    case.config = case.config.set("snapshot.mode", "initial");
    case.sql(
        "CREATE TABLE users (id int PRIMARY KEY, email text); INSERT INTO users VALUES (1, NULL), (2, 'b');
         ALTER TABLE users ADD CONSTRAINT email_not_null NOT NULL email NOT VALID",
    )
    .await;
    let mut instance = Instance::start(&case.config).await;
    let topic = "not_valid.public.users";
    let read = [r#"{"email":null,"id":1}"#, r#"{"email":"b","id":2}"#];
    await_rows(topic, &read).await;
    case.sql("UPDATE users SET email = 'a' WHERE id = 1").await;
    // The catalog is read with the first change.
    await_rows(topic, &[&read[..], &[r#"{"email":"a","id":1}"#]].concat()).await;
    case.sql("ALTER TABLE users VALIDATE CONSTRAINT email_not_null")
        .await;
    case.sql("INSERT INTO users VALUES (3, 'c')").await;
    let changed = [r#"{"email":"a","id":1}"#, r#"{"email":"c","id":3}"#];
    await_rows(topic, &[read, changed].concat()).await;
    let values: Vec<u32> = records(topic, 4)
        .await
        .iter()
        .map(|record| schema_id(record.value.as_deref()))
        .collect();
    assert_eq!(values[0], values[2], "email can be null");
    assert_ne!(values[2], values[3], "email cannot be null");
    instance.stop().await;
}
