//! Tables that are captured later: published, and their rows read, without a gap wherever the connector is cut off.

use std::collections::BTreeSet;
use std::time::Duration;

use walcast_delivery::{DeliveryError, Halt, Marks, Selection, SnapshotCommand, SnapshotMode};
use walcast_mapper::TableName;
use walcast_pgoutput::Lsn;

use crate::fakes::{Act, PostgresCall, Table, TestFault, World, delete, insert, update};
use crate::snapshots::reads;

const ITEMS: u32 = 16_420;

/// A connector that has read its tables and streams.
async fn streaming() -> World {
    let mut world = World::new();
    world.config.snapshot.mode = SnapshotMode::Initial;
    world.config.watch_interval = Duration::from_secs(1);
    world.postgres.commit([("accounts", insert(1))]);
    run_until_read(&world).await;
    world
}

async fn run_until_read(world: &World) {
    let read = async {
        world.everything_delivered().await;
        world.steps.until(|| is_read(world)).await;
    };
    world.run(read).await.expect("the connector runs and stops");
}

fn is_read(world: &World) -> bool {
    let checkpoint = world.kafka.checkpoint();
    checkpoint.is_some_and(|checkpoint| checkpoint.snapshot.is_none())
}

/// A table with rows that nobody has published.
fn add_items(world: &World) {
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

fn is_published(world: &World) -> bool {
    world.postgres.read(|server| {
        let publication = server.publication.as_ref();
        publication.is_some_and(|publication| publication.tables.contains(&name()))
    })
}

/// Every row that is in the table is in the topic.
fn verify_items(world: &World) {
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

async fn take_up(world: &World) {
    let taken_up = async {
        world
            .steps
            .until(|| {
                let read = reads(world);
                is_published(world) && is_read(world) && read.iter().any(|id| id.starts_with("16420"))
            })
            .await;
        world.everything_delivered().await;
    };
    world.run(taken_up).await.expect("the connector runs and stops");
}

#[tokio::test(start_paused = true)]
async fn a_table_that_appears_is_published_and_read_while_streaming() {
    let world = streaming().await;
    let appearing = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        add_items(&world);
    };
    let ((), ()) = tokio::join!(take_up(&world), appearing);
    world.postgres.commit([("items", insert(9))]);
    run_until_read(&world).await;
    verify_items(&world);
    let starts = world.postgres.read(|server| server.starts.len());
    assert_eq!(starts, 3, "the stream was not begun anew for it");
}

/// A table without key is warned of, and in nobody's way: publishing it would break the application.
#[tokio::test(start_paused = true)]
async fn a_table_without_key_does_not_keep_others_from_being_taken_up() {
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
    let ((), ()) = tokio::join!(take_up(&world), appearing);
    verify_items(&world);
    let published = world
        .postgres
        .read(|server| server.table_ref("keyless").published_since);
    assert_eq!(published, Lsn::MAX);
}

#[tokio::test(start_paused = true)]
async fn a_wider_configuration_is_taken_up_at_the_next_start() {
    let world = streaming().await;
    add_items(&world);
    take_up(&world).await;
    verify_items(&world);
    assert_eq!(reads(&world).len(), 3);
    run_until_read(&world).await;
    assert_eq!(reads(&world).len(), 3, "it is read once");
}

#[tokio::test(start_paused = true)]
async fn it_can_be_cut_off_at_any_step() {
    let mut steps = 0;
    loop {
        let world = streaming().await;
        add_items(&world);
        let was_cut_off = world.cut_off_after(steps, take_up(&world)).await.is_none();
        world
            .postgres
            .commit([("items", insert(7)), ("items", delete(1))]);
        take_up(&world).await;
        verify_items(&world);
        if !was_cut_off {
            assert!(steps > 30, "there is more to be cut off than {steps} steps");
            break;
        }
        steps += 1;
    }
}

/// Once it was published and is not any more, changes are missing: that is not healed by reading rows.
#[tokio::test(start_paused = true)]
async fn a_table_that_somebody_took_out_still_halts() {
    let world = streaming().await;
    add_items(&world);
    take_up(&world).await;
    world.postgres.edit(|server| {
        let publication = server.publication.as_mut().expect("there is one");
        publication.tables.retain(|table| *table != name());
    });
    let error = world.run_to_its_end().await;
    assert!(
        matches!(&error, DeliveryError::Halt(Halt::NotCovered { finding, .. })
            if matches!(**finding, Halt::NotPublished { .. })),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn where_nothing_may_be_created_whoever_publishes_it_has_it_read() {
    let mut world = streaming().await;
    world.config.create_missing = false;
    let by_hand = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        add_items(&world);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!is_published(&world));
        world.postgres.edit(|server| server.publish(&[name()]));
    };
    let ((), ()) = tokio::join!(take_up(&world), by_hand);
    verify_items(&world);
    // The same while it is stopped.
    let error = {
        let world = streaming_without_creating().await;
        add_items(&world);
        world.run_to_its_end().await
    };
    assert!(
        matches!(error, DeliveryError::Halt(Halt::NotCovered { .. })),
        "{error}"
    );
}

async fn streaming_without_creating() -> World {
    let mut world = streaming().await;
    world.config.create_missing = false;
    world
}

#[tokio::test(start_paused = true)]
async fn a_table_that_may_not_be_published_does_not_end_the_stream() {
    let world = streaming().await;
    world.postgres.edit(|server| {
        let fault = Act::Fail(TestFault::about_rows("must be owner of table items"));
        server.script.at(PostgresCall::Publish, 1, fault);
    });
    let appearing = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        add_items(&world);
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(!is_published(&world) && is_read(&world));
        // Its owner does it.
        world.postgres.edit(|server| server.publish(&[name()]));
    };
    let ((), ()) = tokio::join!(take_up(&world), appearing);
    verify_items(&world);
    let asked = world
        .postgres
        .read(|server| server.script.count(PostgresCall::Publish));
    assert_eq!(asked, 1);
}

