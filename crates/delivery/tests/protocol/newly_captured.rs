//! Tables that are captured later: they are published and their rows are read without a gap, wherever the connector stops.

use std::collections::BTreeSet;
use std::time::Duration;

use walcast_delivery::{
    CreateMissing, DeliveryError, Halt, Persistence, Selection, SnapshotCommand, SnapshotMode, SnapshotType,
};
use walcast_mapper::TableName;
use walcast_pgoutput::Lsn;

use crate::fakes::{PostgresCall, Table, TestFault, World, delete, insert, update};
use crate::snapshots::reads;

const ITEMS: u32 = 16_420;

/// A connector that has read its tables and is streaming.
pub(crate) async fn streaming() -> World {
    let mut world = World::new();
    world.config.snapshot.mode = SnapshotMode::Initial;
    world.config.slot_check_interval = Duration::from_secs(1);
    world.postgres.commit([("accounts", insert(1))]);
    run_until_read(&world).await;
    world
}

async fn run_until_read(world: &World) {
    let read = async {
        world.all_delivered().await;
        world.steps.until(|| is_read(world)).await;
    };
    world.run(read).await.expect("the connector runs and stops");
}

pub(crate) fn is_read(world: &World) -> bool {
    let checkpoint = world.kafka.checkpoint();
    checkpoint.is_some_and(|checkpoint| checkpoint.snapshot.is_none())
}

/// Adds a table with rows that is not published.
pub(crate) fn add_items(world: &World) {
    world.postgres.edit(|server| {
        server.tables.push(Table {
            published_since: Lsn::MAX,
            ..Table::new("items", ITEMS)
        });
    });
    world
        .postgres
        .commit([("items", insert(1)), ("items", insert(2)), ("items", insert(3))]);
    world
        .postgres
        .commit([("items", update(2)), ("items", delete(3))]);
}

fn name() -> TableName {
    TableName {
        namespace: "public".to_owned(),
        name: "items".to_owned(),
    }
}

pub(crate) fn is_published(world: &World) -> bool {
    world.postgres.read(|server| {
        let publication = server.publication.as_ref();
        publication.is_some_and(|publication| publication.tables.contains(&name()))
    })
}

/// Checks that every row of the table is in the topic.
pub(crate) fn verify_items(world: &World) {
    let keys: BTreeSet<u8> = world.kafka.read(|broker| {
        broker
            .committed_with_reads()
            .filter(|record| record.topic == "shop.public.items")
            .filter_map(|record| Some(record.key.clone()?[5] / 2))
            .collect()
    });
    let ids: BTreeSet<u8> = world.postgres.read(|server| {
        crate::fakes::rows_at(server, walcast_pgoutput::Oid::new(ITEMS), server.wal_end)
            .iter()
            .map(|(_, row)| {
                row[0]
                    .as_deref()
                    .and_then(|id| id.parse().ok())
                    .expect("a small number")
            })
            .collect()
    });
    assert!(
        keys.is_superset(&ids),
        "{ids:?} are in the table, {keys:?} in the topic"
    );
}

pub(crate) async fn capture_items(world: &World) {
    let captured = async {
        world
            .steps
            .until(|| {
                let read = reads(world);
                is_published(world) && is_read(world) && read.iter().any(|id| id.starts_with("16420"))
            })
            .await;
        world.all_delivered().await;
    };
    world.run(captured).await.expect("the connector runs and stops");
}

#[tokio::test(start_paused = true)]
async fn publishes_and_reads_a_new_table_while_streaming() {
    let world = streaming().await;
    let appearing = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        add_items(&world);
    };
    let ((), ()) = tokio::join!(capture_items(&world), appearing);
    world.postgres.commit([("items", insert(9))]);
    run_until_read(&world).await;
    verify_items(&world);
    let starts = world.postgres.read(|server| server.starts.len());
    assert_eq!(starts, 3, "the stream was restarted for the table");
}

