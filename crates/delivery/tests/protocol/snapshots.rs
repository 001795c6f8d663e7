//! Existing rows: each is read once, after the transactions committed before its snapshot and before those committed later,
//! wherever the connector stops.

use std::collections::{BTreeMap, BTreeSet};

use walcast_delivery::SnapshotMode;
use walcast_pgoutput::Lsn;

use crate::fakes::{Act, Change, PostgresCall, TestFault, World, delete, insert, rows_at, update, verify};
use crate::mapping::{MOOD, mood};

/// A world with rows in its tables and without publication, slot and checkpoint.
pub(crate) fn filled() -> World {
    let mut world = World::new();
    world.config.snapshot.mode = SnapshotMode::Initial;
    for id in 1..=7 {
        world.postgres.commit([("accounts", insert(id))]);
    }
    world.postgres.commit([
        ("accounts", update(3)),
        ("orders", insert(1)),
        ("orders", insert(2)),
    ]);
    world.postgres.commit([("accounts", delete(5))]);
    world
}

/// Commits changes while rows are read.
pub(crate) fn write_more(world: &World) {
    world.postgres.commit([
        ("accounts", update(1)),
        ("accounts", insert(8)),
        ("orders", delete(2)),
    ]);
}

/// Position of a record: its commit, or the snapshot of the row.
fn position(id: &str) -> Lsn {
    let (lsn, _) = split(id);
    lsn.parse().expect("an identity starts with a position")
}

/// Position of an identity, and the rest.
fn split(id: &str) -> (&str, &str) {
    let second = id.match_indices('/').nth(1).expect("an identity has three parts");
    let (lsn, rest) = id.split_at(second.0);
    (lsn, rest.trim_start_matches('/'))
}

/// Identities of rows that were read, without the position.
pub(crate) fn reads(world: &World) -> Vec<String> {
    world.kafka.read(|broker| {
        let reads = broker.committed_with_reads().filter(|record| record.is_read());
        reads.map(|record| split(&record.id).1.to_owned()).collect()
    })
}

/// Checks the invariants: records are in WAL order, no row is read twice, every row of a table is in its topic.
pub(crate) fn verify_rows(world: &World) {
    verify(world);
    let slot_lsn = world.delivery_start();
    world.kafka.read(|broker| {
        let records: Vec<_> = broker.committed_with_reads().collect();
        let positions: Vec<Lsn> = records.iter().map(|record| position(&record.id)).collect();
        assert!(
            positions.is_sorted(),
            "{:#?}",
            records.iter().map(|record| &record.id).collect::<Vec<_>>()
        );
        assert!(positions.iter().all(|position| *position >= slot_lsn));
    });
    let reads = reads(world);
    let distinct: BTreeSet<&String> = reads.iter().collect();
    assert_eq!(distinct.len(), reads.len(), "rows were read twice: {reads:#?}");
    let keys: BTreeMap<String, BTreeSet<Vec<u8>>> = world.kafka.read(|broker| {
        let mut keys: BTreeMap<String, BTreeSet<Vec<u8>>> = BTreeMap::new();
        for record in broker.committed_with_reads() {
            keys.entry(record.topic.clone())
                .or_default()
                .extend(record.key.clone());
        }
        keys
    });
    world.postgres.read(|server| {
        for table in server.tables.iter().filter(|table| table.captured) {
            for (_, row) in rows_at(server, table.oid, server.wal_end) {
                let id: u8 = row[0]
                    .as_deref()
                    .and_then(|id| id.parse().ok())
                    .expect("small numbers");
                // Zigzag encoding of Avro, after the magic byte and the schema id.
                let found = keys
                    .get(&format!("shop.public.{}", table.name.name))
                    .is_some_and(|keys| keys.iter().any(|key| key[5..] == [id * 2]));
                assert!(found, "row {id} of {} is missing", table.name.name);
            }
        }
    });
}

/// Records the position at which the slot was created.
pub(crate) fn record_slot_position(world: &World) {
    let created = world.postgres.read(|server| server.starts.first().copied());
    if let Some(lsn) = created {
        world.set_delivery_start(lsn);
    }
}

/// Runs until all rows and changes are delivered.
pub(crate) async fn deliver(world: &World) {
    let delivery = async {
        world
            .steps
            .until(|| {
                let is_read = world
                    .kafka
                    .checkpoint()
                    .is_some_and(|checkpoint| checkpoint.snapshot.is_none());
                is_read && world.postgres.read(|server| server.slot.is_some())
            })
            .await;
        world.all_delivered().await;
    };
    world.run(delivery).await.expect("the connector runs and stops");
    record_slot_position(world);
}

#[tokio::test(start_paused = true)]
async fn rows_precede_later_changes() {
    let world = filled();
    deliver(&world).await;
    write_more(&world);
    deliver(&world).await;
    verify_rows(&world);
    assert_eq!(reads(&world).len(), 8, "six accounts and two orders");
}

