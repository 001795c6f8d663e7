//! The first start creates the publication, then the slot, and can be interrupted at any step.

use std::time::Duration;

use walcast_delivery::{CheckpointState, CreateMissing, DeliveryError, Halt};

use crate::fakes::{
    Act, CONNECTION_LOST, KafkaCall, PostgresCall, TestFault, World, insert, verify, verify_so_far,
};

const PERMISSION_DENIED: TestFault = TestFault::permanent("permission denied");

/// Runs until streaming, and records the position at which the slot was created.
async fn start(world: &World) {
    let streaming = world
        .steps
        .until(|| world.postgres.read(|server| !server.starts.is_empty()));
    world
        .run(streaming)
        .await
        .expect("the connector starts and stops");
    world.set_delivery_start(world.postgres.read(|server| server.starts[0]));
}

#[tokio::test(start_paused = true)]
async fn the_publication_comes_before_the_slot() {
    let world = World::new();
    world.postgres.commit([("accounts", insert(1))]);
    start(&world).await;
    let calls: Vec<PostgresCall> = world.postgres.read(|server| server.script.made()[..5].to_vec());
    assert_eq!(
        calls,
        [
            PostgresCall::AcquireLeadership,
            PostgresCall::Inspect,
            PostgresCall::CreatePublication,
            PostgresCall::CreateSlot,
            PostgresCall::Start
        ]
    );
    let states: Vec<CheckpointState> = world.kafka.read(|broker| {
        broker
            .checkpoints()
            .map(|(_, update)| update.current.state)
            .collect()
    });
    assert_eq!(
        states,
        [CheckpointState::CreatingSlot, CheckpointState::Streaming]
    );
    // Transactions committed before the slot existed are not delivered.
    world.postgres.commit([("accounts", insert(2))]);
    world.deliver().await;
}

#[tokio::test(start_paused = true)]
async fn survives_interruption_at_any_step() {
    let mut steps = 0;
    loop {
        let world = World::new();
        let streaming = world
            .steps
            .until(|| world.postgres.read(|server| !server.starts.is_empty()));
        let ended = world.interrupt_after(steps, world.run(streaming)).await;
        let was_interrupted = ended.map(Result::unwrap).is_none();
        verify_so_far(&world);
        world.postgres.commit([("accounts", insert(1))]);
        let slot_existed = world.postgres.read(|server| server.slot.is_some());
        start(&world).await;
        world.postgres.commit([("accounts", insert(2))]);
        world.deliver().await;
        let delivered = crate::fakes::delivered_ids(&world).len();
        assert_eq!(
            delivered,
            if slot_existed { 2 } else { 1 },
            "interrupted after {steps} steps"
        );
        if !was_interrupted {
            break;
        }
        steps += 1;
    }
    assert!(steps > 10, "only {steps} steps");
}

/// If the slot cannot be created, no partial setup is left.
#[tokio::test(start_paused = true)]
async fn the_publication_is_dropped_again_when_the_slot_fails() {
    let world = World::new();
    world.postgres.edit(|server| {
        server
            .script
            .at(PostgresCall::CreateSlot, 1, Act::Fail(PERMISSION_DENIED))
    });
    let error = world.run_to_end().await;
    assert_eq!(error.to_string(), "postgres: permission denied");
    world
        .postgres
        .read(|server| assert!(server.publication.is_none() && server.slot.is_none()));
    start(&world).await;
    world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
}

/// The error is the original cause, not the failure of the cleanup after it.
#[tokio::test(start_paused = true)]
async fn failed_cleanup_does_not_hide_the_cause() {
    let world = World::new();
    world.postgres.edit(|server| {
        server
            .script
            .at(PostgresCall::CreateSlot, 1, Act::Fail(PERMISSION_DENIED));
        server
            .script
            .at(PostgresCall::DropPublication, 1, Act::Fail(CONNECTION_LOST));
    });
    assert_eq!(
        world.run_to_end().await.to_string(),
        "postgres: permission denied"
    );
}

/// A publication that the connector did not create is kept.
#[tokio::test(start_paused = true)]
async fn existing_publication_is_never_dropped() {
    let world = World::set_up();
    let world_without_slot = World::new();
    let publication = world.postgres.read(|server| server.publication.clone());
    world_without_slot.postgres.edit(|server| {
        server.publication = publication;
        server
            .script
            .at(PostgresCall::CreateSlot, 1, Act::Fail(PERMISSION_DENIED));
    });
    world_without_slot.run_to_end().await;
    world_without_slot.postgres.read(|server| {
        assert!(server.publication.is_some());
        assert_eq!(server.script.count(PostgresCall::DropPublication), 0);
    });
}

