//! Texts of databases with other encodings than UTF8, on the oldest and the newest version.

use tokio::time::timeout;
use tokio_postgres::Client;
use walcast_delivery::{
    BoxedPortError, Catalog, ChangeStream, ChosenRows, Detail, Opened, Snapshot, Source, Started,
};
use walcast_mapper::config::OutboxRule;
use walcast_mapper::{TableName, TypeKind};
use walcast_pgoutput::{Decoder, Frame, Message, Relation};
use walcast_postgres::{PostgresSnapshot, polled_tables};
use walcast_testbed::{Postgres, PostgresOptions};

use crate::{LIMIT, config, set_up, source, start};

const TABLE: &str = "CREATE TABLE orders (id int PRIMARY KEY, note text)";

/// A server, a client of its database with this encoding, and the URL of the database.
async fn database(major: u16, encoding: &str) -> (Postgres, Client, String) {
    let server = Postgres::start(PostgresOptions::major(major)).await.unwrap();
    let create =
        format!("CREATE DATABASE texts TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'");
    let client = server.client_of("postgres").await.unwrap();
    client.batch_execute(&create).await.unwrap();
    let client = server.client_of("texts").await.unwrap();
    client.batch_execute(TABLE).await.unwrap();
    let url = server.url_for("postgres", "postgres", "texts");
    (server, client, url)
}

/// The rows of the table, as they are copied.
async fn copied(url: &str) -> Vec<u8> {
    let mut snapshot = PostgresSnapshot::read_only(config(url)).await.unwrap();
    let orders = TableName {
        namespace: "public".to_owned(),
        name: "orders".to_owned(),
    };
    let opened = snapshot.open(&orders, None, None, ChosenRows::Configured).await;
    assert!(matches!(opened.unwrap(), Opened::Table(_)));
    let mut lines = Vec::new();
    while let Some(rows) = snapshot.next().await.unwrap() {
        lines.extend(rows.lines);
    }
    lines
}

/// So many rows that the next transactions insert.
async fn inserted(stream: &mut impl ChangeStream, count: usize) -> Result<Vec<String>, BoxedPortError> {
    let mut decoder = Decoder::new();
    let mut rows = Vec::new();
    let reading = async {
        loop {
            for frame in stream.next().await?.frames() {
                let Frame::XLogData { message, .. } = frame.unwrap() else {
                    continue;
                };
                match decoder.decode(message).unwrap() {
                    Message::Insert(insert) => rows.push(format!("{:?}", insert.new)),
                    Message::Commit(_) if rows.len() >= count => return Ok::<(), BoxedPortError>(()),
                    _ => {}
                }
            }
        }
    };
    let read: Result<(), BoxedPortError> = timeout(LIMIT, reading).await.expect("no insert arrived");
    read.map(|()| rows)
}

