//! One connector between real servers, nothing in its way: what arrives in Kafka is what the source committed.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::{HashMap, HashSet};

use walcast_testbed::{Cell, LoadOptions, Payload, PostgresOptions, Shop, read_topic};
use walcast_tests::{
    CheckpointRecord, Instance, KafkaTransaction, World, await_that, await_writes, checkpoints,
    kafka_transactions,
};

/// Enough for each kind of the shop's transactions to come many times.
const WRITES: u64 = 1500;

/// Number of Kafka transactions of each table that are enough to compare.
const TRANSACTIONS: usize = 10;

fn brisk() -> LoadOptions {
    LoadOptions {
        writes_per_second: Some(600),
        ..LoadOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_committed_change_is_in_kafka_once_in_order_and_readable_by_other_code() {
    let world = World::sharing("slice", PostgresOptions::default()).await;
    let shop = Shop::create(&world.postgres).await.unwrap();
    let mut walcast = Instance::start(&world.config()).await;
    let load = shop.run(&world.postgres, &brisk());
    await_writes(&load, WRITES).await;
    load.stop().await.unwrap();

    let mut audit = world.audit(&Shop::TABLES);
    world.assert_delivered(&mut audit, &mut walcast).await;
    walcast.stop().await;
    world.assert_still_clean(&mut audit, &walcast).await;

    // The verdict compares whatever there is; what the shop is known to do must be among it.
    let (mut ops, mut tombstones) = (HashMap::<&str, usize>::new(), 0);
    for record in audit.records() {
        match &record.payload {
            Payload::Tombstone => tombstones += 1,
            Payload::Change(change) => {
                *ops.entry(&change.op).or_default() += 1;
                let table = Cell::Text(record.topic.rsplit('.').next().unwrap().to_owned());
                assert_eq!(change.source.get("table"), Some(&table), "{record:?}");
            }
        }
    }
    assert!(["c", "u", "d"].iter().all(|op| ops[op] > 10), "{ops:?}");
    assert_eq!(tombstones, ops["d"], "{ops:?}");

    let mut identities = HashSet::new();
    for table in Shop::TABLES {
        for record in read_topic(&world.kafka().brokers(), &world.topic(table))
            .await
            .unwrap()
        {
            let id = record
                .change_id()
                .unwrap_or_else(|| panic!("no identity: {record:?}"));
            assert!(
                identities.insert(id),
                "{id} twice, now at {table}@{}",
                record.offset
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kafka_transaction_ends_with_the_checkpoint_of_its_last_change() {
    let world = World::sharing("together", PostgresOptions::default()).await;
    let shop = Shop::create(&world.postgres).await.unwrap();
    let mut walcast = Instance::start(&world.config()).await;
    let load = shop.run(&world.postgres, &brisk());
    await_writes(&load, WRITES).await;
    // A slow broker receives fewer and larger transactions.
    await_that("Kafka transactions of each table", async || {
        for table in Shop::TABLES {
            if kafka_transactions(world.kafka(), &world.topic(table)).await.len() <= TRANSACTIONS {
                return false;
            }
        }
        true
    })
    .await;
    load.stop().await.unwrap();
    world
        .assert_delivered(&mut world.audit(&Shop::TABLES), &mut walcast)
        .await;
    walcast.stop().await;

    let checkpoints = checkpoints(world.kafka(), &world.checkpoint_topic(), world.name()).await;
    assert!(
        checkpoints
            .windows(2)
            .all(|pair| pair[0].end_lsn <= pair[1].end_lsn),
        "a checkpoint went back"
    );
    // Each commit takes an offset of the checkpoint topic for its mark: no two checkpoints share a transaction.
    assert!(
        checkpoints
            .windows(2)
            .all(|pair| pair[0].offset + 1 < pair[1].offset)
    );
    let mut last_changes = HashSet::new();
    for table in Shop::TABLES {
        let transactions = kafka_transactions(world.kafka(), &world.topic(table)).await;
        let covered: Vec<usize> = transactions
            .iter()
            .map(|found| covering(&checkpoints, found))
            .collect();
        assert!(
            covered.windows(2).all(|pair| pair[0] < pair[1]),
            "{table}: two Kafka transactions under one checkpoint: {covered:?}"
        );
        last_changes.extend(transactions.iter().map(|found| found.last.commit_lsn));
    }
    // And none claims more than was sent with it.
    for pair in checkpoints.windows(2) {
        let [before, after] = pair else { continue };
        if let Some(commit) = after
            .last_commit_lsn
            .filter(|_| after.last_commit_lsn != before.last_commit_lsn)
        {
            assert!(
                last_changes
                    .iter()
                    .any(|last| Some(*last) > before.last_commit_lsn && *last <= commit),
                "checkpoint at {} covers no record: {}",
                after.offset,
                after.value
            );
        }
    }
}

/// Index of the checkpoint that covers a Kafka transaction; panics where it covers only a part of it.
fn covering(checkpoints: &[CheckpointRecord], found: &KafkaTransaction) -> usize {
    let covers =
        |checkpoint: &CheckpointRecord, lsn| checkpoint.last_commit_lsn.is_some_and(|last| last >= lsn);
    let index = checkpoints
        .iter()
        .position(|checkpoint| covers(checkpoint, found.last.commit_lsn));
    let index = index.unwrap_or_else(|| panic!("no checkpoint covers {found:?}"));
    let earlier = index.checked_sub(1).and_then(|before| checkpoints.get(before));
    assert!(
        !earlier.is_some_and(|earlier| covers(earlier, found.first.commit_lsn)),
        "a checkpoint lies inside {found:?}: {earlier:?}"
    );
    index
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_ends_with_success_and_what_is_confirmed_is_the_checkpoint() {
    let world = World::sharing("stopped", PostgresOptions::default()).await;
    let shop = Shop::create(&world.postgres).await.unwrap();
    let mut walcast = Instance::start(&world.config()).await;
    let load = shop.run(&world.postgres, &brisk());
    for _ in 0..3 {
        // A process that has just been started may not have a handler of the signal yet.
        walcast.ready().await;
        await_writes(&load, 300).await;
        walcast.stop().await;
        let checkpoints = checkpoints(world.kafka(), &world.checkpoint_topic(), world.name()).await;
        assert_eq!(
            world.confirmed().await,
            checkpoints.last().unwrap().end_lsn,
            "{}",
            walcast.log_end()
        );
        walcast.start_again();
    }
    load.stop().await.unwrap();
    walcast.ready().await;
    world
        .assert_delivered(&mut world.audit(&Shop::TABLES), &mut walcast)
        .await;
    await_that("confirmation of all there is", async || {
        world.confirmed().await >= walcast.position("checkpointed").await
    })
    .await;
    walcast.stop().await;
}