/// A table without a key only causes a warning: publishing it would break the application's writes.
#[tokio::test(start_paused = true)]
async fn table_without_key_does_not_block_other_tables() {
    let world = streaming().await;
    let appearing = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.postgres.edit(|server| {
            server.tables.push(Table {
                published_since: Lsn::MAX,
                identifies_rows: false,
                ..Table::new("keyless", 16_430)
            });
        });
        tokio::time::sleep(Duration::from_secs(5)).await;
        add_items(&world);
    };
    let ((), ()) = tokio::join!(capture_items(&world), appearing);
    verify_items(&world);
    let published = world
        .postgres
        .read(|server| server.table_ref("keyless").published_since);
    assert_eq!(published, Lsn::MAX);
}

#[tokio::test(start_paused = true)]
async fn captures_added_tables_at_the_next_start() {
    let world = streaming().await;
    add_items(&world);
    capture_items(&world).await;
    verify_items(&world);
    assert_eq!(reads(&world).len(), 3);
    run_until_read(&world).await;
    assert_eq!(reads(&world).len(), 3, "the rows are read once");
}

#[tokio::test(start_paused = true)]
async fn survives_interruption_at_any_step() {
    let mut steps = 0;
    loop {
        let world = streaming().await;
        add_items(&world);
        let was_interrupted = world
            .interrupt_after(steps, capture_items(&world))
            .await
            .is_none();
        world
            .postgres
            .commit([("items", insert(7)), ("items", delete(1))]);
        capture_items(&world).await;
        verify_items(&world);
        if !was_interrupted {
            assert!(steps > 30, "only {steps} steps");
            break;
        }
        steps += 1;
    }
}

/// Changes of a table that was removed from the publication are missing: reading its rows does not restore them.
#[tokio::test(start_paused = true)]
async fn table_removed_from_the_publication_halts() {
    let world = streaming().await;
    add_items(&world);
    capture_items(&world).await;
    world.postgres.edit(|server| {
        let publication = server.publication.as_mut().expect("the publication exists");
        publication.tables.retain(|table| *table != name());
    });
    let error = world.run_to_end().await;
    assert!(
        matches!(&error, DeliveryError::Halt(Halt::NotCovered { finding, .. })
            if matches!(**finding, Halt::NotPublished { .. })),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn reads_a_table_published_by_hand_without_auto_create() {
    let mut world = streaming().await;
    // The publication is not altered either if only the slot is created.
    world.config.create_missing = CreateMissing::Slot;
    let by_hand = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        add_items(&world);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!is_published(&world));
        world.postgres.edit(|server| drop(server.publish(&[name()])));
    };
    let ((), ()) = tokio::join!(capture_items(&world), by_hand);
    verify_items(&world);
}

/// A table that was never captured is no reason to stop those that are: not at a start either.
#[tokio::test(start_paused = true)]
async fn start_without_auto_create_waits_for_a_table_to_be_published() {
    let mut world = streaming().await;
    world.config.create_missing = CreateMissing::Neither;
    add_items(&world);
    world.postgres.commit([("accounts", insert(5))]);
    let by_hand = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!is_published(&world));
        world.postgres.edit(|server| drop(server.publish(&[name()])));
    };
    let ((), ()) = tokio::join!(capture_items(&world), by_hand);
    verify_items(&world);
}

/// Tables that cannot be published and never were are left out at every start.
#[tokio::test(start_paused = true)]
async fn start_leaves_out_tables_that_cannot_be_published() {
    let world = streaming().await;
    world.postgres.edit(|server| {
        for (name, oid, identifies_rows, persistence) in [
            ("backup", 16_430, false, Persistence::Permanent),
            ("staging", 16_431, true, Persistence::Unlogged),
        ] {
            server.tables.push(Table {
                published_since: Lsn::MAX,
                identifies_rows,
                persistence,
                ..Table::new(name, oid)
            });
        }
    });
    for id in 5..8 {
        world.postgres.commit([("accounts", insert(id))]);
        run_until_read(&world).await;
    }
    let published = world.postgres.read(|server| server.publication.clone());
    let tables = published.expect("the publication exists").tables;
    assert!(
        !tables
            .iter()
            .any(|table| ["backup", "staging"].contains(&table.name.as_str()))
    );
}

