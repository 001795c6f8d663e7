//! Messages as events, without a table.

use walcast_tests::Instance;

use super::{await_events, events, outbox, records};

#[tokio::test]
async fn messages_are_events_in_the_order_of_their_transaction() {
    let mut case = outbox("outbox_message", "").await;
    let entry: toml::Value = toml::Value::Table(
        toml::from_str(
            "source = \"message:events\"\nroute_topic = \"outbox_message.events.$${routedByValue}\"",
        )
        .unwrap(),
    );
    case.config = case
        .config
        .clone()
        .set("outbox", vec![entry])
        .set("dead_letters.on_error", "dead_letter");
    let mut instance = Instance::start(&case.config).await;
    let emit = |is_transactional: bool, id: &str| {
        format!(
            "SELECT pg_logical_emit_message({is_transactional}, 'events', '{{\"id\": \"{id}\", \"aggregatetype\": \"order\", \
             \"aggregateid\": \"8471\", \"payload\": {{\"n\": 1}}}}');"
        )
    };
    case.sql(&format!(
        "BEGIN; {} INSERT INTO items VALUES (1, 'placed'); \
         SELECT pg_logical_emit_message(true, 'events', 'broken'); {} COMMIT",
        emit(true, "a"),
        emit(true, "b"),
    ))
    .await;
    case.sql(&format!("BEGIN; {} ROLLBACK", emit(true, "never")))
        .await;
    case.sql(&emit(false, "alone")).await;
    case.sql("SELECT pg_logical_emit_message(false, 'events', '[]')")
        .await;
    await_events(&mut instance, "outbox_message.events.order", 3).await;
    await_events(&mut instance, "outbox_message.dead-letters", 2).await;
    instance.stop().await;
    // A restart sends nothing again.
    let mut instance = Instance::start(&case.config).await;
    case.sql(&emit(true, "last")).await;
    await_events(&mut instance, "outbox_message.events.order", 4).await;
    await_events(&mut instance, "outbox_message.public.items", 1).await;
    instance.stop().await;

    let expected = ["a", "b", "alone", "last"].map(|id| format!(r#""8471" "{{\"n\": 1}}" id={id}"#));
    assert_eq!(events("outbox_message.events.order").await, expected);
    assert_eq!(records("outbox_message.dead-letters").await.len(), 2);
    // The identity of a record says its place: before and behind the row and the broken message.
    let ordinals = async |topic: &str| {
        let ids = records(topic).await.into_iter().map(|record| {
            let mut headers = record.headers.into_iter();
            let (_, id) = headers.find(|(name, _)| name == "walcast.id").unwrap();
            String::from_utf8(id.unwrap()).unwrap()
        });
        ids.map(|id| id.rsplit('/').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ordinals("outbox_message.events.order").await[..2], ["0", "3"]);
    assert_eq!(ordinals("outbox_message.public.items").await, ["1"]);
    // Messages of an outbox are not sent as messages.
    assert_eq!(records("outbox_message.message").await.len(), 0);
}
