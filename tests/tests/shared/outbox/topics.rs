//! Topics that Kafka refuses, and topics of tables that come later.

use serde_json::Value;
use walcast_tests::{Instance, assert_reports, await_that};

use super::{await_events, events, outbox, records};

/// A topic with a dot collides with one that has an underscore in its place.
#[tokio::test]
async fn a_topic_that_kafka_refuses_is_a_dead_letter() {
    let mut case = outbox("outbox_refused", "").await;
    case.config = case.config.clone().set("dead_letters.on_error", "dead_letter");
    let mut instance = Instance::start(&case.config).await;
    case.sql(
        "INSERT INTO outbox VALUES (1, 'a.b', 'k', 't', '1'), (2, 'a_b', 'k', 't', '2'), (3, 'a.b', 'k', 't', '3'); \
         INSERT INTO items VALUES (1, 'one')",
    )
    .await;
    await_events(&mut instance, "outbox_refused.public.items", 1).await;
    await_events(&mut instance, "outbox_refused.dead-letters", 1).await;
    instance.stop().await;
    assert_eq!(
        events("outbox_refused.events.a.b").await,
        [r#""k" "1" id=1"#, r#""k" "3" id=3"#]
    );
    let letters = records("outbox_refused.dead-letters").await;
    assert_eq!(letters.len(), 1);
    let letter: Value = serde_json::from_slice(letters[0].value.as_deref().unwrap()).unwrap();
    assert_eq!(
        (&letter["reason"], &letter["after"]["id"]),
        (&"topic".into(), &"2".into())
    );
    assert_reports(
        letter["error"].as_str().unwrap(),
        &["topic outbox_refused.events.a_b cannot be created"],
    );
}

#[tokio::test]
async fn a_table_whose_topic_holds_events_is_left_out() {
    let mut case = outbox("outbox_later", "").await;
    let mut entry = super::entry("outbox_later", "");
    entry.as_table_mut().unwrap().insert(
        "route_topic".to_owned(),
        "outbox_later.public.$${routedByValue}".into(),
    );
    case.config = case
        .config
        .clone()
        .set("outbox", vec![entry])
        .set("postgres.slot_check_interval", "200ms");
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO outbox VALUES (1, 'cart', 'k', 't', '1')")
        .await;
    await_events(&mut instance, "outbox_later.public.cart", 1).await;
    case.sql("CREATE TABLE cart (id int PRIMARY KEY); INSERT INTO cart VALUES (1)")
        .await;
    await_that("the finding", async || {
        let drift = instance.status().await["publication_drift"].to_string();
        drift.contains("rows of public.cart would be written to topic outbox_later.public.cart")
    })
    .await;
    case.sql("INSERT INTO items VALUES (1, 'one'); INSERT INTO outbox VALUES (2, 'cart', 'k', 't', '2')")
        .await;
    await_events(&mut instance, "outbox_later.public.cart", 2).await;
    await_events(&mut instance, "outbox_later.public.items", 1).await;
    instance.stop().await;
    assert_eq!(
        events("outbox_later.public.cart").await,
        [r#""k" "1" id=1"#, r#""k" "2" id=2"#]
    );
}