/// A table of another owner is tried again: once the privilege is granted, it is captured.
#[tokio::test(start_paused = true)]
async fn refused_table_is_published_again_later_and_at_a_start() {
    for is_running in [true, false] {
        let world = streaming().await;
        world.postgres.edit(|server| server.unpublishable = vec![name()]);
        if !is_running {
            add_items(&world);
            world.postgres.commit([("accounts", insert(5))]);
            run_until_read(&world).await;
            assert!(!is_published(&world) && is_read(&world));
        }
        let granted = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            if is_running {
                add_items(&world);
            }
            tokio::time::sleep(Duration::from_secs(20)).await;
            assert!(!is_published(&world));
            world.postgres.edit(|server| server.unpublishable.clear());
        };
        let ((), ()) = tokio::join!(capture_items(&world), granted);
        verify_items(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn failed_publication_of_a_table_does_not_end_the_stream() {
    let world = streaming().await;
    world.postgres.edit(|server| server.unpublishable = vec![name()]);
    let appearing = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        add_items(&world);
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(!is_published(&world) && is_read(&world));
        // The owner publishes the table.
        world.postgres.edit(|server| {
            server.unpublishable.clear();
            drop(server.publish(&[name()]));
        });
    };
    let ((), ()) = tokio::join!(capture_items(&world), appearing);
    verify_items(&world);
    let attempts = world
        .postgres
        .read(|server| server.script.count(PostgresCall::Publish));
    assert_eq!(attempts, 1);
}

/// Rows that the connector may not read wait until it may, and the other tables are delivered.
#[tokio::test(start_paused = true)]
async fn denied_rows_are_read_once_that_is_allowed() {
    let world = streaming().await;
    for nth in 1..=3 {
        let denied = TestFault::denied("permission denied for table items");
        world.postgres.fail(PostgresCall::OpenTable, nth, denied);
    }
    let before = world.postgres.count(PostgresCall::OpenTable);
    let appearing = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        add_items(&world);
        let is_tried = || world.postgres.count(PostgresCall::OpenTable) > before + 1;
        world.steps.until(is_tried).await;
        assert!(!is_read(&world));
        world.insert_delivered(2).await;
    };
    let ((), ()) = tokio::join!(capture_items(&world), appearing);
    verify_items(&world);
    assert_eq!(world.postgres.count(PostgresCall::OpenTable), before + 4);
}

/// On a server that omits changes of newly published tables, the stream restarts behind the transactions that ran during the
/// publication.
#[tokio::test(start_paused = true)]
async fn restarts_the_stream_before_reading_on_old_servers() {
    let world = streaming().await;
    world.postgres.edit(|server| server.server_version = 160_008);
    let appearing = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        add_items(&world);
    };
    let ((), ()) = tokio::join!(capture_items(&world), appearing);
    verify_items(&world);
    world.postgres.read(|server| {
        let published = server.table_ref("items").published_since;
        let last = server.starts.last().expect("a stream was started");
        assert!(*last > published, "started at {last}, published at {published}");
        assert_eq!(server.starts.len(), 3);
    });
    let world = streaming().await;
    world.postgres.edit(|server| server.server_version = 160_008);
    add_items(&world);
    capture_items(&world).await;
    verify_items(&world);
}

