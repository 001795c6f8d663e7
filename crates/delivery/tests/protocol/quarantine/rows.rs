//! Existing rows that cannot be delivered quarantine their table as changes do.

use walcast_delivery::{DeliveryError, Halt, OnError, QuarantineReason, SnapshotMode};

use super::{quarantine, quarantines, unmappable};
use crate::fakes::{PostgresCall, Skipped, TestFault, World, insert, update, verify};
use crate::snapshots::{deliver, reads, record_slot_position};
use walcast_pgoutput::Lsn;

/// A world with rows of two tables, one of which in `orders` cannot be mapped, and without slot and checkpoint.
fn filled() -> World {
    let mut world = World::new();
    world.config.dead_letters.on_error = OnError::Quarantine;
    world.config.snapshot.mode = SnapshotMode::Initial;
    world.postgres.commit([
        ("accounts", insert(1)),
        ("accounts", insert(2)),
        ("orders", insert(1)),
        ("orders", insert(2)),
        ("orders", unmappable()),
        ("orders", insert(4)),
    ]);
    world
}

fn reads_of(world: &World, oid: &str) -> usize {
    reads(world).iter().filter(|row| row.starts_with(oid)).count()
}

/// Expects no change of `orders`.
fn skip_orders(world: &World) {
    world.skipped.set(Some(Skipped {
        table: "orders",
        from: Lsn::INVALID,
        until: Lsn::MAX,
    }));
}

#[tokio::test(start_paused = true)]
async fn row_that_cannot_be_mapped_quarantines_its_table_after_any_interruption() {
    for steps in 0.. {
        let world = filled();
        skip_orders(&world);
        let was_interrupted = world.interrupt_after(steps, deliver(&world)).await.is_none();
        record_slot_position(&world);
        deliver(&world).await;
        world
            .postgres
            .commit([("accounts", update(2)), ("orders", update(1))]);
        deliver(&world).await;
        verify(&world);
        let quarantine = quarantine(&world);
        assert!(quarantine.of_rows && quarantine.is_skipping());
        assert_eq!(quarantine.reason, QuarantineReason::Mapping);
        assert_eq!(
            reads_of(&world, "16400"),
            2,
            "all rows of accounts are read, once"
        );
        assert!(
            reads_of(&world, "16410") <= 2,
            "no row behind the one that failed is read"
        );
        if !was_interrupted {
            assert!(steps > 30, "only {steps} steps");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn table_whose_rows_cannot_be_read_is_quarantined() {
    let mut world = World::new();
    world.config.dead_letters.on_error = OnError::Quarantine;
    world.config.snapshot.mode = SnapshotMode::Initial;
    world
        .postgres
        .commit([("accounts", insert(1)), ("orders", insert(1))]);
    world
        .postgres
        .fail(PostgresCall::OpenTable, 2, TestFault::about_rows("invalid page"));
    skip_orders(&world);
    deliver(&world).await;
    world
        .postgres
        .commit([("accounts", update(1)), ("orders", update(1))]);
    deliver(&world).await;
    verify(&world);
    assert_eq!(quarantine(&world).reason, QuarantineReason::Rows);
    assert_eq!(reads_of(&world, "16400"), 1);
    assert_eq!(reads_of(&world, "16410"), 0);
}

#[tokio::test(start_paused = true)]
async fn unreadable_rows_halt_without_the_setting() {
    let mut world = World::new();
    world.config.snapshot.mode = SnapshotMode::Initial;
    world.postgres.commit([("orders", insert(1))]);
    world
        .postgres
        .fail(PostgresCall::OpenTable, 2, TestFault::about_rows("invalid page"));
    let error = world.run_to_end().await;
    assert_eq!(error.origin(), "postgres");
    assert!(quarantines(&world).is_empty());
}

/// A connector that only reads rows does not end as if all of them were read.
#[tokio::test(start_paused = true)]
async fn reading_only_ends_with_the_tables_whose_rows_are_missing() {
    let mut world = filled();
    world.config.snapshot.mode = SnapshotMode::InitialOnly;
    for _ in 0..2 {
        let error = world.run_to_end().await;
        let DeliveryError::Halt(Halt::RowsMissing { tables }) = &error else {
            panic!("{error}");
        };
        let tables: Vec<String> = tables.iter().map(ToString::to_string).collect();
        assert_eq!(tables, ["public.orders"]);
        assert_eq!(reads_of(&world, "16400"), 2, "the other table is read, once");
        assert!(quarantine(&world).is_skipping());
    }
}