/// A server that forgets needs a stream that was begun behind the transactions which ran while it was published.
#[tokio::test(start_paused = true)]
async fn on_servers_that_forget_the_stream_is_begun_anew_before_the_rows() {
    let world = streaming().await;
    world.postgres.edit(|server| server.server_version = 160_008);
    let appearing = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        add_items(&world);
    };
    let ((), ()) = tokio::join!(take_up(&world), appearing);
    verify_items(&world);
    world.postgres.read(|server| {
        let published = server.table_ref("items").published_since;
        let last = server.starts.last().expect("there was a stream");
        assert!(*last > published, "begun at {last}, published at {published}");
        assert_eq!(server.starts.len(), 3);
    });
    let world = streaming().await;
    world.postgres.edit(|server| server.server_version = 160_008);
    add_items(&world);
    take_up(&world).await;
    verify_items(&world);
}

/// Somebody who stops the reading of a table that was published just now does not stop that.
#[tokio::test(start_paused = true)]
async fn on_servers_that_forget_the_stream_is_begun_anew_for_a_table_whose_reading_was_stopped() {
    let mut world = streaming().await;
    world.config.snapshot.rows_per_second = Some(1);
    world.postgres.edit(|server| server.server_version = 160_008);
    for id in 2..12 {
        world.postgres.commit([("accounts", insert(id))]);
    }
    let is_noted = || {
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
            letters: Vec::new(),
            former_keys: Vec::new(),
        }],
        marks: Marks::Incremental,
        id: None,
    };
    let asking = async {
        world.everything_delivered().await;
        let control = world.control();
        let accounts = "public.accounts".parse().expect("a pattern");
        control.ask(read(accounts)).await.expect("it begins");
        add_items(&world);
        world.steps.until(is_noted).await;
        let stop = SnapshotCommand::Stop {
            tables: vec![items()],
        };
        control.ask(stop.clone()).await.expect("it ends");
        let again = control.ask(stop).await.expect_err("it is not read any more");
        assert!(again.to_string().contains("public.items"), "{again}");
        control.ask(read(items())).await.expect("it begins again");
        world.steps.until(|| is_read(&world)).await;
        world.everything_delivered().await;
    };
    world.run(asking).await.expect("the connector runs and stops");
    verify_items(&world);
    world.postgres.read(|server| {
        let published = server.table_ref("items").published_since;
        let last = server.starts.last().expect("there was a stream");
        assert!(*last > published, "begun at {last}, published at {published}");
    });
}

/// Where rows are not read, the stream is begun anew all the same.
#[tokio::test(start_paused = true)]
async fn on_servers_that_forget_changes_are_streamed_for_sure_where_rows_are_not_read() {
    let mut world = streaming().await;
    world.config.snapshot.mode = SnapshotMode::Never;
    world.postgres.edit(|server| server.server_version = 160_008);
    let appearing = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        add_items(&world);
    };
    let renewed = async {
        world
            .steps
            .until(|| world.postgres.read(|server| server.starts.len() == 3) && is_read(&world))
            .await;
        world.postgres.commit([("items", insert(9))]);
        world.everything_delivered().await;
    };
    let (outcome, ()) = tokio::join!(world.run(renewed), appearing);
    outcome.expect("the connector runs and stops");
    let told = world.kafka.read(|broker| {
        let records = broker.committed_with_reads();
        records
            .filter(|record| record.topic == "shop.public.items")
            .count()
    });
    assert_eq!(told, 1, "the change after it was begun anew, and no row");
}

/// The slot cannot give what came after the checkpoint: where it was said so beforehand, everything is read again.
#[tokio::test(start_paused = true)]
async fn what_the_slot_cannot_give_is_read_again_where_that_is_wanted() {
    type Damage = fn(&World);
    let damages: [Damage; 3] = [
        |world| world.postgres.edit(|server| server.slot = None),
        |world| {
            world.postgres.edit(|server| {
                let slot = server.slot.as_mut().expect("there is one");
                slot.invalidation_reason = Some("wal_removed".to_owned());
            });
        },
        |world| {
            world.postgres.edit(|server| {
                let end = server.wal_end;
                let slot = server.slot.as_mut().expect("there is one");
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
        let error = world.run_to_its_end().await;
        assert!(matches!(error, DeliveryError::Halt(_)), "{error}");
        world.config.snapshot.mode = SnapshotMode::WhenNeeded;
        let read_again = world
            .steps
            .until(|| reads(&world).len() == 1 + 3 && is_read(&world));
        world.run(read_again).await.expect("the connector runs and stops");
        // It is as it was before: nothing is read again, and changes are streamed.
        world.postgres.commit([("accounts", insert(3))]);
        run_until_read(&world).await;
        assert_eq!(reads(&world).len(), 4);
    }
}
