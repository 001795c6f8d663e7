//! Only positions that a committed checkpoint covers are confirmed, without delay, and streaming resumes only from them.

use std::time::Duration;

use crate::fakes::{Act, CONNECTION_LOST, CONSISTENT_POINT, KafkaCall, PostgresCall, World, insert, verify};

/// Trap 3: the commit of the second transaction fails and the third succeeds; no confirmation may skip the second.
#[tokio::test(start_paused = true)]
async fn later_confirmation_never_skips_a_failed_commit() {
    let world = World::set_up();
    world
        .kafka
        .edit(|broker| broker.script.at(KafkaCall::Commit, 2, Act::Fail(CONNECTION_LOST)));
    let first = world.postgres.commit([("accounts", insert(1))]);
    let steps = async {
        world.all_delivered().await;
        let second = world.postgres.commit([("accounts", insert(2))]);
        let failed = || world.kafka.read(|broker| broker.script.count(KafkaCall::Commit)) == 2;
        world.steps.until(failed).await;
        assert_eq!(world.postgres.confirmed(), first.end_lsn);
        world.postgres.commit([("accounts", insert(3))]);
        world.all_delivered().await;
        world.postgres.read(|server| {
            assert_eq!(server.starts, [CONSISTENT_POINT, first.end_lsn]);
            let beyond = server
                .confirmations
                .iter()
                .find(|confirmation| confirmation.flush > first.end_lsn)
                .unwrap();
            assert!(beyond.checkpointed >= second.end_lsn);
        });
    };
    world.run(steps).await.unwrap();
    verify(&world);
}

/// Trap 2: a position is not confirmed until Kafka has committed it, however long the commit takes.
#[tokio::test(start_paused = true)]
async fn confirms_no_position_during_a_commit() {
    let world = World::set_up();
    world
        .kafka
        .edit(|broker| broker.script.at(KafkaCall::Commit, 1, Act::Hang));
    world.postgres.commit([("accounts", insert(1))]);
    let wait = async {
        let committing = || world.kafka.read(|broker| broker.script.count(KafkaCall::Commit)) == 1;
        world.steps.until(committing).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(world.postgres.confirmed(), CONSISTENT_POINT);
    };
    world.run(wait).await.unwrap();
    world.deliver().await;
}

/// Trap 5: confirmations continue under steady load.
#[tokio::test(start_paused = true)]
async fn confirms_every_checkpoint_under_steady_load() {
    let world = World::set_up();
    let load = async {
        for id in 0..200 {
            world.postgres.commit([("accounts", insert(id))]);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        world.all_delivered().await;
    };
    world.run(load).await.unwrap();
    verify(&world);
    let checkpoints = world.kafka.read(|broker| broker.checkpoints().count()) - 1;
    // The first confirmation repeats the slot's own position.
    let confirmations = world.postgres.read(|server| server.confirmations.len()) - 1;
    assert_eq!(confirmations, checkpoints);
    assert!(
        (20..=80).contains(&checkpoints),
        "{checkpoints} commits in 200 ms at an interval of 5 ms"
    );
}

/// Traps 4 and 6: the last transaction is neither sent repeatedly nor skipped.
#[tokio::test(start_paused = true)]
async fn confirms_the_end_of_the_commit_record() {
    let world = World::set_up();
    let last = world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    assert_eq!(world.postgres.confirmed(), last.end_lsn);
    world
        .run(world.steps.until(|| {
            world
                .postgres
                .read(|server| server.idle_ends.contains(&last.end_lsn))
        }))
        .await
        .unwrap();
    verify(&world);
}

/// Trap 10: changes that were received but not delivered are requested again.
#[tokio::test(start_paused = true)]
async fn resumes_from_the_durable_position_after_a_disconnect() {
    let mut world = World::set_up();
    world.config.commit_interval = Duration::from_secs(60);
    world.config.retry_backoff_min = Duration::from_millis(1);
    world.postgres.commit([("accounts", insert(1))]);
    // The changes that were read are dropped with the commit that fails at the end of the session.
    world.postgres.edit(|server| {
        server
            .script
            .at(PostgresCall::Next, 3, Act::Fail(CONNECTION_LOST))
    });
    world
        .kafka
        .edit(|broker| broker.script.at(KafkaCall::Commit, 1, Act::Fail(CONNECTION_LOST)));
    world
        .run(
            world
                .steps
                .until(|| world.postgres.read(|server| server.starts.len()) == 2),
        )
        .await
        .unwrap();
    assert_eq!(
        world.postgres.read(|server| server.starts.clone()),
        [CONSISTENT_POINT; 2]
    );
    world.deliver().await;
}

/// The first confirmation is the slot's own position, never the start position, which is far ahead of it with replay.
#[tokio::test(start_paused = true)]
async fn first_confirmation_repeats_the_slot_position() {
    let world = World::set_up();
    let first = world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    world.postgres.edit(|server| {
        server.confirmations.clear();
        server.slot.as_mut().unwrap().confirmed_flush_lsn = Some(CONSISTENT_POINT);
    });
    world
        .run(
            world
                .steps
                .until(|| world.postgres.read(|server| !server.confirmations.is_empty())),
        )
        .await
        .unwrap();
    world.postgres.read(|server| {
        assert_eq!(server.confirmations[0].flush, CONSISTENT_POINT);
        // The stream starts where the transaction delivered last is sent again.
        assert_eq!(server.starts.last(), Some(&first.commit_lsn));
    });
}
