//! What the checks before a stream find ends the connector at once: nothing is written, nothing is tried again.

use walcast_delivery::{DeliveryError, Halt, SystemIdentifier, Timeline, TimelineSwitch};
use walcast_pgoutput::Lsn;

use crate::fakes::{Act, KafkaCall, PostgresCall, Server, TestFault, World, insert, verify};

const GONE: TestFault = TestFault::passing("connection lost");

/// Lets a connector deliver one transaction, changes the server behind its back, and runs it again: why it halts.
async fn halt_after(change: impl FnOnce(&World)) -> Halt {
    halt_of(&World::set_up(), change).await
}

/// The same in a world that can be looked at afterwards.
async fn halt_of(world: &World, change: impl FnOnce(&World)) -> Halt {
    world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    change(world);
    let written = world.kafka.read(|broker| broker.transactions().len());
    let error = world.run_to_its_end().await;
    assert!(!error.is_retryable());
    assert_eq!(
        world.kafka.read(|broker| broker.transactions().len()),
        written,
        "something was written"
    );
    assert_eq!(
        world.postgres.read(|server| server.starts.len()),
        1,
        "streaming was begun"
    );
    assert_eq!(world.status.borrow().word(), "halted");
    match error {
        DeliveryError::Halt(halt) => halt,
        other => panic!("not a halt: {other}"),
    }
}

/// Trap 7.
#[tokio::test(start_paused = true)]
async fn a_slot_that_somebody_else_advanced() {
    let halt = halt_after(|world| {
        let end = world.postgres.write_elsewhere(0x1000);
        world
            .postgres
            .edit(|server| server.slot.as_mut().unwrap().confirmed_flush_lsn = Some(end));
    });
    assert!(matches!(halt.await, Halt::SlotAdvanced { .. }));
}

/// The check looks at a slot that anybody may still advance: what counts is where it is once the stream holds it.
#[tokio::test(start_paused = true)]
async fn a_slot_advanced_between_the_check_and_the_stream() {
    let world = World::set_up();
    let end = world.postgres.commit([("accounts", insert(1))]).end_lsn;
    let was_checked = || {
        world
            .postgres
            .read(|server| server.script.count(PostgresCall::Survey) == 1)
    };
    let meddle = async {
        world.steps.until(was_checked).await;
        world
            .postgres
            .edit(|server| server.slot.as_mut().unwrap().confirmed_flush_lsn = Some(end));
    };
    let (error, ()) = tokio::join!(world.run_to_its_end(), meddle);
    assert!(
        matches!(error, DeliveryError::Halt(Halt::SlotAdvanced { confirmed, .. }) if confirmed == end),
        "{error}"
    );
    assert!(world.kafka.read(|broker| broker.committed().next().is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_is_gone() {
    let halt = halt_after(|world| world.postgres.edit(|server| server.slot = None));
    assert!(matches!(halt.await, Halt::SlotMissing { .. }));
}

/// Trap 8, as servers before 17 tell it.
#[tokio::test(start_paused = true)]
async fn a_slot_that_was_invalidated() {
    let halt = halt_after(|world| {
        world
            .postgres
            .edit(|server| server.slot.as_mut().unwrap().restart_lsn = None)
    });
    assert!(matches!(halt.await, Halt::SlotLost { .. }));
}

/// Trap 6: made anew behind the checkpoint's back, the slot knows nothing of what lies between.
#[tokio::test(start_paused = true)]
async fn a_slot_that_was_made_anew() {
    let halt = halt_after(|world| {
        world.postgres.commit([("accounts", insert(2))]);
        world.postgres.edit(|server| server.create_slot());
    });
    assert!(matches!(halt.await, Halt::SlotAdvanced { .. }));
}

/// Trap 14.
#[tokio::test(start_paused = true)]
async fn a_restored_backup() {
    let halt = halt_after(|world| {
        world
            .postgres
            .edit(|server| server.wal_end = server.wal_end.back_by(1));
    });
    assert!(matches!(halt.await, Halt::AheadOfServer { .. }));
}

/// Whoever delivers from the right server goes on: none of these may stop it.
#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_the_right_one_fences_nobody() {
    type Change = fn(&mut Server);
    let strangers: [Change; 4] = [
        // What was delivered is not on the standby that was promoted.
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
    for (index, change) in strangers.into_iter().enumerate() {
        let world = World::set_up();
        let halt = halt_of(&world, |world| world.postgres.edit(change)).await;
        let opened = world.kafka.read(|broker| broker.script.count(KafkaCall::Open));
        assert_eq!(
            opened, 1,
            "stranger {index} halted by {halt} and fenced the right one"
        );
    }
}

/// The finding of a halt that also says what was missed.
fn missed(halt: Halt) -> Halt {
    match halt {
        Halt::NotCovered {
            finding,
            after,
            until,
        } if after < until => *finding,
        other => panic!("{other} does not say what was missed"),
    }
}

/// Trap 16.
#[tokio::test(start_paused = true)]
async fn a_publication_that_was_dropped_or_emptied() {
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

/// It is looked at before every stream, not only the first.
#[tokio::test(start_paused = true)]
async fn a_halt_at_a_reconnect_is_not_tried_again() {
    let world = World::set_up();
    let stolen = async {
        world.postgres.commit([("accounts", insert(1))]);
        world.everything_delivered().await;
        world.postgres.edit(|server| {
            server.script.at(PostgresCall::Next, 1, Act::Fail(GONE));
            server.slot = None;
        });
        world.postgres.write_elsewhere(0x100);
        std::future::pending().await
    };
    let error = world.run(stolen).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Halt(Halt::SlotMissing { .. })));
    assert_eq!(world.kafka.read(|broker| broker.script.count(KafkaCall::Open)), 2);
}

/// What was delivered stays delivered, and an invalid position never becomes a start.
#[tokio::test(start_paused = true)]
async fn a_slot_without_checkpoint() {
    let world = World::new();
    world.postgres.set_up();
    let error = world.run_to_its_end().await;
    assert!(matches!(
        error,
        DeliveryError::Halt(Halt::SlotWithoutCheckpoint { .. })
    ));
    assert_eq!(world.kafka.checkpointed(), Lsn::INVALID);
    assert!(world.postgres.read(|server| server.starts.is_empty()));
}

/// While streaming a publication that lost a table is told, but what still arrives is delivered.
#[tokio::test(start_paused = true)]
async fn a_finding_while_streaming_does_not_end_the_stream() {
    let world = World::set_up();
    let lose_table = async {
        world.postgres.commit([("accounts", insert(1))]);
        world.everything_delivered().await;
        world
            .postgres
            .edit(|server| server.publication.as_mut().unwrap().tables.truncate(1));
        let looked = world
            .postgres
            .read(|server| server.script.count(PostgresCall::Watch));
        world
            .steps
            .until(|| {
                world
                    .postgres
                    .read(|server| server.script.count(PostgresCall::Watch))
                    > looked + 1
            })
            .await;
        world.postgres.commit([("accounts", insert(2))]);
        world.everything_delivered().await;
    };
    world.run(lose_table).await.unwrap();
    verify(&world);
}
