//! Every committed change is in Kafka exactly once and in commit order, wherever a single fault occurs.

use crate::fakes::{
    Act, CONNECTION_LOST, KafkaCall, PostgresCall, World, delete, insert, message, truncate, update,
    update_key, verify, verify_so_far,
};

/// Transactions with one row, several rows, two tables, changes at one position, and no records.
pub(crate) fn write_history(world: &World) {
    let postgres = &world.postgres;
    postgres.commit([("accounts", insert(1))]);
    postgres.commit([
        ("accounts", insert(2)),
        ("orders", insert(1)),
        ("accounts", update(1)),
    ]);
    postgres.copy([
        ("orders", insert(2)),
        ("orders", insert(3)),
        ("orders", insert(4)),
    ]);
    postgres.commit([
        ("orders", truncate()),
        ("accounts", message()),
        ("accounts", update_key(1, 3)),
    ]);
    postgres.emit_message();
    postgres.emit_message();
    postgres.commit([("accounts", message())]);
    postgres.commit([("accounts", delete(2)), ("orders", insert(5))]);
    postgres.emit_message();
}

fn world_with_history(frames_per_block: usize) -> World {
    let world = World::set_up();
    world
        .postgres
        .edit(|server| server.frames_per_block = frames_per_block);
    write_history(&world);
    world
}

#[tokio::test(start_paused = true)]
async fn without_any_fault() {
    for frames_per_block in [1, 2, 3, 7, 1000] {
        world_with_history(frames_per_block).deliver().await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_database_is_written_to() {
    let world = World::set_up();
    let write = async {
        for _ in 0..5 {
            write_history(&world);
            let end = world.postgres.read(|server| server.wal_end);
            world.steps.until(|| world.postgres.confirmed() >= end).await;
        }
    };
    world.run(write).await.unwrap();
    verify(&world);
}

#[tokio::test(start_paused = true)]
async fn after_a_disconnect_at_any_block() {
    for frames_per_block in [1, 4] {
        let mut nth = 1;
        loop {
            let world = world_with_history(frames_per_block);
            world.postgres.edit(|server| {
                server
                    .script
                    .at(PostgresCall::Next, nth, Act::Fail(CONNECTION_LOST))
            });
            world.deliver().await;
            let sessions = world.postgres.read(|server| server.starts.len());
            if sessions == 1 {
                break;
            }
            nth += 1;
        }
        assert!(nth > 5, "blocks of {frames_per_block} frames: only {nth} blocks");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_of_the_sink_at_any_call() {
    for call in [KafkaCall::Write, KafkaCall::Commit, KafkaCall::EnsureTopic] {
        for act in [Act::Fail(CONNECTION_LOST), Act::ApplyThenFail(CONNECTION_LOST)] {
            let mut nth = 1;
            loop {
                let world = world_with_history(2);
                world.kafka.edit(|broker| broker.script.at(call, nth, act));
                world.deliver().await;
                if world.postgres.read(|server| server.starts.len()) == 1 {
                    break;
                }
                nth += 1;
            }
            assert!(nth > 1, "{call:?} was never called");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_of_the_registry_or_the_catalog() {
    for nth in 1..=2 {
        let world = world_with_history(3);
        world.registry.plan(nth, Act::Fail(CONNECTION_LOST));
        world.postgres.edit(|server| {
            server
                .script
                .at(PostgresCall::TableMetadata, nth + 1, Act::Fail(CONNECTION_LOST))
        });
        world.deliver().await;
        assert_eq!(
            world.postgres.read(|server| server.starts.len()),
            3,
            "two faults, two more sessions"
        );
    }
}

/// A commit that took effect and was reported as failed is found in the checkpoint: no change is sent twice.
#[tokio::test(start_paused = true)]
async fn after_a_commit_in_doubt() {
    let world = World::set_up();
    let delivered = world.postgres.commit([("accounts", insert(1))]);
    world.kafka.edit(|broker| {
        broker
            .script
            .at(KafkaCall::Commit, 1, Act::ApplyThenFail(CONNECTION_LOST))
    });
    world
        .run(
            world
                .steps
                .until(|| world.postgres.read(|server| server.starts.len()) == 2),
        )
        .await
        .unwrap();
    let start = world.postgres.read(|server| server.starts[1]);
    assert_eq!(start, delivered.commit_lsn, "the checkpoint was not read again");
    verify(&world);
}

/// The process crashes at any point: between any two steps of any of its calls.
#[tokio::test(start_paused = true)]
async fn after_a_crash_at_any_step() {
    for frames_per_block in [1, 1000] {
        let mut steps = 0;
        loop {
            let world = world_with_history(frames_per_block);
            if !world.crash_after(steps).await {
                break;
            }
            verify_so_far(&world);
            world.deliver().await;
            steps += 1;
        }
        assert!(steps > 20, "only {steps} steps");
    }
}