/// The slot exists and its checkpoint does not: without the publication the slot could never be decoded.
#[tokio::test(start_paused = true)]
async fn the_publication_stays_once_the_slot_exists() {
    for act in [Act::Fail(CONNECTION_LOST), Act::ApplyThenFail(CONNECTION_LOST)] {
        let world = World::new();
        // The first commit records the intention, the second the slot's position.
        world
            .kafka
            .edit(|broker| broker.script.at(KafkaCall::Commit, 2, act));
        let error = world.run_to_end().await;
        assert_eq!(error.to_string(), "kafka: connection lost");
        world.postgres.commit([("accounts", insert(1))]);
        start(&world).await;
        world.deliver().await;
    }
}

#[tokio::test(start_paused = true)]
async fn requests_manual_setup_without_auto_create() {
    let mut world = World::new();
    world.config.create_missing = CreateMissing::Neither;
    let error = world.run_to_end().await;
    let all = "the connector may not create what is missing: publication walcast_shop and slot walcast_shop";
    assert_eq!(error.to_string(), all);
    let donor = World::set_up();
    let publication = donor.postgres.read(|server| server.publication.clone());
    world.postgres.edit(|server| server.publication = publication);
    let error = world.run_to_end().await;
    let DeliveryError::Halt(Halt::NotCreated { missing }) = &error else {
        panic!("{error}");
    };
    assert_eq!(missing, &["slot walcast_shop"]);
    assert_eq!(world.kafka.read(|broker| broker.transactions().len()), 0);
}

/// The publication is an operator's, and the slot is created, as by Debezium with `publication.autocreate.mode` = `disabled`.
#[tokio::test(start_paused = true)]
async fn creates_the_slot_alone_beside_the_publication_of_an_operator() {
    let mut world = World::new();
    world.config.create_missing = CreateMissing::Slot;
    let error = world.run_to_end().await;
    let publication = "the connector may not create what is missing: publication walcast_shop";
    assert_eq!(error.to_string(), publication);
    assert!(world.postgres.read(|server| server.slot.is_none()));
    let donor = World::set_up();
    let publication = donor.postgres.read(|server| server.publication.clone());
    world.postgres.edit(|server| server.publication = publication);
    start(&world).await;
    world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
}

/// No publication or slot is created while a table could not be captured, or publishing it would break writes (trap 17).
#[tokio::test(start_paused = true)]
async fn creates_no_slot_while_a_table_cannot_be_captured() {
    let world = World::new();
    world
        .postgres
        .edit(|server| server.table("orders").identifies_rows = false);
    let error = world.run_to_end().await;
    assert!(matches!(
        error,
        DeliveryError::Halt(Halt::NoReplicaIdentity { .. })
    ));
    world
        .postgres
        .read(|server| assert!(server.publication.is_none() && server.slot.is_none()));
    assert_eq!(world.kafka.read(|broker| broker.transactions().len()), 0);
}

/// A table that a pattern selects along with others is left out.
#[tokio::test(start_paused = true)]
async fn first_start_leaves_out_a_table_without_its_name_in_the_configuration() {
    let world = World::new();
    world.postgres.edit(|server| {
        let table = server.table("orders");
        table.identifies_rows = false;
        table.is_named = false;
    });
    let streaming = async {
        world.steps.until(|| world.state.status.is_streaming()).await;
    };
    world.run(streaming).await.expect("the connector runs and stops");
    let published = world.postgres.read(|server| server.publication.clone());
    let tables = published.expect("the publication exists").tables;
    assert!(!tables.iter().any(|table| table.name == "orders"), "{tables:?}");
}

/// A standby reports its status while another instance leads, and makes no other call to the source.
#[tokio::test(start_paused = true)]
async fn instance_waiting_for_leadership_is_standby() {
    let world = World::new();
    world
        .postgres
        .edit(|server| server.script.at(PostgresCall::AcquireLeadership, 1, Act::Hang));
    let mut status = world.state.status.subscribe();
    let seen = async {
        status
            .wait_for(|status| status.word() == "standby")
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
    };
    world.run(seen).await.unwrap();
    assert_eq!(
        world.postgres.read(|server| server.script.made().to_vec()),
        [PostgresCall::AcquireLeadership]
    );
    verify(&world);
}
