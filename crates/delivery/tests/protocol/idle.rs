//! With nothing in flight the log's end is checkpointed and confirmed, so that an idle publication holds no log.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::fakes::{Act, CONSISTENT_POINT, PostgresCall, Table, World, insert, verify, verify_so_far};

#[tokio::test(start_paused = true)]
async fn the_end_of_an_idle_log_is_confirmed_at_the_interval() {
    let world = World::set_up();
    world.postgres.commit([("accounts", insert(1))]);
    let busy_elsewhere = async {
        world.everything_delivered().await;
        let last_commit = world.kafka.checkpoint().unwrap().last_commit;
        for _ in 0..3 {
            let begun = Instant::now();
            let end = world.postgres.write_elsewhere(1 << 24);
            world.steps.until(|| world.postgres.confirmed() == end).await;
            assert_eq!(begun.elapsed().as_secs(), world.config.idle_interval.as_secs());
        }
        assert_eq!(world.kafka.checkpoint().unwrap().last_commit, last_commit);
    };
    world.run(busy_elsewhere).await.unwrap();
    verify(&world);
}

/// A steady trickle of news about the log's end must not put the checkpoint off.
#[tokio::test(start_paused = true)]
async fn a_log_that_never_rests_elsewhere_is_confirmed_too() {
    let world = World::set_up();
    let busy_elsewhere = async {
        for _ in 0..100 {
            world.postgres.write_elsewhere(1 << 16);
            sleep(world.config.idle_interval / 20).await;
        }
    };
    world.run(busy_elsewhere).await.unwrap();
    let confirmations = world.postgres.read(|server| server.confirmations.len());
    assert!(
        (4..=7).contains(&confirmations),
        "{confirmations} confirmations in five intervals"
    );
    verify(&world);
}

/// After the restart streaming goes on from the idle position, and what was committed after it comes.
#[tokio::test(start_paused = true)]
async fn streaming_goes_on_from_an_idle_position() {
    let world = World::set_up();
    let end = world.postgres.write_elsewhere(1 << 24);
    world
        .run(world.steps.until(|| world.postgres.confirmed() == end))
        .await
        .unwrap();
    world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    assert_eq!(
        world.postgres.read(|server| server.starts.clone()),
        [CONSISTENT_POINT, end]
    );
}

/// Inside a transaction a keepalive's position lies before its end, and what precedes it is not all delivered.
#[tokio::test(start_paused = true)]
async fn a_keepalive_inside_a_transaction_is_never_checkpointed() {
    let world = World::set_up();
    world.postgres.edit(|server| {
        let mut audit = Table::new("audit", 16_420);
        audit.captured = false;
        server.tables.push(audit);
        server.keepalives_inside = true;
        server.frames_per_block = 1;
        // Begin, keepalive, relation, insert, keepalive, insert, keepalive: then silence.
        server.script.at(PostgresCall::Next, 8, Act::Hang);
    });
    // Without a record of ours nothing else keeps the position from moving.
    world.postgres.commit([
        ("audit", insert(1)),
        ("audit", insert(2)),
        ("audit", insert(3)),
        ("accounts", insert(1)),
    ]);
    let long_silence = async {
        world
            .steps
            .until(|| {
                world
                    .postgres
                    .read(|server| server.script.count(PostgresCall::Next))
                    == 8
            })
            .await;
        sleep(world.config.idle_interval * 3).await;
    };
    world.run(long_silence).await.unwrap();
    assert_eq!(world.kafka.checkpointed(), CONSISTENT_POINT);
    verify_so_far(&world);
    world.deliver().await;
}

/// Transactions without a captured change move the position like an idle log does: at the interval, not each.
#[tokio::test(start_paused = true)]
async fn transactions_without_records_make_no_kafka_transactions_of_their_own() {
    let world = World::set_up();
    world
        .postgres
        .edit(|server| server.table("orders").captured = false);
    let busy_elsewhere = async {
        for id in 0..50 {
            world.postgres.commit([("orders", insert(id))]);
            sleep(Duration::from_millis(100)).await;
        }
        world.everything_delivered().await;
    };
    world.run(busy_elsewhere).await.unwrap();
    verify(&world);
    let kafka_transactions = world.kafka.read(|broker| broker.transactions().len());
    // The checkpoint that the world began with is one.
    assert!(
        kafka_transactions <= 3,
        "{kafka_transactions} Kafka transactions for nothing"
    );
}
