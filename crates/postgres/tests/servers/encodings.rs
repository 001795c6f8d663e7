//! Texts of databases with other encodings than UTF8, on the oldest and the newest version.

use tokio::time::timeout;
use tokio_postgres::Client;
use walcast_delivery::{BoxedPortError, ChangeStream, ChosenRows, Opened, Snapshot, Source, Started};
use walcast_mapper::TableName;
use walcast_pgoutput::{Decoder, Frame, Message};
use walcast_postgres::PostgresSnapshot;
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
async fn bytes_of_unknown_encoding_are_kept_on_12() {
    bytes_of_unknown_encoding_are_kept(12).await;
}

#[tokio::test]
async fn bytes_of_unknown_encoding_are_kept_on_18() {
    bytes_of_unknown_encoding_are_kept(18).await;
}
