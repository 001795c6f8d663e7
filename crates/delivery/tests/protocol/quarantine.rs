//! A table of which a change or a row cannot be delivered is quarantined: the other tables are delivered, and the table is complete
//! once it was resumed and read, wherever the connector stops.

mod leaving;
mod rows;

use std::collections::BTreeMap;

use walcast_delivery::{ConnectorState, OnError, Quarantine, QuarantineReason, TableState};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid};

use crate::fakes::{
    Act, CONNECTION_LOST, Change, KafkaCall, Skipped, TestFault, Transaction, World, checkpoint, delete,
    delivered_ids, insert, insert_padded, rows_at, update, verify, verify_so_far,
};

/// Size of a row above the broker's limit.
const LARGE: usize = 5_000;

const ORDERS: Oid = Oid::new(16_410);

/// A world in which every table can be quarantined.
fn world_with_quarantine() -> World {
    let mut world = World::set_up();
    world.config.dead_letters.on_error = OnError::Quarantine;
    world
}

/// Limits the size of records; the broker reports the limit only if `is_reported`.
fn limit_records(world: &World, bytes_max: Option<usize>, is_reported: bool) {
    world.kafka.edit(|broker| {
        broker.record_bytes_max = bytes_max;
        broker.reported_bytes_max = bytes_max.filter(|_| is_reported);
    });
}

fn unmappable() -> Change {
    Change::Insert(vec![Some("one".to_owned()), None])
}

/// Commits changes around one of `orders` that cannot be delivered, and returns the transaction of that change, its third.
fn write_undeliverable(world: &World, undeliverable: Change) -> Transaction {
    world
        .postgres
        .commit([("orders", insert(1)), ("accounts", insert(1))]);
    let failed = world.postgres.commit([
        ("accounts", insert(2)),
        ("orders", insert(2)),
        ("orders", undeliverable),
        ("orders", insert(4)),
        ("accounts", insert(3)),
    ]);
    world
        .postgres
        .commit([("orders", delete(1)), ("accounts", update(1))]);
    world.postgres.commit([("orders", update(2))]);
    world.postgres.commit([("accounts", delete(2))]);
    skip_from(world, &failed);
    failed
}

/// Expects changes of `orders` to be skipped from the third change of a transaction on.
fn skip_from(world: &World, failed: &Transaction) {
    world.skipped.set(Some(Skipped {
        table: "orders",
        from: failed.changes[2].lsn,
        until: Lsn::MAX,
    }));
}

fn quarantines(world: &World) -> BTreeMap<Oid, Quarantine> {
    world.kafka.read(|broker| broker.checkpoint_log().quarantines)
}

/// The quarantine of `orders`, which is the only one.
fn quarantine(world: &World) -> Quarantine {
    let mut all = quarantines(world);
    let quarantine = all.remove(&ORDERS).expect("orders is quarantined");
    assert!(all.is_empty(), "{all:?}");
    quarantine
}

fn state_of_orders(world: &World) -> TableState {
    let orders = TableName {
        namespace: "public".to_owned(),
        name: "orders".to_owned(),
    };
    world.state.table_states()[&orders].clone()
}

/// Checks that the last record of each key of `orders` is the row of the table now.
fn verify_orders(world: &World) {
    let last: BTreeMap<Vec<u8>, Option<Vec<u8>>> = world.kafka.read(|broker| {
        let records = broker.committed_with_reads();
        let records = records.filter(|record| record.topic == "shop.public.orders");
        records
            .map(|record| {
                let key = record.key.as_ref().expect("orders has a key");
                // After the magic byte and the schema id.
                (key[5..].to_vec(), record.value.clone())
            })
            .collect()
    });
    world.postgres.read(|server| {
        for (_, row) in rows_at(server, ORDERS, server.wal_end) {
            let id: u8 = row[0].as_deref().and_then(|id| id.parse().ok()).expect("small");
            let value = last
                .get(&vec![id * 2])
                .and_then(Option::as_ref)
                .unwrap_or_else(|| panic!("row {id} is missing"));
            let note = row[1].as_deref().expect("rows have notes").as_bytes();
            let is_newest = value.windows(note.len()).any(|part| part == note);
            assert!(is_newest, "row {id} is not the newest in the topic");
        }
    });
}

