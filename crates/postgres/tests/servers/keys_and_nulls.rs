//! What the catalog says of keys, nulls, restrictions and slots, and what of it the stream can rely on.

use std::collections::{BTreeMap, BTreeSet};

use walcast_delivery::{
    CapturedTable, Catalog, ChangeStream, Halt, PreconditionOutcome, Restriction, Source, sql, usable_slot,
};
use walcast_mapper::TableName;
use walcast_pgoutput::{Decoder, Frame, Message};
use walcast_postgres::PostgresSource;
use walcast_testbed::{Postgres, PostgresOptions};

use crate::{LIMIT, config, relation, set_up, source, start};

fn of_public(name: &str) -> TableName {
    TableName {
        namespace: "public".to_owned(),
        name: name.to_owned(),
    }
}

/// Generated columns of keys before version 18, which no stream has.
#[tokio::test]
async fn a_key_with_a_generated_column_is_not_sent() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let sql = "CREATE TABLE part (region text, name text, code text GENERATED ALWAYS AS (upper(name)) STORED, PRIMARY KEY (region, code));
               CREATE TABLE alone (name text, code text GENERATED ALWAYS AS (upper(name)) STORED PRIMARY KEY);
               CREATE TABLE whole (name text, code text GENERATED ALWAYS AS (upper(name)) STORED PRIMARY KEY);
               ALTER TABLE whole REPLICA IDENTITY FULL;
               CREATE TABLE by_index (id int PRIMARY KEY, a int NOT NULL, b int GENERATED ALWAYS AS (a) STORED NOT NULL);
               CREATE UNIQUE INDEX by_index_a ON by_index (a, b); ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_a;
               CREATE TABLE covered (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a) STORED NOT NULL);
               CREATE UNIQUE INDEX covered_id ON covered (b, id); ALTER TABLE covered REPLICA IDENTITY USING INDEX covered_id;
               CREATE TABLE keyless (a int NOT NULL, b int GENERATED ALWAYS AS (a) STORED NOT NULL);
               CREATE UNIQUE INDEX keyless_b ON keyless (b); ALTER TABLE keyless REPLICA IDENTITY FULL;
               CREATE TABLE beside (id int PRIMARY KEY, b int GENERATED ALWAYS AS (id) STORED)";
    server.execute(sql).await.unwrap();
    let mut source = source(&server.url());
    source.acquire_leadership().await.unwrap();
    let source_state = source.inspect(None).await.unwrap();
    let unsent = |tables: &[CapturedTable]| -> Vec<String> {
        let tables = tables.iter().filter(|table| !table.is_publishable());
        tables
            .map(|table| format!("{}: {}", table.name.name, table.unsent_key_columns.join(", ")))
            .collect()
    };
    let expected = ["alone: code", "by_index: b", "part: code", "whole: code"];
    assert_eq!(unsent(&source_state.captured), expected);

    // The rows of such a table can be described, without the key.
    let relations = walcast_postgres::captured_relations(&config(&server.url()), &source_state).await;
    let keys: BTreeMap<String, (Vec<String>, Vec<String>)> = relations
        .unwrap()
        .into_iter()
        .map(|(relation, metadata)| (relation.name, (metadata.key_columns, metadata.unsent_key_columns)))
        .collect();
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(keys["part"], (texts(&["region", "code"]), texts(&["code"])));
    assert_eq!(keys["covered"], (texts(&["id"]), Vec::new()));
    assert_eq!(keys["keyless"], (Vec::new(), Vec::new()));

    let found = walcast_postgres::preconditions(&config(&server.url()))
        .await
        .unwrap();
    let of_part = found.iter().find(|one| one.name == "table public.part").unwrap();
    assert!(
        matches!(&of_part.outcome, PreconditionOutcome::Warned { found, .. } if found.starts_with("is left out: it has generated columns (code) in its key")),
        "{of_part:?}"
    );
    drop(source);
    crate::streaming::wait_until_gone(&server).await;

    let mut keyed = config(&server.url());
    keyed.keyed = vec!["public.part".parse().unwrap(), "public.whole".parse().unwrap()];
    keyed.tables = vec!["public.part".parse().unwrap(), "public.alone".parse().unwrap()];
    let found = walcast_postgres::preconditions(&keyed).await.unwrap();
    let outcome = |name: &str| &found.iter().find(|one| one.name == name).unwrap().outcome;
    assert!(matches!(
        outcome("table public.part"),
        PreconditionOutcome::Holds(_)
    ));
    assert!(matches!(
        outcome("table public.alone"),
        PreconditionOutcome::Failed { .. }
    ));
    let mut source = PostgresSource::new(keyed).unwrap();
    source.acquire_leadership().await.unwrap();
    assert_eq!(
        unsent(&source.inspect(None).await.unwrap().captured),
        ["alone: code"]
    );
}

