//! Partitions of a captured table that come and go: rows that came are read, wherever the connector stops, and rows that went are
//! reported.

use std::collections::BTreeSet;
use std::time::Duration;

use walcast_delivery::{Partition, PartitionChangeKind, Persistence, SnapshotMode};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid, Xid};

use crate::fakes::{Table, World, insert, update};
use crate::snapshots::reads;

const ATTACHED: u32 = 16_440;

fn partition(oid: u32, name: &str) -> Partition {
    Partition {
        oid: Oid::new(oid),
        name: TableName {
            namespace: "public".to_owned(),
            name: name.to_owned(),
        },
        parent: Oid::new(16_400),
        is_leaf: true,
        file: Oid::new(oid),
        attached_by: Xid::new(oid),
        was_created_as_partition: true,
        altered_by: Xid::new(oid),
        persistence: Persistence::Permanent,
        identifies_rows: true,
        identity_is_generated: false,
        is_excluded: false,
    }
}

/// A connector that has read its tables, of which `accounts` has two partitions.
async fn streaming() -> World {
    let mut world = World::new();
    world.config.snapshot.mode = SnapshotMode::Initial;
    world.config.slot_check_interval = Duration::from_secs(1);
    world.postgres.edit(|server| {
        let partitions = vec![
            partition(16_430, "accounts_2024"),
            partition(16_431, "accounts_2025"),
        ];
        server.table("accounts").partitions = Some(partitions);
    });
    world.postgres.commit([("accounts", insert(1))]);
    run_until_read(&world).await;
    world
}

fn is_read(world: &World) -> bool {
    let checkpoint = world.kafka.checkpoint();
    checkpoint.is_some_and(|checkpoint| checkpoint.snapshot.is_none())
}

async fn run_until_read(world: &World) {
    let read = async {
        world.all_delivered().await;
        world.steps.until(|| is_read(world)).await;
    };
    world.run(read).await.expect("the connector runs and stops");
}

/// Makes a table with three rows and attaches it.
fn attach(world: &World) {
    world.postgres.edit(|server| {
        server.tables.push(Table {
            captured: false,
            published_since: Lsn::MAX,
            ..Table::new("accounts_2023", ATTACHED)
        });
    });
    let rows = [11, 12, 13].map(|id| ("accounts_2023", insert(id)));
    world.postgres.commit(rows);
    edit_partitions(world, |partitions| {
        partitions.push(Partition {
            was_created_as_partition: false,
            ..partition(ATTACHED, "accounts_2023")
        });
    });
}

fn edit_partitions(world: &World, edit: impl FnOnce(&mut Vec<Partition>)) {
    world.postgres.edit(|server| {
        let partitions = &mut server.table("accounts").partitions;
        edit(partitions.as_mut().expect("the table is partitioned"));
    });
}

/// Rows of the attached partition that were read.
fn reads_of_attached(world: &World) -> Vec<String> {
    let mut read = reads(world);
    read.retain(|id| id.starts_with("16440"));
    read
}

fn is_attached_read(world: &World) -> bool {
    reads_of_attached(world).len() >= 3 && is_read(world)
}

async fn run_until_attached_is_read(world: &World) {
    let read = async {
        world.steps.until(|| is_attached_read(world)).await;
        world.all_delivered().await;
    };
    world.run(read).await.expect("the connector runs and stops");
}

fn kinds(world: &World) -> Vec<PartitionChangeKind> {
    let notices = world.state.partitions.read();
    notices.into_iter().map(|notice| notice.change.kind).collect()
}

