//! One of several instances: the faults that a standby survives, and when a leader releases leadership.

use std::time::Duration;

use tokio::time::sleep;
use walcast_delivery::Role;

use crate::fakes::{CONNECTION_LOST, KafkaCall, PostgresCall, World, insert, verify};

/// A wait for leadership that is long enough to count as standby.
const LONG: Duration = Duration::from_secs(60);

async fn await_standby(world: &World) {
    let mut status = world.state.status.subscribe();
    status
        .wait_for(|status| status.word() == "standby")
        .await
        .expect("the world outlives its connectors");
}

/// A standby survives a restart of the source: it keeps waiting for leadership.
#[tokio::test(start_paused = true)]
async fn standby_survives_the_end_of_its_connection() {
    let world = World::set_up();
    world
        .postgres
        .edit(|server| server.script.slow(PostgresCall::AcquireLeadership, LONG));
    for nth in [1, 2] {
        world
            .postgres
            .fail(PostgresCall::AcquireLeadership, nth, CONNECTION_LOST);
    }
    let take_over = async {
        await_standby(&world).await;
        assert_eq!(world.state.role.read().role, Role::Standby);
        world.insert_delivered(1).await;
        assert_eq!(world.state.role.read().role, Role::Leader);
    };
    world.run(take_over).await.unwrap();
    assert_eq!(world.postgres.count(PostgresCall::AcquireLeadership), 3);
    verify(&world);
}

/// Faults during the first takeover of a standby are retried: no operator is watching that start.
#[tokio::test(start_paused = true)]
async fn failed_takeover_is_retried() {
    for call in [PostgresCall::Inspect, PostgresCall::Start] {
        let world = World::set_up();
        world
            .postgres
            .edit(|server| server.script.slow(PostgresCall::AcquireLeadership, LONG));
        world.postgres.fail(call, 1, CONNECTION_LOST);
        world.postgres.commit([("accounts", insert(1))]);
        world.deliver().await;
        assert_eq!(world.state.role.read().takeovers, 1);
        assert!(world.state.role.read().last_takeover.is_some());
    }
}

/// The leader waits for a broker that restarts; if the broker stays unreachable, another instance may lead.
#[tokio::test(start_paused = true)]
async fn leader_releases_leadership_after_two_kafka_failures() {
    for (failures, resigned) in [(1, 0), (2, 1), (4, 3)] {
        let world = World::set_up();
        let outage = async {
            world.insert_delivered(1).await;
            world.kafka.fail(KafkaCall::Commit, 1, CONNECTION_LOST);
            for nth in 1..failures {
                world.kafka.fail(KafkaCall::Open, nth, CONNECTION_LOST);
            }
            // Longer than the longest delay, so that the previous session counts as stable.
            sleep(LONG).await;
            world.insert_delivered(2).await;
        };
        world.run(outage).await.unwrap();
        assert_eq!(
            world.postgres.read(|server| server.resignations),
            resigned,
            "{failures}"
        );
        verify(&world);
    }
}

/// Faults of the source do not release leadership: if the connection is lost, leadership is lost with it.
#[tokio::test(start_paused = true)]
async fn source_faults_do_not_release_leadership() {
    let world = World::set_up();
    let outage = async {
        world.insert_delivered(1).await;
        world.postgres.fail(PostgresCall::Next, 1, CONNECTION_LOST);
        for nth in [1, 2] {
            world.postgres.fail(PostgresCall::Inspect, nth, CONNECTION_LOST);
        }
        world.insert_delivered(2).await;
    };
    world.run(outage).await.unwrap();
    assert_eq!(world.postgres.read(|server| server.resignations), 0);
    verify(&world);
}