async fn texts_without_equivalent_are_kept(major: u16) {
    let (_server, client, url) = database(major, "WIN1252").await;
    client
        .batch_execute("INSERT INTO orders VALUES (1, 'é'), (2, convert_from('\\x81', 'WIN1252'))")
        .await
        .unwrap();
    assert_eq!(copied(&url).await, b"(0,1)\t1\t\xC3\xA9\n(0,2)\t2\t\\B\x81\n");

    let mut source = source(&url);
    let (_, from) = set_up(&mut source).await.unwrap();
    let Started { mut stream, .. } = source.start(from).await.unwrap();
    client
        .batch_execute("INSERT INTO orders VALUES (3, '€')")
        .await
        .unwrap();
    let converted = [r#"[Text("3"), Text("€")]"#];
    assert_eq!(inserted(&mut stream, 1).await.unwrap(), converted);
    client
        .batch_execute("INSERT INTO orders VALUES (4, convert_from('\\xc381', 'WIN1252'))")
        .await
        .unwrap();
    let error = inserted(&mut stream, 1).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(error.to_string().contains("from WIN1252 to UTF-8"), "{error}");
    drop(stream);

    // Nothing was confirmed, so that both transactions come again.
    let Started { mut stream, .. } = source.start(from).await.unwrap();
    assert_eq!(
        inserted(&mut stream, 2).await.unwrap(),
        [converted[0], r#"[Text("4"), Binary(b"\xc3\x81")]"#]
    );
}

/// Both describe the table with the same names, so that its rows have one schema.
async fn names_without_equivalent_are_read(major: u16) {
    let (_server, client, url) = database(major, "WIN1252").await;
    client
        .batch_execute(
            "DROP TABLE orders;
             DO $$ BEGIN
                 EXECUTE format('CREATE TYPE mood AS ENUM (''gut'', %L, ''müde'')', convert_from('\\x6d81', 'WIN1252'));
                 EXECUTE format('CREATE TABLE orders (id int PRIMARY KEY, %I mood, größe text)', convert_from('\\x6ec381', 'WIN1252'));
             END $$;
             INSERT INTO orders VALUES (1, 'gut')",
        )
        .await
        .unwrap();
    let mut snapshot = PostgresSnapshot::read_only(config(&url)).await.unwrap();
    let orders = TableName {
        namespace: "public".to_owned(),
        name: "orders".to_owned(),
    };
    let opened = snapshot.open(&orders, None, None, ChosenRows::Configured).await;
    let Opened::Table(table) = opened.unwrap() else {
        panic!("the table is not read");
    };
    let names: Vec<&str> = table
        .relation
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(names, ["id", "n\u{FFFD}\u{FFFD}", "größe"]);
    assert_eq!(table.facts.key_columns, ["id"]);
    let labels = table.facts.types.values().find_map(|one| match &one.kind {
        TypeKind::Enum { labels } => Some(labels.clone()),
        _ => None,
    });
    assert_eq!(labels.unwrap(), ["gut", "m\u{FFFD}", "müde"]);
    let rows = snapshot.next().await.unwrap().unwrap();
    assert_eq!(rows.lines, b"(0,1)\t1\tgut\t\\N\n");

    let mut source = source(&url);
    let (_, from) = set_up(&mut source).await.unwrap();
    let Started { mut stream, .. } = source.start(from).await.unwrap();
    client
        .batch_execute("INSERT INTO orders VALUES (2, 'gut', 'é')")
        .await
        .unwrap();
    // The server ends the stream at the description of the table.
    let error = inserted(&mut stream, 1).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    drop(stream);
    let Started {
        mut stream,
        mut catalog,
        ..
    } = source.start(from).await.unwrap();
    let relation = first_relation(&mut stream).await;
    assert_eq!(relation.columns, table.relation.columns);
    let metadata = catalog.table_metadata(&relation, None).await.unwrap();
    assert_eq!(metadata, table.facts);
}

/// A table of which only some columns are published, and then a partition: a statement would have to contain the name.
#[tokio::test]
async fn rows_that_need_an_unreadable_name_are_denied() {
    let (_server, client, url) = database(18, "WIN1252").await;
    client
        .batch_execute(
            "DO $$ BEGIN
                 EXECUTE format('ALTER TABLE orders ADD %I text', convert_from('\\x6ec381', 'WIN1252'));
             END $$;
             CREATE PUBLICATION walcast_shop FOR TABLE orders;
             ALTER TABLE orders ADD twice int GENERATED ALWAYS AS (2 * id) STORED;
             INSERT INTO orders VALUES (1)",
        )
        .await
        .unwrap();
    let orders = TableName {
        namespace: "public".to_owned(),
        name: "orders".to_owned(),
    };
    let open = async || {
        let mut snapshot = PostgresSnapshot::read_only(config(&url)).await.unwrap();
        let opened = snapshot.open(&orders, None, None, ChosenRows::Configured).await;
        opened.map(|opened| matches!(opened, Opened::Table(_)))
    };
    for name in ["the name of column n\\xc3\\x81", "the name of partition public.p"] {
        let error = open().await.unwrap_err();
        assert!(error.detail() == Some(Detail::RowsDenied), "{error}");
        let text = error.to_string();
        assert!(text.contains(name), "{text}");
        let (_, rename) = text.split_once("rename it: ").unwrap();
        client.batch_execute(rename).await.unwrap();
        assert!(open().await.unwrap(), "{name}");
        client
            .batch_execute(
                "DROP TABLE orders; CREATE TABLE orders (id int PRIMARY KEY) PARTITION BY RANGE (id);
                 DO $$ BEGIN
                     EXECUTE format('CREATE TABLE %I PARTITION OF orders DEFAULT', convert_from('\\x70c381', 'WIN1252'));
                 END $$",
            )
            .await
            .unwrap();
    }
}

/// Outboxes are found in a transaction, which an error of the server would end, and not in a pattern's tables that cannot be named.
#[tokio::test]
async fn outboxes_beside_a_table_that_cannot_be_named_are_found() {
    let (_server, client, url) = database(18, "WIN1252").await;
    client
        .batch_execute(
            "DROP TABLE orders;
             CREATE TABLE outbox (id int PRIMARY KEY, aggregatetype text, key text, payload text, published_at timestamptz);
             DO $$ BEGIN
                 EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY)', convert_from('\\x70c381', 'WIN1252'));
             END $$",
        )
        .await
        .unwrap();
    let rule = serde_json::json!({"source": "poll", "tables": "public.*", "key": "key"});
    let rule: OutboxRule = serde_json::from_value(rule).unwrap();
    let found = polled_tables(&config(&url), &[rule]).await.unwrap();
    let names: Vec<String> = found.iter().map(|table| table.name().to_string()).collect();
    assert_eq!(names, ["public.outbox"]);
}

/// Description of the first table that the stream describes.
async fn first_relation(stream: &mut impl ChangeStream) -> Relation {
    let mut decoder = Decoder::new();
    let reading = async {
        loop {
            for frame in stream.next().await.unwrap().frames() {
                let Frame::XLogData { message, .. } = frame.unwrap() else {
                    continue;
                };
                if let Message::Relation(relation) = decoder.decode(message).unwrap() {
                    return relation;
                }
            }
        }
    };
    timeout(LIMIT, reading).await.expect("no table was described")
}

async fn bytes_of_unknown_encoding_are_kept(major: u16) {
    let (_server, client, url) = database(major, "SQL_ASCII").await;
    client
        .batch_execute("INSERT INTO orders VALUES (1, 'é'), (2, convert_from('\\xe9', 'SQL_ASCII'))")
        .await
        .unwrap();
    assert_eq!(copied(&url).await, b"(0,1)\t1\t\xC3\xA9\n(0,2)\t2\t\xE9\n");

    let mut source = source(&url);
    let Started { mut stream, .. } = start(&mut source).await;
    client
        .batch_execute("INSERT INTO orders VALUES (3, 'é'), (4, convert_from('\\xe9', 'SQL_ASCII'))")
        .await
        .unwrap();
    assert_eq!(
        inserted(&mut stream, 2).await.unwrap(),
        [r#"[Text("3"), Text("é")]"#, r#"[Text("4"), Text(b"\xe9")]"#]
    );
}

#[tokio::test]
async fn texts_without_equivalent_are_kept_on_12() {
    texts_without_equivalent_are_kept(12).await;
}

#[tokio::test]
async fn texts_without_equivalent_are_kept_on_18() {
    texts_without_equivalent_are_kept(18).await;
}

#[tokio::test]
async fn names_without_equivalent_are_read_on_12() {
    names_without_equivalent_are_read(12).await;
}

#[tokio::test]
async fn names_without_equivalent_are_read_on_18() {
    names_without_equivalent_are_read(18).await;
}

#[tokio::test]
async fn bytes_of_unknown_encoding_are_kept_on_12() {
    bytes_of_unknown_encoding_are_kept(12).await;
}

#[tokio::test]
async fn bytes_of_unknown_encoding_are_kept_on_18() {
    bytes_of_unknown_encoding_are_kept(18).await;
}