/// From version 18 on, `attnotnull` is true from `ADD CONSTRAINT` on, also where rows have nulls.
#[tokio::test]
async fn a_not_null_constraint_counts_once_it_is_valid() {
    let server = Postgres::start(PostgresOptions::major(18)).await.unwrap();
    let sql = "CREATE TABLE users (id int PRIMARY KEY, email text, name text NOT NULL); INSERT INTO users VALUES (1, NULL, 'a');
               ALTER TABLE users ADD CONSTRAINT email_not_null NOT NULL email NOT VALID;
               CREATE TABLE late (id int, v int); INSERT INTO late VALUES (NULL, 1); CREATE UNIQUE INDEX late_id ON late (id);
               ALTER TABLE late ADD CONSTRAINT late_id_not_null NOT NULL id NOT VALID; ALTER TABLE late REPLICA IDENTITY FULL;
               CREATE TABLE parent (id int PRIMARY KEY, v int); CREATE TABLE child () INHERITS (parent);
               ALTER TABLE child ADD PRIMARY KEY (id); ALTER TABLE parent ADD CONSTRAINT v_not_null NOT NULL v NOT VALID";
    server.execute(sql).await.unwrap();
    let mut source = source(&server.url());
    let (source_state, from) = set_up(&mut source).await.unwrap();
    let mut catalog = source.start(from).await.unwrap().catalog;
    let mut nullable = async |name: &str| {
        let mut captured = source_state.captured.iter();
        let oid = captured.find(|table| table.name.name == name).unwrap().oid;
        let metadata = catalog.table_metadata(&relation(oid), None).await.unwrap();
        let columns = metadata.columns.iter().filter(|column| !column.not_null);
        let columns: Vec<String> = columns.map(|column| column.name.clone()).collect();
        (columns, metadata.key_columns.clone())
    };
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(nullable("users").await, (texts(&["email"]), texts(&["id"])));
    assert_eq!(nullable("late").await, (texts(&["id", "v"]), Vec::new()));
    assert_eq!(nullable("child").await, (texts(&["v"]), texts(&["id"])));
    server
        .execute(
            "UPDATE users SET email = 'a'; ALTER TABLE users VALIDATE CONSTRAINT email_not_null;
             DELETE FROM late; ALTER TABLE late VALIDATE CONSTRAINT late_id_not_null;
             ALTER TABLE parent VALIDATE CONSTRAINT v_not_null",
        )
        .await
        .unwrap();
    assert_eq!(nullable("users").await, (Vec::new(), texts(&["id"])));
    assert_eq!(nullable("late").await, (texts(&["v"]), texts(&["id"])));
    assert_eq!(nullable("child").await, (Vec::new(), texts(&["id"])));
}

#[tokio::test]
async fn row_filters_and_column_lists_are_known() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let sql = "CREATE TABLE a (id int PRIMARY KEY, region text, note text); CREATE TABLE b (LIKE a INCLUDING ALL);
               CREATE TABLE c (LIKE a INCLUDING ALL); CREATE TABLE d (LIKE a INCLUDING ALL);
               CREATE PUBLICATION walcast_shop FOR TABLE a WHERE (id > 7), b (id, note), c (id) WHERE (id > 7), d";
    server.execute(sql).await.unwrap();
    let mut source = source(&server.url());
    source.acquire_leadership().await.unwrap();
    let source_state = source.inspect(None).await.unwrap();
    let filter = || Some("(id > 7)".to_owned());
    let restriction = |filter, columns: Option<&[i16]>| Restriction {
        filter,
        columns: columns.map(|columns| columns.iter().copied().collect::<BTreeSet<_>>()),
    };
    let expected = BTreeMap::from([
        (of_public("a"), restriction(filter(), None)),
        (of_public("b"), restriction(None, Some(&[1, 3]))),
        (of_public("c"), restriction(filter(), Some(&[1]))),
    ]);
    assert_eq!(source_state.publication.unwrap().restricted, expected);
    // As it is printed, and without a moment in which the table is not published.
    let remove = sql::remove_restriction("walcast_shop", &of_public("a"));
    server.execute(&remove).await.unwrap();
    let publication = source.inspect(None).await.unwrap().publication.unwrap();
    assert!(!publication.restricted.contains_key(&of_public("a")));
    assert!(publication.tables.contains(&of_public("a")));
}

