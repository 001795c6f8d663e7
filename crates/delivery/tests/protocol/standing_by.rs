//! One of several instances: what a standby outlives, and when a leader lets another one lead.

use std::time::Duration;

use tokio::time::sleep;
use walcast_delivery::Role;

use crate::fakes::{Act, KafkaCall, PostgresCall, TestFault, World, insert, verify};

const GONE: TestFault = TestFault::passing("connection lost");
/// A wait for the lead that is one behind another instance.
const LONG: Duration = Duration::from_secs(60);

async fn await_standby(world: &World) {
    let mut status = world.status.subscribe();
    status
        .wait_for(|status| status.word() == "standby")
        .await
        .expect("the world outlives its connectors");
}

/// A source that restarts while a standby waits is no reason to end: it is there for just that.
#[tokio::test(start_paused = true)]
async fn a_standby_outlives_the_end_of_its_connection() {
    let world = World::set_up();
    world.postgres.edit(|server| {
        server.script.slow(PostgresCall::Lead, LONG);
        server.script.at(PostgresCall::Lead, 1, Act::Fail(GONE));
        server.script.at(PostgresCall::Lead, 2, Act::Fail(GONE));
    });
    let takes_over = async {
        await_standby(&world).await;
        assert_eq!(world.role.role(), Role::Standby);
        world.postgres.commit([("accounts", insert(1))]);
        world.everything_delivered().await;
        assert_eq!(world.role.role(), Role::Leader);
    };
    world.run(takes_over).await.unwrap();
    assert_eq!(
        world
            .postgres
            .read(|server| server.script.count(PostgresCall::Lead)),
        3
    );
    verify(&world);
}

/// What a standby meets when it leads for the first time is tried again too: nobody is watching a start.
#[tokio::test(start_paused = true)]
async fn a_takeover_that_fails_is_tried_again() {
    for call in [PostgresCall::Survey, PostgresCall::Start] {
        let world = World::set_up();
        world.postgres.edit(|server| {
            server.script.slow(PostgresCall::Lead, LONG);
            server.script.at(call, 1, Act::Fail(GONE));
        });
        world.postgres.commit([("accounts", insert(1))]);
        world.deliver().await;
        assert_eq!(world.role.takeovers(), 1);
        assert!(world.role.last_takeover().is_some());
    }
}

/// A restart of the broker is waited for; one that stays away is left to an instance that may reach it.
#[tokio::test(start_paused = true)]
async fn a_leader_that_fails_at_kafka_twice_in_a_row_gives_the_lead_up() {
    for (failures, resigned) in [(1, 0), (2, 1), (4, 3)] {
        let world = World::set_up();
        let outage = async {
            world.postgres.commit([("accounts", insert(1))]);
            world.everything_delivered().await;
            world.kafka.edit(|broker| {
                broker.script.at(KafkaCall::Commit, 1, Act::Fail(GONE));
                for nth in 1..failures {
                    broker.script.at(KafkaCall::Open, nth, Act::Fail(GONE));
                }
            });
            // Longer than the longest delay: the session before counts as one that held.
            sleep(LONG).await;
            world.postgres.commit([("accounts", insert(2))]);
            world.everything_delivered().await;
        };
        world.run(outage).await.unwrap();
        assert_eq!(
            world.postgres.read(|server| server.resigned),
            resigned,
            "{failures}"
        );
        verify(&world);
    }
}

/// The lead has nothing to do with what the source itself does: where it was lost, it is lost already.
#[tokio::test(start_paused = true)]
async fn faults_of_the_source_are_no_reason_to_give_the_lead_up() {
    let world = World::set_up();
    let outage = async {
        world.postgres.commit([("accounts", insert(1))]);
        world.everything_delivered().await;
        world.postgres.edit(|server| {
            server.script.at(PostgresCall::Next, 1, Act::Fail(GONE));
            server.script.at(PostgresCall::Survey, 1, Act::Fail(GONE));
            server.script.at(PostgresCall::Survey, 2, Act::Fail(GONE));
        });
        world.postgres.commit([("accounts", insert(2))]);
        world.everything_delivered().await;
    };
    world.run(outage).await.unwrap();
    assert_eq!(world.postgres.read(|server| server.resigned), 0);
    verify(&world);
}