#[tokio::test(start_paused = true)]
async fn rows_of_a_partition_that_is_attached_while_streaming_are_read() {
    let world = streaming().await;
    let before = reads(&world).len();
    let attaching = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        attach(&world);
    };
    let ((), ()) = tokio::join!(run_until_attached_is_read(&world), attaching);
    assert_eq!(reads(&world).len(), before + 3, "no other row is read again");
    assert_eq!(kinds(&world), [PartitionChangeKind::AttachedAndRead]);
    let topics: BTreeSet<String> = world.kafka.read(|broker| {
        let records = broker.committed_with_reads();
        records.map(|record| record.topic.clone()).collect()
    });
    assert!(!topics.contains("shop.public.accounts_2023"), "{topics:?}");
    run_until_read(&world).await;
    assert_eq!(reads(&world).len(), before + 3, "the rows are read once");
}

#[tokio::test(start_paused = true)]
async fn rows_of_a_partition_that_was_attached_while_stopped_are_read() {
    let world = streaming().await;
    let before = reads(&world).len();
    attach(&world);
    run_until_attached_is_read(&world).await;
    assert_eq!(reads(&world).len(), before + 3);
    assert_eq!(kinds(&world), [PartitionChangeKind::AttachedAndRead]);
}

#[tokio::test(start_paused = true)]
async fn attached_rows_survive_interruption_at_any_step() {
    let mut steps = 0;
    loop {
        let world = streaming().await;
        attach(&world);
        let was_interrupted = world
            .interrupt_after(steps, run_until_attached_is_read(&world))
            .await
            .is_none();
        world.postgres.commit([("accounts", update(1))]);
        run_until_attached_is_read(&world).await;
        let read: BTreeSet<String> = reads_of_attached(&world).into_iter().collect();
        assert_eq!(read.len(), 3, "after {steps} steps: {read:?}");
        if !was_interrupted {
            assert!(steps > 20, "only {steps} steps");
            break;
        }
        steps += 1;
    }
}

/// Rows of a partition that is attached while its table is read come after those of the table.
#[tokio::test(start_paused = true)]
async fn partition_that_is_attached_while_its_table_is_read_is_read_next() {
    let mut world = World::new();
    world.config.snapshot.mode = SnapshotMode::Initial;
    world.config.snapshot.rows_per_second = Some(1);
    world.config.slot_check_interval = Duration::from_secs(1);
    world
        .postgres
        .edit(|server| server.table("accounts").partitions = Some(Vec::new()));
    for id in 1..20 {
        world.postgres.commit([("accounts", insert(id))]);
    }
    let attaching = async {
        world.steps.until(|| !reads(&world).is_empty()).await;
        attach(&world);
    };
    let ((), ()) = tokio::join!(run_until_attached_is_read(&world), attaching);
    let read = reads(&world);
    assert_eq!(read.len(), 19 + 3, "{read:?}");
}

#[tokio::test(start_paused = true)]
async fn attached_rows_are_not_read_if_the_settings_exclude_it() {
    let mut world = streaming().await;
    let before = reads(&world).len();
    world.config.snapshot.mode = SnapshotMode::Never;
    attach(&world);
    let noticed = world.steps.until(|| !kinds(&world).is_empty());
    world.run(noticed).await.expect("the connector runs and stops");
    assert_eq!(kinds(&world), [PartitionChangeKind::AttachedUnread]);
    assert_eq!(world.state.partitions.count(), 1);
    run_until_read(&world).await;
    assert_eq!(reads(&world).len(), before);
    assert_eq!(kinds(&world).len(), 1, "the change is reported once");
}

#[tokio::test(start_paused = true)]
async fn partitions_that_go_are_reported_once() {
    let world = streaming().await;
    let detaching = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        edit_partitions(&world, |partitions| {
            partitions.pop();
            for partition in partitions {
                partition.file = Oid::new(16_499);
            }
        });
        world.steps.until(|| kinds(&world).len() == 2).await;
    };
    world.run(detaching).await.expect("the connector runs and stops");
    let changes = [PartitionChangeKind::Dropped, PartitionChangeKind::Rewritten];
    assert_eq!(kinds(&world), changes);
    world.postgres.commit([("accounts", insert(2))]);
    run_until_read(&world).await;
    assert_eq!(kinds(&world), changes);
}
