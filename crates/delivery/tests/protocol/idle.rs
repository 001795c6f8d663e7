//! With no change in flight, the end of WAL is checkpointed and confirmed, so that an idle publication retains no WAL.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::fakes::{Act, CONSISTENT_POINT, PostgresCall, Table, World, insert, verify, verify_so_far};

#[tokio::test(start_paused = true)]
async fn confirms_the_end_of_idle_wal_at_the_interval() {
    let world = World::set_up();
    world.postgres.commit([("accounts", insert(1))]);
    let load = async {
        world.all_delivered().await;
        let last_commit = world.kafka.checkpoint().unwrap().last_commit;
        for _ in 0..3 {
            let start = Instant::now();
            let end = world.postgres.write_unrelated_wal(1 << 24);
            world.steps.until(|| world.postgres.confirmed() == end).await;
            assert_eq!(start.elapsed().as_secs(), world.config.idle_interval.as_secs());
        }
        assert_eq!(world.kafka.checkpoint().unwrap().last_commit, last_commit);
    };
    world.run(load).await.unwrap();
    verify(&world);
}

/// Continuous keepalives with new ends of WAL must not postpone the checkpoint.
#[tokio::test(start_paused = true)]
async fn confirms_wal_under_constant_writes_elsewhere() {
    let world = World::set_up();
    let load = async {
        for _ in 0..100 {
            world.postgres.write_unrelated_wal(1 << 16);
            sleep(world.config.idle_interval / 20).await;
        }
    };
    world.run(load).await.unwrap();
    let confirmations = world.postgres.read(|server| server.confirmations.len());
    assert!(
        (4..=7).contains(&confirmations),
        "{confirmations} confirmations in five intervals"
    );
    verify(&world);
}

/// After a restart streaming resumes from the idle position, and later transactions are delivered.
#[tokio::test(start_paused = true)]
async fn resumes_from_an_idle_position() {
    let world = World::set_up();
    let end = world.postgres.write_unrelated_wal(1 << 24);
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

/// Inside a transaction the position of a keepalive precedes the end of the transaction, which is not delivered yet.
#[tokio::test(start_paused = true)]
async fn never_checkpoints_a_keepalive_inside_a_transaction() {
    let world = World::set_up();
    world.postgres.edit(|server| {
        let mut audit = Table::new("audit", 16_420);
        audit.captured = false;
        server.tables.push(audit);
        server.keepalives_inside = true;
        server.frames_per_block = 1;
        // Begin, keepalive, relation, insert, keepalive, insert, keepalive; then the server sends nothing.
        server.script.at(PostgresCall::Next, 8, Act::Hang);
    });
    // Without a captured change before it, only the open transaction keeps the position from moving.
    world.postgres.commit([
        ("audit", insert(1)),
        ("audit", insert(2)),
        ("audit", insert(3)),
        ("accounts", insert(1)),
    ]);
    let hang = async {
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
    world.run(hang).await.unwrap();
    assert_eq!(world.kafka.checkpointed(), CONSISTENT_POINT);
    verify_so_far(&world);
    world.deliver().await;
}

/// Transactions without a captured change move the position like idle WAL: once per interval, not each.
#[tokio::test(start_paused = true)]
async fn transactions_without_records_make_no_kafka_transactions_of_their_own() {
    let world = World::set_up();
    world
        .postgres
        .edit(|server| server.table("orders").captured = false);
    let load = async {
        for id in 0..50 {
            world.postgres.commit([("orders", insert(id))]);
            sleep(Duration::from_millis(100)).await;
        }
        world.all_delivered().await;
    };
    world.run(load).await.unwrap();
    verify(&world);
    let kafka_transactions = world.kafka.read(|broker| broker.transactions().len());
    // One of them is the checkpoint that the world started with.
    assert!(
        kafka_transactions <= 3,
        "{kafka_transactions} Kafka transactions without records"
    );
}
