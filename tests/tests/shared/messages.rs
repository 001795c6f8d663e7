//! Logical decoding messages between real servers: in order, once, whatever happens to the connector.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use walcast_testbed::{Postgres, PostgresOptions, TreeDecoder, read_topic};
use walcast_tests::{Case, Instance, assert_reports, await_that, shared};

/// Contents of the messages in Kafka, each with the transaction it belongs to or none, in the order of the topic.
async fn messages(case: &Case<'_>) -> Vec<(String, bool)> {
    let servers = shared().await;
    let mut decoder = TreeDecoder::new(&servers.registry().url()).unwrap();
    let topic = format!("{}.message", case.name());
    let mut messages = Vec::new();
    for record in read_topic(&servers.kafka().brokers(), &topic).await.unwrap() {
        let value = decoder
            .decode(record.value.as_ref().unwrap())
            .await
            .unwrap()
            .value;
        let content = text_of(value["message"]["content"].as_str().unwrap());
        messages.push((content, !value["source"]["txId"].is_null()));
    }
    messages
}

/// What `\x…` stands for.
fn text_of(bytes: &str) -> String {
    let digits = bytes.strip_prefix("\\x").unwrap();
    let pairs = digits.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
    String::from_utf8(bytes.collect()).unwrap()
}

/// Each message as it is to come.
fn expected(numbers: impl IntoIterator<Item = u32>) -> Vec<(String, bool)> {
    numbers
        .into_iter()
        .map(|number| (format!("message {number}"), number % 2 == 0))
        .collect()
}

#[tokio::test]
async fn messages_come_once_and_in_order_whenever_the_connector_is_killed() {
    let case = Case::new("messages").await;
    let mut instance = Instance::start(&case.config).await;
    let client = case.client().await;
    let mut sent = 0;
    for round in 0..5 {
        for number in sent..sent + 20 {
            let transactional = number % 2 == 0;
            let emit = format!("SELECT pg_logical_emit_message({transactional}, 'app', 'message {number}')");
            client.batch_execute(&emit).await.unwrap();
        }
        // A message outside of a transaction is in the WAL on disk only when something flushes it, as a commit does.
        client
            .batch_execute(&format!("INSERT INTO items VALUES ({round}, 'flush')"))
            .await
            .unwrap();
        sent += 20;
        // Killed while it delivers, and once when nothing but messages has come since its last commit.
        let target = usize::try_from(sent).unwrap();
        if round % 2 == 0 {
            await_that("some of the messages", async || {
                messages(&case).await.len() > target - 20
            })
            .await;
        } else {
            await_that("all messages", async || messages(&case).await.len() >= target).await;
        }
        instance.kill9();
        instance.start_again();
    }
    instance.ready().await;
    case.await_ids(0..5).await;
    await_that("all messages", async || {
        messages(&case).await.len() >= usize::try_from(sent).unwrap()
    })
    .await;
    instance.stop().await;
    assert_eq!(messages(&case).await, expected(0..sent));
}

#[tokio::test]
async fn a_server_that_cannot_send_messages_is_streamed_from() {
    let postgres = Box::pin(Postgres::start(PostgresOptions::major(12)))
        .await
        .unwrap();
    let case = Case::on(&postgres, "messages_12").await;
    let mut instance = Instance::start(&case.config).await;
    case.sql("SELECT pg_logical_emit_message(true, 'app', 'unheard'); INSERT INTO items VALUES (1, 'one')")
        .await;
    case.await_ids([1]).await;
    instance.stop().await;
    assert_eq!(messages(&case).await, []);
    let checked = case.command(&["check"]).await;
    let finding = "Postgres 12 sends no logical decoding messages";
    assert_reports(&checked.stdout, &["context of transactions", finding]);
}
