//! Only what a committed checkpoint covers is confirmed, soon, and streaming goes on from there only.

use std::time::Duration;

use crate::fakes::{Act, CONSISTENT_POINT, KafkaCall, PostgresCall, TestFault, World, insert, verify};

const GONE: TestFault = TestFault::passing("connection lost");

/// Trap 3: the commit of the second transaction fails, the third is fine; nothing may be confirmed over the hole.
#[tokio::test(start_paused = true)]
async fn a_failed_commit_leaves_no_hole_below_a_later_confirmation() {
    let world = World::set_up();
    world
        .kafka
        .edit(|broker| broker.script.at(KafkaCall::Commit, 2, Act::Fail(GONE)));
    let first = world.postgres.commit([("accounts", insert(1))]);
    let steps = async {
        world.everything_delivered().await;
        let second = world.postgres.commit([("accounts", insert(2))]);
        let failed = || world.kafka.read(|broker| broker.script.count(KafkaCall::Commit)) == 2;
        world.steps.until(failed).await;
        assert_eq!(world.postgres.confirmed(), first.end_lsn);
        world.postgres.commit([("accounts", insert(3))]);
        world.everything_delivered().await;
        world.postgres.read(|server| {
            assert_eq!(server.starts, [CONSISTENT_POINT, first.end_lsn]);
            let beyond = server
                .confirmations
                .iter()
                .find(|told| told.flush > first.end_lsn)
                .unwrap();
            assert!(beyond.checkpointed >= second.end_lsn);
        });
    };
    world.run(steps).await.unwrap();
    verify(&world);
}

/// Trap 2: what Kafka has not committed is not confirmed, however long that takes.
#[tokio::test(start_paused = true)]
async fn nothing_is_confirmed_while_the_commit_is_under_way() {
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

/// Trap 5: under steady load confirmations keep coming.
#[tokio::test(start_paused = true)]
async fn every_checkpoint_is_confirmed_under_steady_load() {
    let world = World::set_up();
    let load = async {
        for id in 0..200 {
            world.postgres.commit([("accounts", insert(id))]);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        world.everything_delivered().await;
    };
    world.run(load).await.unwrap();
    verify(&world);
    let checkpoints = world.kafka.read(|broker| broker.checkpoints().count()) - 1;
    // The first confirmation repeats what the slot knows.
    let confirmations = world.postgres.read(|server| server.confirmations.len()) - 1;
    assert_eq!(confirmations, checkpoints);
    assert!(
        (20..=80).contains(&checkpoints),
        "{checkpoints} commits in 200 ms at an interval of 5 ms"
    );
}

/// Traps 4 and 6: the last transaction is neither sent again for ever nor skipped past.
#[tokio::test(start_paused = true)]
async fn the_end_of_the_commit_record_is_what_is_confirmed() {
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

/// Trap 10: what was only received is asked for again.
#[tokio::test(start_paused = true)]
async fn after_a_disconnect_streaming_goes_on_from_what_is_durable() {
    let mut world = World::set_up();
    world.config.commit_interval = Duration::from_secs(60);
    world.config.retry_delay_min = Duration::from_millis(1);
    world.postgres.commit([("accounts", insert(1))]);
    // What was read of it is dropped with the commit that fails at the end of the session.
    world
        .postgres
        .edit(|server| server.script.at(PostgresCall::Next, 3, Act::Fail(GONE)));
    world
        .kafka
        .edit(|broker| broker.script.at(KafkaCall::Commit, 1, Act::Fail(GONE)));
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

/// The slot is told what it was told before, never the start position: with replay that lies far beyond.
#[tokio::test(start_paused = true)]
async fn the_first_confirmation_repeats_what_the_slot_knows() {
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
        // Begun where what was delivered last is seen again.
        assert_eq!(server.starts.last(), Some(&first.commit_lsn));
    });
}