#[tokio::test]
async fn a_slot_with_two_phase_is_replaced_at_its_position() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    for statement in [
        "CREATE TABLE orders (id int PRIMARY KEY)",
        "SELECT pg_create_logical_replication_slot('walcast_shop', 'pgoutput', false, true)",
    ] {
        server.execute(statement).await.unwrap();
    }
    let mut source = source(&server.url());
    source.acquire_leadership().await.unwrap();
    let before = source.inspect(None).await.unwrap();
    let slot = before.slot.clone().unwrap();
    let refused = usable_slot(&before, &slot, slot.confirmed_flush_lsn.unwrap()).unwrap_err();
    assert!(matches!(refused, Halt::SlotTwoPhase { .. }), "{refused}");
    let found = walcast_postgres::preconditions(&config(&server.url()))
        .await
        .unwrap();
    let of_slot = found.iter().find(|one| one.name == "slot walcast_shop").unwrap();
    assert!(
        matches!(&of_slot.outcome, PreconditionOutcome::Failed { found, .. } if found.contains("two_phase")),
        "{of_slot:?}"
    );
    server.execute("INSERT INTO orders VALUES (1)").await.unwrap();
    let client = server.client().await.unwrap();
    client
        .batch_execute(&sql::remove_two_phase("walcast_shop"))
        .await
        .unwrap();
    let after = source.inspect(None).await.unwrap().slot.unwrap();
    assert!(!after.two_phase);
    let positions = |slot: &walcast_delivery::SlotState| (slot.restart_lsn, slot.confirmed_flush_lsn);
    assert_eq!(positions(&after), positions(&slot));
    let slots = client
        .query("SELECT FROM pg_replication_slots", &[])
        .await
        .unwrap();
    assert_eq!(slots.len(), 1);
}

/// Schemas of the Relation messages before the inserts of two rows, between which the schema is renamed.
async fn schemas_around_a_rename(major: u16) -> Vec<String> {
    let server = Postgres::start(PostgresOptions::major(major)).await.unwrap();
    server
        .execute("CREATE SCHEMA sales; CREATE TABLE sales.orders (id int PRIMARY KEY)")
        .await
        .unwrap();
    let mut config = config(&server.url());
    config.tables = vec!["*.orders".parse().unwrap()];
    let mut source = PostgresSource::new(config).unwrap();
    let mut stream = start(&mut source).await.stream;
    for statement in [
        "INSERT INTO sales.orders VALUES (1)",
        "ALTER SCHEMA sales RENAME TO crm",
        "INSERT INTO crm.orders VALUES (2)",
    ] {
        server.execute(statement).await.unwrap();
    }
    let mut decoder = Decoder::new();
    let (mut namespace, mut namespaces) = (String::new(), Vec::new());
    let reading = async {
        while namespaces.len() < 2 {
            for frame in stream.next().await.unwrap().frames() {
                let Frame::XLogData { message, .. } = frame.unwrap() else {
                    continue;
                };
                match decoder.decode(message).unwrap() {
                    Message::Relation(relation) => relation.namespace.clone_into(&mut namespace),
                    Message::Insert(_) => namespaces.push(namespace.clone()),
                    _ => {}
                }
            }
        }
        namespaces
    };
    tokio::time::timeout(LIMIT, reading).await.unwrap()
}

/// Whether the server describes a table again once its schema was renamed depends on its version.
#[tokio::test]
async fn a_renamed_schema_is_sent_with_the_next_change_or_the_next_connection() {
    assert_eq!(schemas_around_a_rename(13).await, ["sales", "sales"]);
    assert_eq!(schemas_around_a_rename(17).await, ["sales", "crm"]);
}