/// A request that stops the read of a newly published table does not cancel the restart of the stream.
#[tokio::test(start_paused = true)]
async fn restarts_the_stream_for_a_stopped_read_on_old_servers() {
    let mut world = streaming().await;
    world.config.snapshot.rows_per_second = Some(1);
    world.postgres.edit(|server| server.server_version = 160_008);
    for id in 2..12 {
        world.postgres.commit([("accounts", insert(id))]);
    }
    let is_recorded = || {
        let progress = world
            .kafka
            .checkpoint()
            .and_then(|checkpoint| checkpoint.snapshot);
        let mut tables = progress.iter().flat_map(|progress| &progress.tables);
        is_published(&world) && tables.any(|table| table.table() == name())
    };
    let items = || name().to_string().parse().expect("a pattern");
    let read = |tables| SnapshotCommand::Start {
        tables: vec![Selection {
            tables,
            filter: None,
            dead_letters: Vec::new(),
            former_keys: Vec::new(),
        }],
        marks: SnapshotType::Incremental,
        id: None,
    };
    let requests = async {
        world.all_delivered().await;
        let control = world.control();
        let accounts = "public.accounts".parse().expect("a pattern");
        control.ask(read(accounts)).await.expect("the read starts");
        add_items(&world);
        world.steps.until(is_recorded).await;
        let stop = SnapshotCommand::Stop {
            tables: vec![items()],
        };
        control.ask(stop.clone()).await.expect("the read stops");
        let again = control
            .ask(stop)
            .await
            .expect_err("the table is no longer being read");
        assert!(again.to_string().contains("public.items"), "{again}");
        control.ask(read(items())).await.expect("the read starts again");
        world.steps.until(|| is_read(&world)).await;
        world.all_delivered().await;
    };
    world.run(requests).await.expect("the connector runs and stops");
    verify_items(&world);
    world.postgres.read(|server| {
        let published = server.table_ref("items").published_since;
        let last = server.starts.last().expect("a stream was started");
        assert!(*last > published, "started at {last}, published at {published}");
    });
}

/// The stream restarts even if rows are not read.
#[tokio::test(start_paused = true)]
async fn restarts_the_stream_without_reading_on_old_servers() {
    let mut world = streaming().await;
    world.config.snapshot.mode = SnapshotMode::Never;
    world.postgres.edit(|server| server.server_version = 160_008);
    let appearing = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        add_items(&world);
    };
    let restarted = async {
        world
            .steps
            .until(|| world.postgres.read(|server| server.starts.len() == 3) && is_read(&world))
            .await;
        world.postgres.commit([("items", insert(9))]);
        world.all_delivered().await;
    };
    let (outcome, ()) = tokio::join!(world.run(restarted), appearing);
    outcome.expect("the connector runs and stops");
    let delivered = world.kafka.read(|broker| {
        let records = broker.committed_with_reads();
        records
            .filter(|record| record.topic == "shop.public.items")
            .count()
    });
    assert_eq!(delivered, 1, "the change after the restart, and no row");
}

/// The slot lacks changes after the checkpoint: with `when_needed` all tables are read again.
#[tokio::test(start_paused = true)]
async fn rereads_tables_when_needed_after_slot_loss() {
    type Damage = fn(&World);
    let damages: [Damage; 3] = [
        |world| world.postgres.edit(|server| server.slot = None),
        |world| {
            world.postgres.edit(|server| {
                let slot = server.slot.as_mut().expect("the slot exists");
                slot.invalidation_reason = Some("wal_removed".to_owned());
            });
        },
        |world| {
            world.postgres.edit(|server| {
                let end = server.wal_end;
                let slot = server.slot.as_mut().expect("the slot exists");
                slot.confirmed_flush_lsn = Some(end);
            });
        },
    ];
    for damage in damages {
        let mut world = streaming().await;
        world
            .postgres
            .commit([("accounts", insert(2)), ("orders", insert(1))]);
        damage(&world);
        let error = world.run_to_end().await;
        assert!(matches!(error, DeliveryError::Halt(_)), "{error}");
        world.config.snapshot.mode = SnapshotMode::WhenNeeded;
        let read_again = world
            .steps
            .until(|| reads(&world).len() == 1 + 3 && is_read(&world));
        world.run(read_again).await.expect("the connector runs and stops");
        // Later starts read no rows and stream changes.
        world.postgres.commit([("accounts", insert(3))]);
        run_until_read(&world).await;
        assert_eq!(reads(&world).len(), 4);
    }
}
