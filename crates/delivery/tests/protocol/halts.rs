//! A finding of the checks before a stream ends the connector immediately, without a write and without a retry.

use walcast_delivery::{DeliveryError, Halt, SystemIdentifier, Timeline, TimelineSwitch};
use walcast_pgoutput::Lsn;

use crate::fakes::{CONNECTION_LOST, KafkaCall, PostgresCall, Server, World, insert, verify};

/// Delivers one transaction, changes the server, runs the connector again, and returns its halt.
async fn halt_after(change: impl FnOnce(&World)) -> Halt {
    halt_of(&World::set_up(), change).await
}

/// Like [`halt_after`], in a given world.
async fn halt_of(world: &World, change: impl FnOnce(&World)) -> Halt {
    world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    change(world);
    let written = world.kafka.read(|broker| broker.transactions().len());
    let error = world.run_to_end().await;
    assert!(!error.is_retryable());
    assert_eq!(
        world.kafka.read(|broker| broker.transactions().len()),
        written,
        "a Kafka transaction was written"
    );
    assert_eq!(
        world.postgres.read(|server| server.starts.len()),
        1,
        "a stream was started"
    );
    assert_eq!(world.state.status.read().word(), "halted");
    match error {
        DeliveryError::Halt(halt) => halt,
        other => panic!("not a halt: {other}"),
    }
}

/// Trap 7.
#[tokio::test(start_paused = true)]
async fn slot_advanced_by_another_client() {
    let halt = halt_after(|world| {
        let end = world.postgres.write_unrelated_wal(0x1000);
        world
            .postgres
            .edit(|server| server.slot.as_mut().unwrap().confirmed_flush_lsn = Some(end));
    });
    assert!(matches!(halt.await, Halt::SlotAdvanced { .. }));
}

/// Any client may still advance the slot after the check: its position counts once the stream holds it.
#[tokio::test(start_paused = true)]
async fn slot_advanced_between_the_check_and_the_stream() {
    let world = World::set_up();
    let end = world.postgres.commit([("accounts", insert(1))]).end_lsn;
    let was_checked = || world.postgres.count(PostgresCall::Inspect) == 1;
    let advance = async {
        world.steps.until(was_checked).await;
        world
            .postgres
            .edit(|server| server.slot.as_mut().unwrap().confirmed_flush_lsn = Some(end));
    };
    let (error, ()) = tokio::join!(world.run_to_end(), advance);
    assert!(
        matches!(error, DeliveryError::Halt(Halt::SlotAdvanced { confirmed, .. }) if confirmed == end),
        "{error}"
    );
    assert!(world.kafka.read(|broker| broker.committed().next().is_none()));
}

#[tokio::test(start_paused = true)]
async fn slot_dropped() {
    let halt = halt_after(|world| world.postgres.edit(|server| server.slot = None));
    assert!(matches!(halt.await, Halt::SlotMissing { .. }));
}

/// Trap 8, as servers before version 17 report it.
#[tokio::test(start_paused = true)]
async fn slot_invalidated() {
    let halt = halt_after(|world| {
        world
            .postgres
            .edit(|server| server.slot.as_mut().unwrap().restart_lsn = None)
    });
    assert!(matches!(halt.await, Halt::SlotLost { .. }));
}

/// Trap 6: a recreated slot lacks the changes between the checkpoint and its creation.
#[tokio::test(start_paused = true)]
async fn slot_recreated() {
    let halt = halt_after(|world| {
        world.postgres.commit([("accounts", insert(2))]);
        world.postgres.edit(|server| server.create_slot());
    });
    assert!(matches!(halt.await, Halt::SlotAdvanced { .. }));
}

/// Trap 14.
#[tokio::test(start_paused = true)]
async fn restored_backup() {
    let halt = halt_after(|world| {
        world
            .postgres
            .edit(|server| server.wal_end = server.wal_end.back_by(1));
    });
    assert!(matches!(halt.await, Halt::AheadOfServer { .. }));
}

/// An instance that delivers from the right server continues: none of these changes may fence it. The checkpoint is read
/// through its store, without the sink.
#[tokio::test(start_paused = true)]
async fn different_server_never_fences_the_leader() {
    type Change = fn(&mut Server);
    let changes: [Change; 4] = [
        // The delivered transaction is not on the promoted standby.
        |server| {
            server.timeline = Timeline::new(2);
            server.history = vec![TimelineSwitch {
                timeline: Timeline::new(1),
                switched_at: Lsn::new(0x100_0000),
            }];
        },
        |server| server.system_identifier = SystemIdentifier::new(7),
        // The primary that was replaced still runs, and this instance reached it.
        |server| server.timeline = Timeline::new(0),
        |server| server.wal_end = server.wal_end.back_by(1),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let world = World::set_up();
        let halt = halt_of(&world, |world| world.postgres.edit(change)).await;
        assert_eq!(world.kafka.count(KafkaCall::PeekCheckpoint), 2);
        assert_eq!(
            world.kafka.count(KafkaCall::Open),
            1,
            "change {index} halted with {halt} and fenced the right instance"
        );
    }
}

/// The finding of a halt that also reports the missed range.
fn missed(halt: Halt) -> Halt {
    match halt {
        Halt::NotCovered {
            finding,
            after,
            until,
        } if after < until => *finding,
        other => panic!("{other} does not report the missed range"),
    }
}

/// Trap 16.
#[tokio::test(start_paused = true)]
async fn publication_dropped_or_emptied() {
    let halt = halt_after(|world| {
        world.postgres.commit([("accounts", insert(2))]);
        world.postgres.edit(|server| server.publication = None);
    });
    assert!(matches!(missed(halt.await), Halt::PublicationMissing { .. }));
    let halt = halt_after(|world| {
        world.postgres.commit([("accounts", insert(2))]);
        world
            .postgres
            .edit(|server| server.publication.as_mut().unwrap().tables.clear());
    });
    assert!(matches!(missed(halt.await), Halt::NotPublished { .. }));
}

/// The checks run before every stream, not only before the first.
#[tokio::test(start_paused = true)]
async fn halt_at_a_reconnect_is_not_retried() {
    let world = World::set_up();
    let drop_slot = async {
        world.insert_delivered(1).await;
        world.postgres.fail(PostgresCall::Next, 1, CONNECTION_LOST);
        world.postgres.edit(|server| server.slot = None);
        world.postgres.write_unrelated_wal(0x100);
        std::future::pending().await
    };
    let error = world.run(drop_slot).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Halt(Halt::SlotMissing { .. })));
    assert_eq!(world.kafka.count(KafkaCall::Open), 2);
}

/// While streaming, a publication that lost a table is only reported: the remaining changes are delivered.
#[tokio::test(start_paused = true)]
async fn finding_while_streaming_does_not_end_the_stream() {
    let world = World::set_up();
    let lose_table = async {
        world.insert_delivered(1).await;
        world
            .postgres
            .edit(|server| server.publication.as_mut().unwrap().tables.truncate(1));
        let checks = world.postgres.count(PostgresCall::Watch);
        world
            .steps
            .until(|| world.postgres.count(PostgresCall::Watch) > checks + 1)
            .await;
        world.insert_delivered(2).await;
    };
    world.run(lose_table).await.unwrap();
    verify(&world);
}
