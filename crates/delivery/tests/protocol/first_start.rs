//! The first start creates publication, then slot, and can be cut short anywhere.

use std::time::Duration;

use walcast_delivery::{CheckpointState, DeliveryError, Halt};

use crate::fakes::{Act, KafkaCall, PostgresCall, TestFault, World, insert, verify, verify_so_far};

const REFUSED: TestFault = TestFault::lasting("permission denied");
const GONE: TestFault = TestFault::passing("connection lost");

/// Runs until streaming, and takes note of where the slot was made.
async fn start(world: &World) {
    let streaming = world
        .steps
        .until(|| world.postgres.read(|server| !server.starts.is_empty()));
    world
        .run(streaming)
        .await
        .expect("the connector starts and stops");
    world.deliver_from(world.postgres.read(|server| server.starts[0]));
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
            PostgresCall::Lead,
            PostgresCall::Survey,
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
    // What was committed before the slot existed is not ours to deliver.
    world.postgres.commit([("accounts", insert(2))]);
    world.deliver().await;
}

#[tokio::test(start_paused = true)]
async fn it_can_be_cut_short_at_any_step() {
    let mut steps = 0;
    loop {
        let world = World::new();
        let streaming = world
            .steps
            .until(|| world.postgres.read(|server| !server.starts.is_empty()));
        let ended = world.cut_off_after(steps, world.run(streaming)).await;
        let was_cut_off = ended.map(Result::unwrap).is_none();
        verify_so_far(&world);
        world.postgres.commit([("accounts", insert(1))]);
        let slot_was_there = world.postgres.read(|server| server.slot.is_some());
        start(&world).await;
        world.postgres.commit([("accounts", insert(2))]);
        world.deliver().await;
        let delivered = crate::fakes::delivered_ids(&world).len();
        assert_eq!(
            delivered,
            if slot_was_there { 2 } else { 1 },
            "cut off after {steps} steps"
        );
        if !was_cut_off {
            break;
        }
        steps += 1;
    }
    assert!(steps > 10, "only {steps} steps");
}

/// The slot cannot be created: no partial set-up is left.
#[tokio::test(start_paused = true)]
async fn the_publication_is_dropped_again_when_the_slot_fails() {
    let world = World::new();
    world
        .postgres
        .edit(|server| server.script.at(PostgresCall::CreateSlot, 1, Act::Fail(REFUSED)));
    let error = world.run_to_its_end().await;
    assert_eq!(error.to_string(), "postgres: permission denied");
    world
        .postgres
        .read(|server| assert!(server.publication.is_none() && server.slot.is_none()));
    start(&world).await;
    world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
}

/// The cause is told, not what went wrong while cleaning up after it.
#[tokio::test(start_paused = true)]
async fn a_publication_that_cannot_be_dropped_hides_no_cause() {
    let world = World::new();
    world.postgres.edit(|server| {
        server.script.at(PostgresCall::CreateSlot, 1, Act::Fail(REFUSED));
        server
            .script
            .at(PostgresCall::DropPublication, 1, Act::Fail(GONE));
    });
    assert_eq!(
        world.run_to_its_end().await.to_string(),
        "postgres: permission denied"
    );
}

/// Somebody else's publication is left alone.
#[tokio::test(start_paused = true)]
async fn a_publication_that_was_there_is_never_dropped() {
    let world = World::set_up();
    let world_without_slot = World::new();
    let publication = world.postgres.read(|server| server.publication.clone());
    world_without_slot.postgres.edit(|server| {
        server.publication = publication;
        server.script.at(PostgresCall::CreateSlot, 1, Act::Fail(REFUSED));
    });
    world_without_slot.run_to_its_end().await;
    world_without_slot.postgres.read(|server| {
        assert!(server.publication.is_some());
        assert_eq!(server.script.count(PostgresCall::DropPublication), 0);
    });
}

/// The slot exists and its checkpoint does not: without its publication it could never be decoded.
#[tokio::test(start_paused = true)]
async fn the_publication_stays_once_the_slot_exists() {
    for act in [Act::Fail(GONE), Act::ApplyThenFail(GONE)] {
        let world = World::new();
        // The first commit is the intention, the second the slot's position.
        world
            .kafka
            .edit(|broker| broker.script.at(KafkaCall::Commit, 2, act));
        let error = world.run_to_its_end().await;
        assert_eq!(error.to_string(), "kafka: connection lost");
        world.postgres.commit([("accounts", insert(1))]);
        start(&world).await;
        world.deliver().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_created_is_asked_for() {
    let mut world = World::new();
    world.config.create_missing = false;
    let error = world.run_to_its_end().await;
    assert!(matches!(
        error,
        DeliveryError::Halt(Halt::PublicationMissing { .. })
    ));
    expect_test::expect![[r#"publication walcast_shop does not exist; create it with: CREATE PUBLICATION "walcast_shop" FOR TABLE "public"."accounts", "public"."orders" WITH (publish_via_partition_root = true)"#]]
        .assert_eq(&error.to_string());
    let donor = World::set_up();
    let publication = donor.postgres.read(|server| server.publication.clone());
    world.postgres.edit(|server| server.publication = publication);
    let error = world.run_to_its_end().await;
    assert!(matches!(error, DeliveryError::Halt(Halt::SlotNotCreated { .. })));
    expect_test::expect![[r#"slot walcast_shop does not exist and create = false; create it with: SELECT lsn FROM pg_create_logical_replication_slot('walcast_shop', 'pgoutput'), then run: walcast checkpoint set with the LSN it returns"#]]
        .assert_eq(&error.to_string());
    assert_eq!(world.kafka.read(|broker| broker.transactions().len()), 0);
}

/// Nothing is created while a table would be missed or broken by being published (trap 17).
#[tokio::test(start_paused = true)]
async fn nothing_is_created_while_a_table_cannot_be_captured() {
    let world = World::new();
    world
        .postgres
        .edit(|server| server.table("orders").identifies_rows = false);
    let error = world.run_to_its_end().await;
    assert!(matches!(
        error,
        DeliveryError::Halt(Halt::NoReplicaIdentity { .. })
    ));
    world
        .postgres
        .read(|server| assert!(server.publication.is_none() && server.slot.is_none()));
    assert_eq!(world.kafka.read(|broker| broker.transactions().len()), 0);
}

/// A standby takes its time: it says so, and starts when the lead is free.
#[tokio::test(start_paused = true)]
async fn a_slow_lead_is_a_standby() {
    let world = World::new();
    world
        .postgres
        .edit(|server| server.script.at(PostgresCall::Lead, 1, Act::Hang));
    let mut status = world.status.subscribe();
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
        [PostgresCall::Lead]
    );
    verify(&world);
}
