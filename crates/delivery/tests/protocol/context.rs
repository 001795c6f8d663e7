//! The context of transactions: messages of the stream become headers of the changes after them, the same ones whenever a change is
//! read again. The verdict of every test compares the headers; these tests make the transactions.

use walcast_delivery::OnError;
use walcast_mapper::config::Operation;

use crate::fakes::{
    CONNECTION_LOST, Change, DEAD_LETTERS, LoggedChange, PostgresCall, World, delete, insert, insert_padded,
    message, truncate, update_key, verify_so_far,
};

fn is_large(logged: &LoggedChange) -> bool {
    matches!(&logged.change, Change::Insert(row) if row.iter().flatten().any(|value| value.len() > 10_000))
}

/// Contexts of the committed records, in the order of writing.
fn contexts(world: &World) -> Vec<String> {
    let value = |context: &[(String, String)]| {
        let header = context.first();
        header.map_or_else(|| "none".to_owned(), |(name, value)| format!("{name} {value}"))
    };
    world.kafka.read(|broker| {
        let records = broker.committed();
        records.map(|record| value(&record.context)).collect()
    })
}

/// Changes before a context, under one, and under the one that replaces it, of every kind.
fn changes() -> Vec<(&'static str, Change)> {
    vec![
        ("accounts", insert(1)),
        ("accounts", message()),
        ("accounts", insert(2)),
        ("orders", insert(3)),
        ("accounts", update_key(2, 4)),
        ("accounts", message()),
        ("orders", delete(3)),
        ("orders", truncate()),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_context_is_that_of_the_changes_after_it() {
    let mut world = World::set_up();
    world.mapper.events.operations.push(Operation::Truncate);
    // Of the messages, only their effect is looked at.
    world.mapper.events.messages.clear();
    let first = world.postgres.commit(changes());
    world.postgres.commit([("accounts", insert(7))]);
    world.deliver().await;
    let header = |ordinal: usize| {
        let context = first.context_of(ordinal);
        context.first().map(|(name, value)| format!("{name} {value}"))
    };
    let (one, two) = (header(2).unwrap(), header(7).unwrap());
    assert_ne!(one, two);
    let none = "none".to_owned();
    // A changed key has three records, a delete has two.
    let mut expected = vec![none.clone()];
    expected.extend(vec![one; 5]);
    expected.extend(vec![two; 3]);
    expected.push(none);
    assert_eq!(contexts(&world), expected);
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_step_changes_no_context() {
    let mut steps = 0;
    loop {
        let mut world = World::set_up();
        world.mapper.events.operations.push(Operation::Truncate);
        world.postgres.edit(|server| server.frames_per_block = 2);
        world.postgres.commit(changes());
        world.postgres.commit(changes());
        if !world.crash_after(steps).await {
            break;
        }
        verify_so_far(&world);
        world.deliver().await;
        steps += 1;
    }
    assert!(steps > 20, "only {steps} steps");
}

/// The message is in the delivered part of a transaction, and its context in the other.
#[tokio::test(start_paused = true)]
async fn the_rest_of_a_split_transaction_has_the_context_of_the_delivered_part() {
    let mut after_a_part = 0;
    for nth in 4..13 {
        let mut world = World::set_up();
        world.config.split_over_bytes = Some(300_000);
        world.postgres.edit(|server| server.frames_per_block = 2);
        let rows = (0..20).map(|id| ("accounts", insert_padded(id, 100_000)));
        let all = [("accounts", insert(99)), ("accounts", message())]
            .into_iter()
            .chain(rows);
        world.postgres.commit(all);
        world.postgres.fail(PostgresCall::Next, nth, CONNECTION_LOST);
        let restarted = || world.postgres.read(|server| server.starts.len()) == 2;
        world.run(world.steps.until(restarted)).await.unwrap();
        verify_so_far(&world);
        if world.kafka.checkpoint().unwrap().partial.is_some() {
            after_a_part += 1;
        }
        world.deliver().await;
    }
    assert!(
        after_a_part >= 3,
        "only {after_a_part} restarts fell into the transaction"
    );
}

#[tokio::test(start_paused = true)]
async fn dead_letters_have_the_context_of_their_change() {
    let mut world = World::set_up();
    world.config.dead_letters.on_error = OnError::DeadLetter;
    world.kafka.edit(|broker| {
        broker.record_bytes_max = Some(10_000);
        broker.reported_bytes_max = Some(10_000);
    });
    world.undeliverable = is_large;
    world.postgres.commit([
        ("accounts", insert(3)),
        ("accounts", message()),
        ("accounts", insert_padded(1, 20_000)),
        ("accounts", insert(2)),
    ]);
    world.deliver().await;
    let (topics, with_context): (Vec<String>, Vec<bool>) = world.kafka.read(|broker| {
        let records = broker.committed().filter(|record| record.topic != "shop.message");
        let parts = records.map(|record| (record.topic.clone(), !record.context.is_empty()));
        parts.unzip()
    });
    let accounts = "shop.public.accounts";
    assert_eq!(topics, [accounts, DEAD_LETTERS, accounts]);
    assert_eq!(with_context, [false, true, true]);
}

/// Without prefixes, the messages are messages only.
#[tokio::test(start_paused = true)]
async fn a_context_that_is_switched_off_is_not_read() {
    let mut world = World::set_up();
    world.mapper.context.prefixes.clear();
    world
        .postgres
        .commit([("accounts", message()), ("accounts", insert(1))]);
    let delivered = || world.kafka.read(|broker| broker.committed().count()) == 2;
    world.run(world.steps.until(delivered)).await.unwrap();
    assert_eq!(contexts(&world), ["none", "none"]);
}
