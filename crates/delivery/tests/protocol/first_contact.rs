//! A slot that the connector did not create, or whose creation did not end.

use walcast_delivery::{CheckpointState, DeliveryError, Halt, SlotHolder, SlotState};

use crate::fakes::{PostgresCall, World, checkpoint, insert, verify};
use crate::snapshots::{deliver, filled, reads, verify_rows};

/// A session that uses the slot.
fn holder(is_connector: bool) -> SlotHolder {
    SlotHolder {
        pid: 77,
        application_name: Some("Debezium Streaming".to_owned()),
        client: Some("10.0.0.7".to_owned()),
        is_connector,
    }
}

/// Leaves a slot whose creation has not ended, and returns the slot as it will be.
fn begin_slot(world: &World, is_connector: bool) -> SlotState {
    world.postgres.set_up();
    world.postgres.edit(|server| {
        let slot = server.slot.as_mut().expect("the slot exists");
        let complete = slot.clone();
        slot.confirmed_flush_lsn = None;
        slot.active_pid = Some(77);
        slot.holder = Some(holder(is_connector));
        complete
    })
}

/// Rows that exist are read, and changes since the slot are delivered, each once.
#[tokio::test(start_paused = true)]
async fn existing_slot_is_a_first_start_if_kafka_holds_no_records() {
    let world = filled();
    let slot = world.postgres.set_up();
    world.set_delivery_start(slot);
    world.postgres.commit([("accounts", insert(20))]);
    deliver(&world).await;
    assert_eq!(world.postgres.read(|server| server.starts[0]), slot);
    assert_eq!(world.postgres.count(PostgresCall::CreateSlot), 0);
    verify_rows(&world);
    let rows = reads(&world).len();
    assert!(rows > 0, "no row was read");
    // The next start is an ordinary one.
    world.postgres.commit([("accounts", insert(21))]);
    deliver(&world).await;
    assert_eq!(reads(&world).len(), rows);
    verify_rows(&world);
}

/// The records of a start that was interrupted come once.
#[tokio::test(start_paused = true)]
async fn first_start_on_an_existing_slot_survives_interruption_at_any_step() {
    let mut steps = 0;
    loop {
        let world = filled();
        let slot = world.postgres.set_up();
        world.set_delivery_start(slot);
        world.postgres.commit([("accounts", insert(20))]);
        let was_interrupted = world.interrupt_after(steps, deliver(&world)).await.is_none();
        deliver(&world).await;
        verify_rows(&world);
        if !was_interrupted {
            break;
        }
        steps += 1;
    }
    assert!(steps > 10, "only {steps} steps");
}

/// What was delivered is not known: nothing is written, and no stream is started.
#[tokio::test(start_paused = true)]
async fn slot_without_checkpoint_halts_if_kafka_holds_records() {
    let world = World::set_up();
    world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    world.kafka.edit(|broker| broker.lose_checkpoints());
    let starts = world.postgres.read(|server| server.starts.len());
    let error = world.run_to_end().await;
    let DeliveryError::Halt(Halt::SlotWithoutCheckpoint { topic, .. }) = &error else {
        panic!("{error}");
    };
    assert_eq!(topic, "shop.public.accounts");
    assert_eq!(world.postgres.read(|server| server.starts.len()), starts);
    assert!(world.kafka.checkpoint().is_none());
}

#[tokio::test(start_paused = true)]
async fn slot_of_a_running_program_is_not_touched() {
    let world = World::new();
    world.postgres.set_up();
    world.postgres.edit(|server| {
        let slot = server.slot.as_mut().expect("the slot exists");
        slot.active_pid = Some(77);
        slot.holder = Some(holder(false));
    });
    let error = world.run_to_end().await;
    expect_test::expect![[
        r#"slot walcast_shop is in use by process 77 (application_name "Debezium Streaming", client 10.0.0.7), and no checkpoint exists: another program delivers from the slot"#
    ]]
    .assert_eq(&error.to_string());
    assert!(world.kafka.checkpoint().is_none());
}

/// The server cannot decode changes that are older than the publication.
#[tokio::test(start_paused = true)]
async fn slot_without_publication_halts() {
    let world = World::new();
    world.postgres.set_up();
    world.postgres.edit(|server| server.publication = None);
    let error = world.run_to_end().await;
    assert!(matches!(
        error,
        DeliveryError::Halt(Halt::SlotBeforePublication { .. })
    ));
    assert_eq!(world.postgres.count(PostgresCall::CreatePublication), 0);
}

/// The walsender of a killed instance still waits for running transactions: it is ended, and the slot is created again.
#[tokio::test(start_paused = true)]
async fn creation_by_an_earlier_instance_is_ended() {
    let world = World::new();
    let mut intention = checkpoint(world.first_wal_end());
    intention.state = CheckpointState::CreatingSlot;
    world.put_checkpoint(intention);
    begin_slot(&world, true);
    let created = || world.postgres.count(PostgresCall::CreateSlot) == 1;
    let streaming = async {
        world.steps.until(created).await;
        world
            .steps
            .until(|| world.postgres.read(|server| !server.starts.is_empty()))
            .await;
    };
    world.run(streaming).await.unwrap();
    assert!(world.postgres.count(PostgresCall::EndSlotCreation) > 0);
    world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
}

/// The creation of another client is waited for.
#[tokio::test(start_paused = true)]
async fn creation_by_another_client_is_waited_for() {
    let world = World::new();
    let complete = begin_slot(&world, false);
    let streaming = async {
        let waited = || world.postgres.count(PostgresCall::Inspect) > 2;
        world.steps.until(waited).await;
        assert!(world.postgres.read(|server| server.starts.is_empty()));
        world.postgres.edit(|server| server.slot = Some(complete));
        world.postgres.commit([("accounts", insert(1))]);
        world.all_delivered().await;
    };
    world.run(streaming).await.unwrap();
    assert_eq!(world.postgres.count(PostgresCall::EndSlotCreation), 0);
    verify(&world);
}

/// A stop while the slot is being created leaves no incomplete slot behind.
#[tokio::test(start_paused = true)]
async fn stop_ends_the_creation_of_the_slot() {
    let world = World::new();
    world.postgres.edit(|server| {
        server
            .script
            .at(PostgresCall::CreateSlot, 1, crate::fakes::Act::Hang);
    });
    let creating = world
        .steps
        .until(|| world.postgres.count(PostgresCall::CreateSlot) == 1);
    world.run(creating).await.unwrap();
    assert_eq!(world.postgres.count(PostgresCall::EndSlotCreation), 1);
}
