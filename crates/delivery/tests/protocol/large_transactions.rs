//! A source transaction is complete in one Kafka transaction, however many batches it takes, and never partially visible.

use crate::fakes::{
    Act, CONNECTION_LOST, KafkaCall, PostgresCall, World, delivered_ids, insert, insert_padded, verify,
    verify_so_far,
};

/// Twelve rows of 100 KB between two small transactions: several batches of 256 KiB.
fn world_with_large_transaction() -> World {
    let world = World::set_up();
    world.postgres.commit([("orders", insert(1))]);
    world
        .postgres
        .commit((0..12).map(|id| ("accounts", insert_padded(id, 100_000))));
    world.postgres.commit([("orders", insert(2))]);
    world
}

#[tokio::test(start_paused = true)]
async fn batches_of_one_transaction_share_a_kafka_transaction() {
    let world = world_with_large_transaction();
    world
        .run(world.steps.until(|| {
            verify_so_far(&world);
            delivered_ids(&world).len() == 14
        }))
        .await
        .unwrap();
    verify(&world);
    let writes = world.kafka.read(|broker| {
        broker
            .script
            .made()
            .iter()
            .filter(|call| **call == KafkaCall::Write)
            .count()
    });
    assert!(writes >= 4, "the transaction took only {writes} batches");
}

/// The server sends the transaction again from its beginning; the records written before are aborted.
#[tokio::test(start_paused = true)]
async fn disconnect_inside_a_transaction_restarts_it() {
    let mut aborted = 0;
    for nth in 2..12 {
        let world = world_with_large_transaction();
        world.postgres.edit(|server| {
            server.frames_per_block = 2;
            server
                .script
                .at(PostgresCall::Next, nth, Act::Fail(CONNECTION_LOST));
        });
        world.deliver().await;
        aborted += world
            .kafka
            .read(|broker| broker.transactions().len() - broker.checkpoints().count());
    }
    assert!(aborted > 3, "only {aborted} Kafka transactions were aborted");
}

#[tokio::test(start_paused = true)]
async fn failed_write_inside_a_transaction_restarts_it() {
    for nth in 1..=5 {
        for act in [Act::Fail(CONNECTION_LOST), Act::ApplyThenFail(CONNECTION_LOST)] {
            let world = world_with_large_transaction();
            world
                .kafka
                .edit(|broker| broker.script.at(KafkaCall::Write, nth, act));
            world.deliver().await;
            assert_eq!(world.postgres.read(|server| server.starts.len()), 2);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn crash_inside_a_transaction_restarts_it() {
    let mut steps = 0;
    loop {
        let world = world_with_large_transaction();
        if !world.crash_after(steps).await {
            break;
        }
        verify_so_far(&world);
        world.deliver().await;
        steps += 1;
    }
    assert!(steps > 20, "only {steps} steps");
}