#[tokio::test(start_paused = true)]
async fn table_of_an_unmappable_row_is_quarantined_and_others_are_delivered() {
    let world = world_with_quarantine();
    let failed = write_undeliverable(&world, unmappable());
    world.deliver().await;
    let quarantine = quarantine(&world);
    assert_eq!(quarantine.since.commit_lsn, failed.commit_lsn);
    assert_eq!(quarantine.since.ordinal.as_u64(), 2);
    assert_eq!(quarantine.lsn, failed.changes[2].lsn);
    assert_eq!(quarantine.reason, QuarantineReason::Mapping);
    assert!(quarantine.error.contains("column id of public.orders"));
    assert!(quarantine.is_skipping() && !quarantine.of_rows);
    assert!(matches!(state_of_orders(&world), TableState::Quarantined(_)));
    assert_eq!(world.postgres.read(|server| server.starts.len()), 1);
}

/// The default is to halt, for tables that no rule matches as well.
#[tokio::test(start_paused = true)]
async fn table_without_the_setting_halts() {
    let world = World::set_up();
    world.postgres.commit([("orders", unmappable())]);
    let error = world.run_to_end().await;
    assert_eq!(error.origin(), "mapping");
    assert!(quarantines(&world).is_empty() && delivered_ids(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn crash_at_any_step_of_entering_loses_and_duplicates_nothing() {
    for steps in 0.. {
        let world = world_with_quarantine();
        world.postgres.edit(|server| server.frames_per_block = 2);
        write_undeliverable(&world, unmappable());
        let was_interrupted = world.crash_after(steps).await;
        verify_so_far(&world);
        world
            .postgres
            .commit([("orders", insert(9)), ("accounts", insert(9))]);
        world.deliver().await;
        assert_eq!(quarantine(&world).reason, QuarantineReason::Mapping);
        if !was_interrupted {
            assert!(steps > 20, "only {steps} steps");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn sink_failure_at_any_call_of_entering_loses_and_duplicates_nothing() {
    for call in [
        KafkaCall::Write,
        KafkaCall::Commit,
        KafkaCall::EnsureTopic,
        KafkaCall::Limits,
    ] {
        for nth in 1..=3 {
            for act in [Act::Fail(CONNECTION_LOST), Act::ApplyThenFail(CONNECTION_LOST)] {
                let world = world_with_quarantine();
                write_undeliverable(&world, unmappable());
                world.kafka.edit(|broker| broker.script.at(call, nth, act));
                world.deliver().await;
                quarantine(&world);
            }
        }
    }
}

/// The part of a split transaction that is committed has the change that is skipped: the reason is stored with that part.
#[tokio::test(start_paused = true)]
async fn split_transaction_stores_the_quarantine_with_the_part_that_skips_the_change() {
    for steps in 0.. {
        let mut world = world_with_quarantine();
        world.config.split_over_bytes = Some(150_000);
        let mut changes = vec![
            ("accounts", insert_padded(1, 100_000)),
            ("orders", insert_padded(1, 100_000)),
            ("orders", unmappable()),
        ];
        for id in 2..8 {
            changes.push(("accounts", insert_padded(id, 100_000)));
            // This change could be delivered, and must not be behind the one that is missing.
            changes.push(("orders", insert(id)));
        }
        let failed = world.postgres.commit(changes);
        skip_from(&world, &failed);
        let was_interrupted = world.crash_after(steps).await;
        verify_so_far(&world);
        world.deliver().await;
        assert_eq!(quarantine(&world).since.ordinal.as_u64(), 2);
        if !was_interrupted {
            assert!(steps > 20, "only {steps} steps");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn quarantine_survives_restarts() {
    let mut world = world_with_quarantine();
    let failed = write_undeliverable(&world, unmappable());
    world.deliver().await;
    for id in 10..13 {
        world
            .postgres
            .commit([("orders", insert(id)), ("accounts", insert(id))]);
        world.state = ConnectorState::default();
        world.deliver().await;
        assert_eq!(quarantine(&world).since.commit_lsn, failed.commit_lsn);
        assert!(matches!(state_of_orders(&world), TableState::Quarantined(_)));
    }
}

/// The limit is known only to the broker: the change comes again, and its table is quarantined then.
#[tokio::test(start_paused = true)]
async fn record_that_only_the_broker_rejects_quarantines_its_table() {
    let world = world_with_quarantine();
    limit_records(&world, Some(LARGE), false);
    write_undeliverable(&world, insert_padded(3, LARGE));
    world.deliver().await;
    assert_eq!(quarantine(&world).reason, QuarantineReason::Size);
    assert_eq!(world.postgres.read(|server| server.starts.len()), 2);
}

#[tokio::test(start_paused = true)]
async fn rejected_schema_quarantines_its_table() {
    let world = world_with_quarantine();
    world.registry.plan(1, Act::Fail(TestFault::incompatible()));
    let failed = world
        .postgres
        .commit([("orders", insert(1)), ("accounts", insert(1))]);
    world.postgres.commit([("accounts", insert(2))]);
    world.skipped.set(Some(Skipped {
        table: "orders",
        from: failed.changes[0].lsn,
        until: Lsn::MAX,
    }));
    world.deliver().await;
    assert_eq!(quarantine(&world).reason, QuarantineReason::Schema);
}

/// An unavailable registry is waited for.
#[tokio::test(start_paused = true)]
async fn unavailable_registry_quarantines_nothing() {
    let world = world_with_quarantine();
    world
        .registry
        .plan(1, Act::Fail(TestFault::transient("registry is unavailable")));
    world.postgres.commit([("orders", insert(1))]);
    world.deliver().await;
    assert!(quarantines(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn topic_that_cannot_be_used_quarantines_its_table() {
    for call in [KafkaCall::EnsureTopic, KafkaCall::Write] {
        let world = world_with_quarantine();
        world.postgres.commit([("accounts", insert(1))]);
        world.deliver().await;
        world
            .kafka
            .fail(call, 1, TestFault::topic_unusable("shop.public.orders"));
        let failed = world
            .postgres
            .commit([("orders", insert(1)), ("accounts", update(1))]);
        world.skipped.set(Some(Skipped {
            table: "orders",
            from: failed.changes[0].lsn,
            until: Lsn::MAX,
        }));
        world.deliver().await;
        assert_eq!(quarantine(&world).reason, QuarantineReason::Topic, "{call:?}");
    }
}

/// At a position before the first missing change nothing was skipped: the change is tried again.
#[tokio::test(start_paused = true)]
async fn moving_the_connector_before_the_quarantine_ends_it() {
    let world = world_with_quarantine();
    limit_records(&world, Some(LARGE), true);
    let failed = write_undeliverable(&world, insert_padded(3, LARGE));
    world.deliver().await;
    quarantine(&world);
    limit_records(&world, None, false);
    world.put_checkpoint(checkpoint(failed.changes[0].lsn));
    world.postgres.edit(|server| {
        server.slot.as_mut().expect("a slot").confirmed_flush_lsn = Some(failed.changes[0].lsn)
    });
    world.postgres.commit([("accounts", insert(8))]);
    world.run(world.all_delivered()).await.expect("it runs and stops");
    assert!(quarantines(&world).is_empty());
    let id = format!("{}/2", failed.commit_lsn);
    assert_eq!(delivered_ids(&world).iter().filter(|one| **one == id).count(), 1);
    world.skipped.set(None);
    verify_orders(&world);
}

/// All changes after a quarantine are delivered again as soon as it has ended, and none before.
fn skip_until_first_delivered(world: &World, failed: &Transaction) {
    let resumed = world.kafka.read(|broker| {
        let orders = broker.committed();
        let orders = orders.filter(|record| record.topic == "shop.public.orders");
        let commits = orders.filter_map(|record| record.id.rsplit_once('/')?.0.parse::<Lsn>().ok());
        commits.filter(|commit| *commit > failed.commit_lsn).min()
    });
    world.skipped.set(Some(Skipped {
        table: "orders",
        from: failed.changes[2].lsn,
        until: resumed.unwrap_or(Lsn::MAX),
    }));
    verify(world);
}
