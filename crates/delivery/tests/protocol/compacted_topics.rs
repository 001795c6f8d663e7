//! Compacted topics take no record without a key: neither the event of a truncation nor the record of a table without a key.

use expect_test::expect;
use walcast_delivery::OnError;
use walcast_mapper::config::Operation;

use crate::fakes::{
    Change, KafkaCall, LoggedChange, World, delivered_ids, insert, truncate, verify, verify_so_far,
};

const ORDERS: &str = "shop.public.orders";

/// A world in which the topic of `orders` is compacted and truncations produce events.
fn world() -> World {
    let mut world = World::set_up();
    world.mapper.events.operations.push(Operation::Truncate);
    world
        .kafka
        .edit(|broker| broker.compacted.insert(ORDERS.to_owned()));
    world
}

fn with_dead_letters(mut world: World, undeliverable: fn(&LoggedChange) -> bool) -> World {
    world.config.dead_letters.on_error = OnError::DeadLetter;
    world.undeliverable = undeliverable;
    world
}

fn is_truncation_of_orders(logged: &LoggedChange) -> bool {
    matches!(logged.change, Change::Truncate) && is_of_orders(logged)
}

fn is_of_orders(logged: &LoggedChange) -> bool {
    logged.relation.name == "orders"
}

/// A truncation between rows, and one of a table whose topic is not compacted.
fn truncate_between_rows(world: &World) {
    world
        .postgres
        .commit([("orders", insert(1)), ("accounts", truncate())]);
    world.postgres.commit([("orders", truncate())]);
    world.postgres.commit([("orders", insert(2))]);
}

#[tokio::test(start_paused = true)]
async fn truncation_halts_until_it_produces_no_event() {
    let mut world = world();
    truncate_between_rows(&world);
    let error = world.run_to_end().await;
    assert!(error.halts());
    expect![[r#"change 0/10001B0 of transaction 701 (commit 0/10002B0) cannot be mapped: topic shop.public.orders is compacted and takes no record without a key, but the event of a TRUNCATE of public.orders has none; nothing after 0/10001B0 was delivered"#]].assert_eq(&error.to_string());
    assert_eq!(delivered_ids(&world).len(), 2);
    verify_so_far(&world);

    world
        .mapper
        .events
        .operations
        .retain(|operation| *operation != Operation::Truncate);
    let read = delivered_ids(&world).len();
    world.run(world.all_delivered()).await.unwrap();
    assert_eq!(delivered_ids(&world).len(), read + 1);
}

#[tokio::test(start_paused = true)]
async fn truncation_of_a_table_with_dead_letters_becomes_one() {
    let world = with_dead_letters(world(), is_truncation_of_orders);
    truncate_between_rows(&world);
    world.deliver().await;
    assert_eq!(world.postgres.read(|server| server.starts.len()), 1);
}

/// Without the right to read the settings of topics, only the broker knows.
#[tokio::test(start_paused = true)]
async fn truncation_that_only_the_broker_rejects_becomes_a_dead_letter_in_the_next_session() {
    let world = with_dead_letters(world(), is_truncation_of_orders);
    world.kafka.edit(|broker| broker.hides_compaction = true);
    truncate_between_rows(&world);
    world.deliver().await;
    assert_eq!(world.postgres.read(|server| server.starts.len()), 2);
}

#[tokio::test(start_paused = true)]
async fn table_without_key_halts_at_its_first_row() {
    let world = world();
    world
        .postgres
        .edit(|server| server.table("orders").has_key = false);
    world.postgres.commit([("accounts", insert(1))]);
    world.postgres.commit([("orders", insert(1))]);
    let error = world.run_to_end().await;
    assert!(error.halts());
    let text = error.to_string();
    assert!(text.contains("topic shop.public.orders is compacted and takes no record without a key, but a record of public.orders has none"), "{text}");
    assert_eq!(delivered_ids(&world).len(), 1);
    verify_so_far(&world);
    // Once the topic is no longer compacted, the same rows are delivered.
    world.kafka.edit(|broker| broker.compacted.clear());
    world.deliver().await;
}

#[tokio::test(start_paused = true)]
async fn rows_of_a_table_without_key_become_dead_letters() {
    let world = with_dead_letters(world(), is_of_orders);
    world
        .postgres
        .edit(|server| server.table("orders").has_key = false);
    world.postgres.commit([
        ("orders", insert(1)),
        ("accounts", insert(1)),
        ("orders", insert(2)),
    ]);
    world.deliver().await;
    verify(&world);
}

/// The settings of a topic are requested only where they matter.
#[tokio::test(start_paused = true)]
async fn topics_of_tables_with_keys_are_not_inspected() {
    let world = World::set_up();
    world
        .postgres
        .commit([("accounts", insert(1)), ("orders", insert(1))]);
    world.deliver().await;
    assert_eq!(world.kafka.count(KafkaCall::IsCompacted), 0);
}