/// Postgres sends the labels of the moment, also within a snapshot that is older than they are.
#[tokio::test(start_paused = true)]
async fn rows_with_labels_newer_than_the_snapshot_are_read() {
    let world = filled();
    world.postgres.edit(|server| {
        let table = server.table("accounts");
        table.columns[1].type_oid = MOOD;
        table.types.insert(MOOD, mood(&["old"]));
    });
    deliver(&world).await;
    verify_rows(&world);
    assert_eq!(reads(&world).len(), 8, "six accounts and two orders");
    assert_eq!(world.registry.versions("shop.public.accounts-value").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn reads_no_rows_with_mode_never() {
    let mut world = filled();
    world.config.snapshot.mode = SnapshotMode::Never;
    deliver(&world).await;
    assert!(reads(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn initial_only_ends_after_reading() {
    let mut world = filled();
    world.config.snapshot.mode = SnapshotMode::InitialOnly;
    world
        .run(std::future::pending())
        .await
        .expect("the connector ends cleanly");
    assert_eq!(reads(&world).len(), 8);
    write_more(&world);
    world
        .run(std::future::pending())
        .await
        .expect("the connector ends cleanly");
    assert_eq!(world.kafka.read(|broker| broker.committed().count()), 0);
}

#[tokio::test(start_paused = true)]
async fn reads_rows_at_every_start_with_mode_always() {
    let mut world = filled();
    world.config.snapshot.mode = SnapshotMode::Always;
    deliver(&world).await;
    write_more(&world);
    // Every row is read again at the next start.
    let read_again = world.steps.until(|| reads(&world).len() == 8 + 8);
    world.run(read_again).await.expect("the connector runs and stops");
}

#[tokio::test(start_paused = true)]
async fn survives_interruption_at_any_step() {
    let mut steps = 0;
    loop {
        let world = filled();
        let was_interrupted = world.interrupt_after(steps, deliver(&world)).await.is_none();
        record_slot_position(&world);
        write_more(&world);
        deliver(&world).await;
        verify_rows(&world);
        if !was_interrupted {
            assert!(steps > 30, "only {steps} steps");
            break;
        }
        steps += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn interrupted_read_continues_from_a_later_snapshot() {
    for nth in 1..=4 {
        let world = filled();
        let connection_lost = Act::Fail(TestFault::transient("connection lost"));
        world
            .postgres
            .edit(|server| server.script.at(PostgresCall::Copy, nth, connection_lost));
        deliver(&world).await;
        write_more(&world);
        deliver(&world).await;
        verify_rows(&world);
        assert_eq!(
            world
                .postgres
                .read(|server| server.script.count(PostgresCall::TakeSnapshot)),
            1
        );
    }
}

#[tokio::test(start_paused = true)]
async fn end_of_a_hold_lets_changes_pass() {
    let mut world = filled();
    world.config.snapshot.rows_per_second = Some(1);
    world.config.snapshot.initial_hold_max = std::time::Duration::from_secs(2);
    world.config.snapshot.hold_max = std::time::Duration::from_secs(2);
    deliver(&world).await;
    write_more(&world);
    deliver(&world).await;
    verify_rows(&world);
    assert!(
        world
            .postgres
            .read(|server| server.script.count(PostgresCall::TakeSnapshot))
            >= 2
    );
}

#[tokio::test(start_paused = true)]
async fn dropped_table_is_skipped() {
    let world = filled();
    world.postgres.edit(|server| {
        server.script.at(
            PostgresCall::Copy,
            1,
            Act::Fail(TestFault::transient("connection lost")),
        );
    });
    let until_broken = world.steps.until(|| {
        world
            .postgres
            .read(|server| server.script.count(PostgresCall::Copy) > 0)
    });
    world
        .run(until_broken)
        .await
        .expect("the connector runs and stops");
    record_slot_position(&world);
    world.postgres.edit(|server| {
        server.tables.retain(|table| table.name.name != "orders");
        server.wal.iter_mut().for_each(|transaction| {
            transaction
                .changes
                .retain(|logged| logged.relation.name != "orders")
        });
    });
    deliver(&world).await;
    assert_eq!(reads(&world).len(), 6);
}

/// Changes committed between a snapshot and the read of its rows are delivered after the rows.
#[tokio::test(start_paused = true)]
async fn changes_after_a_snapshot_wait_for_its_rows() {
    for turns in 0..12 {
        let world = filled();
        let connection_lost = Act::Fail(TestFault::transient("connection lost"));
        world
            .postgres
            .edit(|server| server.script.at(PostgresCall::Copy, 2, connection_lost));
        let taken = || {
            world
                .postgres
                .read(|server| server.script.count(PostgresCall::TakeSnapshot) > 0)
        };
        let broken = || {
            world
                .postgres
                .read(|server| server.script.count(PostgresCall::Copy) > 1)
        };
        let writing = async {
            world.steps.until(broken).await;
            world.postgres.commit([("orders", insert(3))]);
            world.steps.until(taken).await;
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            write_more(&world);
            write_more_orders(&world);
        };
        let ((), ()) = tokio::join!(deliver(&world), writing);
        deliver(&world).await;
        verify_rows(&world);
    }
}

fn write_more_orders(world: &World) {
    world
        .postgres
        .commit([("orders", update(1)), ("accounts", update(2))]);
}

/// A line break in a value is escaped by the server; a line without ctid is no row.
#[tokio::test(start_paused = true)]
async fn row_that_cannot_be_decoded_ends_the_connector() {
    let world = filled();
    let broken = vec![Some("9".to_owned()), Some("two\nlines".to_owned())];
    world.postgres.commit([("accounts", Change::Insert(broken))]);
    let ended = world.run(std::future::pending::<()>()).await;
    let error = ended.expect_err("the connector fails");
    assert!(
        matches!(error, walcast_delivery::DeliveryError::CopiedRow { .. }),
        "{error}"
    );
}
